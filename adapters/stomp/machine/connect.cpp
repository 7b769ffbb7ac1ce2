// CONNECT, STOMP and CONNECTED (STOMP 1.2, "Connecting").
#include "adapters/stomp/machine/connection_machine.hpp"
#include "adapters/stomp/machine/protocol.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace gw::stomp {

namespace {

/// A header that is there and says something: clients write `login:` for none.
std::optional<std::string_view> find_filled(const Frame& frame, std::string_view name) {
    const auto value = frame.find(name);
    return value && !value->empty() ? value : std::nullopt;
}

Milliseconds common_interval(Milliseconds sends, Milliseconds wants) {
    return sends == Milliseconds{0} || wants == Milliseconds{0} ? Milliseconds{0}
                                                                : std::max(sends, wants);
}

}  // namespace

ConnectionMachine::Step ConnectionMachine::on_connect(const Frame& frame, Bytes head) {
    const auto version = choose_version(frame.find("accept-version"));
    if (!version) {
        fail(ReasonCode::unsupported_protocol_version, "supported versions are 1.0, 1.1 and 1.2");
        return Step::done;
    }
    version_ = *version;
    if (version_ != Version::v1_0) {
        return check_heart_beat(frame) ? begin_connect(frame) : Step::done;
    }
    // What 1.0 makes of spaces was not known when the headers were split.
    FrameScratch scratch;
    const auto headers = decode_head(frame.command, version_, head, scratch);
    if (!headers) {
        fail_frame(headers.error());
        return Step::done;
    }
    return begin_connect({.command = frame.command, .headers = *headers, .body = frame.body});
}

/// Takes from each side the slower of what one offers and the other wants (STOMP 1.2,
/// "Heart-beating").
bool ConnectionMachine::check_heart_beat(const Frame& frame) {
    const auto text = frame.find("heart-beat");
    if (!text) {
        return true;
    }
    const auto client = parse_heart_beat(*text);
    if (!client) {
        fail(ReasonCode::malformed_packet, "heart-beat must be two numbers of milliseconds");
        return false;
    }
    const Milliseconds ours = options_->heart_beat_min;
    receive_interval_ms_ = static_cast<std::uint32_t>(common_interval(client->sends, ours).count());
    send_interval_ms_ = static_cast<std::uint32_t>(common_interval(ours, client->wants).count());
    return true;
}

ConnectionMachine::Step ConnectionMachine::begin_connect(const Frame& frame) {
    const PeerInfo& peer = connecting_->peer;
    // What the transport has proven comes first, then the client's own word, then ours.
    const auto own_id = peer.client_id.empty() ? find_filled(frame, "client-id")
                                               : std::optional<std::string_view>{peer.client_id};
    if (!own_id && connecting_->assigned_id.empty()) {
        connecting_->assigned_id = broker_.make_client_id(peer.rules.get(), protocol);
    }
    is_named_client_ = own_id.has_value();
    const std::string_view own{own_id ? *own_id : std::string_view{connecting_->assigned_id}};
    std::string scratch;
    const std::string_view client_id =
        broker_.core_client_id(peer.rules.get(), protocol, own, scratch);
    const auto passcode = find_filled(frame, "passcode");
    const Credentials shown{
        .client_id = client_id,
        .username = peer.username.empty() ? find_filled(frame, "login")
                                          : std::optional<std::string_view>{peer.username},
        .password = passcode ? std::optional{as_bytes(*passcode)} : std::nullopt,
        .peer = peer,
        .protocol = &protocol};
    if (own.size() > options_->client_id_bytes_max) {
        broker_.refuse_connect(shown, ReasonCode::client_identifier_not_valid);
        say_goodbye(ReasonCode::client_identifier_not_valid, "client-id too long");
        return Step::done;
    }
    const std::uint32_t owner = broker_.worker_of(client_id);
    if (owner != broker_.worker()) {
        connection_.move_to(owner);
        return Step::wait;
    }
    LoginAnswer answer = broker_.connect({.shown = shown, .terms = terms()}, *this);
    take_answer(answer);
    return Step::done;
}

