#include "broker-core/access/access.hpp"

namespace gw {

std::optional<AuthDecision> AnonymousAuthenticator::authenticate(const Credentials& credentials,
                                                                 std::uint32_t /*worker*/,
                                                                 AuthToken /*token*/) {
    AuthDecision decision;
    if (credentials.allow_anonymous) {
        decision.reason = ReasonCode::success;
        // Shown, not proven: kept for events and lists, never used as the principal.
        decision.username = std::string{credentials.username.value_or(std::string_view{})};
    } else {
        decision.reason = credentials.username ? ReasonCode::bad_user_name_or_password
                                               : ReasonCode::not_authorized;
    }
    return decision;
}

}  // namespace gw
