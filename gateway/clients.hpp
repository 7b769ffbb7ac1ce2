#pragma once

#include "broker-core/broker/broker.hpp"
#include "gateway/control/manage.hpp"

#include <functional>
#include <string>
#include <utility>

namespace gw {

/// Answers `mangrove clients list|show|kick`: asks the workers for their sessions, of whatever
/// protocol. The thread of the control socket, which is no worker's; it waits for the workers,
/// five seconds at most.
class Clients {
public:
    using Post = std::function<void(std::uint32_t worker, std::function<void(Broker&)> task)>;

    Clients(const BrokerShared& shared, Post post) : shared_(shared), post_(std::move(post)) {}

    static bool answers(const std::string& name) { return name.starts_with("clients_"); }
    /// clients_list [limit] [state], clients_show client, clients_kick client.
    ///
    /// @error  not_found    no such client
    /// @error  unavailable  a worker did not answer in time
    Result<std::string> manage(const std::string& name, const ManageFields& fields) const;

private:
    using Ask = std::function<std::string(Broker&)>;

    Result<std::string> ask(std::uint32_t worker, Ask question) const;
    Result<std::string> list(const ManageFields& fields) const;

    const BrokerShared& shared_;
    const Post post_;
};

}  // namespace gw
