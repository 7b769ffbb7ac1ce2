#include "adapters/http/router.hpp"

#include <algorithm>
#include <utility>

namespace gw::http {

void Router::add(std::string path, std::string methods, std::shared_ptr<const Handler> handler) {
    routes_.push_back({std::move(path), std::move(methods), false, std::move(handler)});
}

void Router::add_prefix(std::string prefix, std::shared_ptr<const Handler> handler) {
    routes_.push_back({std::move(prefix), "", true, std::move(handler)});
}

Router::Found Router::find(std::string_view method, std::string_view path) const {
    Found found;
    for (const Route& route : routes_) {
        if (route.is_prefix || route.path != path) {
            continue;
        }
        const auto methods = split_list(route.methods);
        if (std::find(methods.begin(), methods.end(), method) != methods.end()) {
            return {route.handler.get(), {}};
        }
        found.allowed_methods = route.methods;
    }
    if (!found.allowed_methods.empty()) {
        return found;
    }
    std::size_t longest = 0;
    for (const Route& route : routes_) {
        if (route.is_prefix && path.starts_with(route.path) && route.path.size() > longest) {
            longest = route.path.size();
            found.handler = route.handler.get();
        }
    }
    return found;
}

}  // namespace gw::http
