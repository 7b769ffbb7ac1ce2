#include "broker-core/auth/auth_module.hpp"

#include <cstring>
#include <utility>

namespace gw {

AuthRequest::~AuthRequest() {
    if (password) {
        ::explicit_bzero(password->data(), password->size());
    }
}

AuthRequestPtr AuthRequest::renewed(std::uint64_t new_generation) const {
    auto copy = std::make_shared<AuthRequest>();
    copy->client_id = client_id;
    copy->username = username;
    copy->password = password;
    copy->peer = peer;
    copy->protocol = protocol;
    copy->allow_anonymous = allow_anonymous;
    copy->at = at;
    copy->generation = new_generation;
    copy->key = key;
    return copy;
}

AuthVerdict AuthVerdict::allow(AuthSource source, std::string username) {
    AuthVerdict verdict;
    verdict.kind = Kind::allow;
    verdict.decision.reason = ReasonCode::success;
    verdict.decision.source = source;
    verdict.decision.strength = strength_of(source);
    verdict.decision.username = std::move(username);
    verdict.decision.is_anonymous = false;
    return verdict;
}

AuthVerdict AuthVerdict::allow_if_unknown(AuthSource source, std::string username) {
    AuthVerdict verdict = allow(source, std::move(username));
    verdict.kind = Kind::allow_if_unknown;
    return verdict;
}

AuthVerdict AuthVerdict::deny(AuthSource source, ReasonCode reason, std::string_view detail) {
    AuthVerdict verdict;
    verdict.kind = Kind::deny;
    verdict.decision.reason = reason;
    verdict.decision.source = source;
    verdict.detail = detail;
    return verdict;
}

AuthVerdict AuthVerdict::unavailable(AuthSource source, ReasonCode reason,
                                     std::string_view detail) {
    AuthVerdict verdict = deny(source, reason, detail);
    verdict.is_lasting = false;
    return verdict;
}

}  // namespace gw
