#pragma once

#include "broker-core/base/log.hpp"
#include "broker-core/base/result.hpp"
#include "config/model/config.hpp"
#include "gateway/control/manage.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace gw {

/// What a Program runs: the broker with its listeners, or a stand-in in tests. All calls come from
/// the main thread.
class Service {
public:
    virtual ~Service() = default;

    /// Returns when every listener accepts. Throws std::runtime_error with a text for the person
    /// who started the program: "listener.tcp.x: cannot listen on 127.0.0.1:1883: Address already
    /// in use"; nothing runs then.
    virtual void start() = 0;

    /// One JSON object in one line: listeners, counts, alarms. Called while running only.
    virtual std::string status_json() = 0;

    /// Applies a configuration that differs from the present one only in keys that need no
    /// restart, or in none: then the files that it names are read again. Whole or, with an error,
    /// not at all. Returns what happened, a line for each thing.
    virtual Result<std::vector<std::string>> reload(const config::Config& config) = 0;

    /// Whether reload() would take it: reads the files that it names, and changes nothing.
    virtual Result<void> check(const config::Config& config) {
        static_cast<void>(config);
        return {};
    }

    /// Somebody has changed the file of users: when this returns, logins see it, and the
    /// connections of users that are gone are being ended.
    virtual void users_changed() {}

    /// Answers what the program around it does not know: `mangrove ban`, `mangrove acl test`.
    virtual Result<std::string> manage(const std::string& name, const ManageFields& fields) {
        static_cast<void>(fields);
        return Error{Errc::invalid_argument, "unknown command " + name};
    }

    /// Stops accepting, tells the clients, flushes, ends all threads. Blocks until done.
    virtual void stop() = 0;
};

/// Makes the service; the log outlives it, the configuration does not.
using ServiceFactory = std::function<std::unique_ptr<Service>(const config::Config&, Log&)>;

}  // namespace gw