SessionTerms ConnectionMachine::terms() const {
    SessionTerms terms;
    terms.clean_start = !is_named_client_;
    terms.inflight_max = options_->unacked_max;
    terms.waits_for_store = options_->waits_for_store;
    if (is_named_client_) {
        const auto seconds = options_->session_expiry.count();
        terms.expiry_interval = seconds == 0 ? session_never_expires
                                             : static_cast<std::uint32_t>(std::min<std::int64_t>(
                                                   seconds, session_never_expires));
    }
    return terms;
}

void ConnectionMachine::take_answer(LoginAnswer& answer) {
    connecting_->is_waiting = answer.kind == LoginAnswer::Kind::pending;
    connecting_->token = answer.token;
    if (connecting_->is_waiting) {
        connecting_->receipt = find_raw(head_, "receipt");
        pause(pause_for_login);  // what follows waits unread
    } else if (answer.kind == LoginAnswer::Kind::opened) {
        finish_connect(answer.opened);
    } else {
        say_goodbye(answer.opened.reason, answer.detail);  // the broker has counted the refusal
    }
}

void ConnectionMachine::on_login_decided(LoginAnswer& answer) {
    if (!connecting_ || !connecting_->is_waiting || answer.token != connecting_->token) {
        return;
    }
    take_answer(answer);
    if (state_ != State::closed) {
        unpause(pause_for_login);
    }
}

void ConnectionMachine::forget_login() {
    if (connecting_ && std::exchange(connecting_->is_waiting, false)) {
        broker_.forget_login(connecting_->token);
    }
}

void ConnectionMachine::finish_connect(const OpenedSession& opened) {
    session_ = opened.session;
    id_prefix_ = static_cast<std::uint32_t>(broker_.random().next());
    if (opened.ticket != 0 && options_->waits_for_store) {
        // CONNECTED promises a session, or that an older one is gone.
        state_ = State::opening;
        connecting_->ticket = opened.ticket;
        connecting_->must_be_stored = opened.must_be_stored;
        connecting_->has_resumed = opened.session_present;
        pause(pause_for_session);
        return;
    }
    welcome(opened.session_present);
}

void ConnectionMachine::on_session_stored(StoreOutcome outcome) {
    if (outcome != StoreOutcome::stored && connecting_->must_be_stored) {
        refuse_unstored(outcome, {});
        return;
    }
    welcome(connecting_->has_resumed);
    unpause(pause_for_session);
}

void ConnectionMachine::welcome(bool session_present) {
    state_ = State::connected;
    send_connected(session_present);
    if (session_present) {
        collect_unnamed();
    }
    connecting_.reset();
    arm_deadline();
}

/// What the session is subscribed to already, from earlier connections of whatever protocol: its
/// messages wait until the client has said under which id it wants them.
void ConnectionMachine::collect_unnamed() {
    constexpr std::size_t page_count = 1000;
    std::vector<std::string> filters;
    for (std::size_t first = 0, count = page_count; count == page_count; first += count) {
        filters.clear();
        count = broker_.list_filters(*session_, first, page_count, filters);
        for (std::string& filter : filters) {
            rare().unnamed.insert(std::move(filter));
        }
    }
}

void ConnectionMachine::send_connected(bool session_present) {
    FrameWriter frame{output(), version_, Command::connected};
    frame.plain("version", version_text(version_));
    frame.header("session", session_->identity->own_client_id());
    frame.plain("server", options_->server_name);
    if (is_named_client_) {
        frame.plain("session-present", session_present ? "true" : "false");
    }
    if (version_ != Version::v1_0) {
        const std::string interval = std::to_string(options_->heart_beat_min.count());
        frame.plain("heart-beat", interval + "," + interval);
    }
    frame.end();
    count_sent(Command::connected);
}

}  // namespace gw::stomp
