#pragma once

#include "broker-core/broker/connect_request.hpp"
#include "broker-core/broker/session_link.hpp"
#include "broker-core/message/identity.hpp"
#include "broker-core/message/peer_info.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace gw {

/// A login that is not decided yet: what its client has shown and asked for, and its exchange.
struct Login {
    enum class Purpose : std::uint8_t {
        connect,      // a session is to be opened
        prove_again,  // the client of `session` shows a proof anew, perhaps from another place
    } purpose = Purpose::connect;
    SessionLink* link = nullptr;
    std::string client_id;
    std::optional<std::string> username;
    PeerInfo peer;
    const ProtocolTraits* protocol = &internal_protocol;
    bool is_fixed_user = false;
    bool is_moving = false;  // prove_again: from `peer`, not from where it is
    SessionTerms terms;
    SessionRef session;
    std::unique_ptr<AuthExchange> exchange;
    std::string exchange_name;          // that the client wants to prove by it; empty: not known
    MonotonicTime waits_until = never;  // for an answer; never: for the client

    /// Keeps what is borrowed of a request, but for its password.
    static Login of(const Credentials& shown, SessionLink& link);
    /// What is counted and banned: the exchange's name where there is one, since the one beside it
    /// need not be there, or be the same.
    Credentials credentials() const;
};

/// The logins of one worker that are not decided: each has a token, by which its answer finds it
/// and its link can take it back. What is not here any more was answered, was too late, or has
/// nobody waiting for it.
class Logins {
public:
    AuthToken next_token() { return next_token_++; }
    /// Keeps a login until it is taken. What waits_until says is looked at by expired().
    Login& keep(AuthToken token, Login&& login);
    /// The client has answered what it was asked, and an answer to that is waited for.
    void await(AuthToken token, Login& login, MonotonicTime until);
    /// One that waits for an answer, of an exchange or of the authenticator; else null.
    Login* find_awaiting(AuthToken token, bool of_exchange);
    /// One that waits for its client's next step; else null.
    Login* find_asked(AuthToken token);
    std::optional<Login> take(AuthToken token);
    MonotonicTime next_deadline() const {
        return deadlines_.empty() ? never : deadlines_.front().at;
    }
    /// The next one whose answer is overdue.
    std::optional<AuthToken> expired(MonotonicTime now);

private:
    struct Deadline {
        MonotonicTime at;
        AuthToken token;
    };
    std::unordered_map<AuthToken, Login> logins_;
    std::deque<Deadline> deadlines_;  // ascending; answered ones leave when they are due
    AuthToken next_token_ = 1;
};

}  // namespace gw
