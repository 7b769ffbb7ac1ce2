#pragma once

#include "broker-core/message/origin.hpp"

#include <memory>
#include <string_view>

namespace gw::test {

/// Rules of a listener that lets everybody in, and on request makes everybody an administrator.
inline OriginRulesPtr open_origin(bool is_administrator = false, std::string_view mountpoint = {}) {
    auto rules = std::make_shared<OriginRules>();
    rules->allows_anonymous = true;
    rules->mountpoint = mountpoint;
    rules->has_unix_administrators = is_administrator;
    if (is_administrator) {
        rules->administrators.push_back({IpAddress{}, 0});
    }
    return rules;
}

}  // namespace gw::test
