#pragma once

#include "adapters/http/exchange.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gw::http {

/// Answers the requests of one route. One object for all connections of a listener: any worker's
/// thread, so it keeps nothing of a request.
class Handler {
public:
    virtual ~Handler() = default;

    /// The request is whole. The answer may come now or later, through `exchange`.
    virtual void on_request(Exchange& exchange) const = 0;
    /// The worker that has to answer this request, whose head alone is known; `present` has it now.
    virtual std::uint32_t worker_for(const Request&, std::uint32_t present) const {
        return present;
    }
};

/// Which handler answers what. Filled once, then only read.
class Router {
public:
    /// `methods` with commas: "GET, HEAD".
    void add(std::string path, std::string methods, std::shared_ptr<const Handler> handler);
    /// All paths that begin with `prefix` and are not routes of their own, with all methods; the
    /// longest prefix counts.
    void add_prefix(std::string prefix, std::shared_ptr<const Handler> handler);

    struct Found {
        const Handler* handler = nullptr;
        /// Without a handler: the methods that the path has, or empty when there is no such path.
        std::string_view allowed_methods{};
    };
    Found find(std::string_view method, std::string_view path) const;

private:
    struct Route {
        std::string path;
        std::string methods;  // empty: all
        bool is_prefix = false;
        std::shared_ptr<const Handler> handler;
    };
    std::vector<Route> routes_;
};

}  // namespace gw::http
