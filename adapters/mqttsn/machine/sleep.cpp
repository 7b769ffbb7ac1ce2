// Sleeping clients, and clients whose address changes (MQTT-SN 1.2, 6.14).
#include "adapters/mqttsn/machine/connection.hpp"
#include "adapters/mqttsn/machine/gateway.hpp"

#include <limits>
#include <utility>

namespace gw::mqttsn {

// --------------------------------------------------------------------------------------- sleep

void Connection::fall_asleep(std::uint16_t duration) {
    sleep_duration_ = duration;
    state_ = State::asleep;
    conflates_queue = !options().sleep_rules.empty();
    if (work_) {
        work_->outgoing.retry_at = never;  // goes on when it wakes up
    }
    update_blocked();
    save_state();
    gateway_.timers().cancel(*this);
    schedule();
    confirm_disconnect(session_->will ? broker().firm_ticket(*session_) : 0, false);
}

void Connection::wake_up() {
    state_ = State::awake;
    conflates_queue = false;
    Work& mine = work();
    // What comes while it listens may follow, but must not keep it awake for ever.
    constexpr std::size_t more_count_max = 16;
    const std::size_t waiting = session_->queue.count() + session_->inflight.count();
    mine.deliveries_left = session_->replays
                               ? std::numeric_limits<std::uint32_t>::max()
                               : static_cast<std::uint32_t>(2 * waiting + more_count_max);
    if (mine.outgoing.step != Outgoing::Step::none) {
        send_outgoing_again();
    }
    go_on();
}

/// Once the client has got, and acknowledged, all that had waited, it may sleep again.
void Connection::settle() {
    is_to_settle_ = false;
    if (state_ != State::awake || session_ == nullptr) {
        return;
    }
    const bool is_under_way =
        work_->outgoing.step != Outgoing::Step::none || !work_->replies.empty();
    const bool has_more =
        !session_->queue.empty() || session_->replays || !session_->inflight.empty();
    if (is_under_way || (has_more && work_->deliveries_left != 0)) {
        return;  // what ends this comes back here
    }
    send(Pingresp{});
    state_ = State::asleep;
    conflates_queue = !options().sleep_rules.empty();
    last_received_ = now();  // the time of the sleep begins
    update_blocked();
    save_state();
    schedule();
}

std::uint32_t Connection::queued_count_max(std::string_view topic) const {
    for (const SleepRule& rule : options().sleep_rules) {
        if (filter_matches(rule.filter, topic)) {
            return rule.count_max;
        }
    }
    return 0;
}

/// PINGREQ from where the client is known to be.
void Connection::answer_ping() {
    switch (state_) {
        case State::active:
            send(Pingresp{});
            return;
        case State::asleep:
            wake_up();
            return;
        case State::awake:
            // It is impatient, or has not heard us: what is under way goes out again.
            if (work_->outgoing.step != Outgoing::Step::none) {
                send_outgoing_again();
            }
            update_blocked();
            return;
        case State::connecting:
        case State::gone:
            return;
    }
}

// ------------------------------------------------------------------------------------- address

void Connection::on_client_ping(const DatagramSource& source) {
    if (state_ == State::gone || state_ == State::connecting) {
        return;
    }
    broker().metrics().packets_received.add();
    if (is_at(source)) {
        refresh(source);
        last_received_ = now();
        is_fresh_ = false;
        answer_ping();
        return;
    }
    if (state_ == State::active && !is_proven_by_dtls(source)) {
        // It is where it was, as far as anybody knows: whoever has moved says so by CONNECT.
        gateway_.drop(DatagramDrop::unknown_peer);
        gateway_.send(source.peer, source.node, Disconnect{});
        return;
    }
    if (work().move) {
        broker().forget_login(work_->move->token);
        work_->move.reset();
    }
    const PeerInfo info = gateway_.peer_info(source);
    LoginAnswer answer;
    if (has_same_proof(info)) {
        answer = broker().prove_again(*session_, credentials(client_id(), info), *this);
    }
    if (answer.kind != LoginAnswer::Kind::pending) {
        finish_ping_move(source, answer);
        return;
    }
    work_->move = std::make_unique<Move>();
    work_->move->peer = source.peer;
    work_->move->node = std::string{as_text(source.node)};
    work_->move->token = answer.token;
}

/// What a certificate or key has proven, nothing less can prove.
bool Connection::has_same_proof(const PeerInfo& peer) const {
    return !work_ || work_->proof.empty() ||
           work_->proof ==
               std::string_view{Gateway::proof_of(peer, session_->identity->is_anonymous)};
}

void Connection::finish_ping_move(const DatagramSource& source, const LoginAnswer& answer) {
    if (answer.kind != LoginAnswer::Kind::opened) {
        gateway_.drop(DatagramDrop::unknown_peer);
        gateway_.send(source.peer, source.node, Disconnect{});
        return;
    }
    move_to(source);
    last_received_ = now();
    answer_ping();
}

bool Connection::is_proven_by_dtls(const DatagramSource& source) const {
    return source.identity != nullptr && work_ && !work_->proof.empty() &&
           work_->proof == std::string_view{Gateway::proof_of(gateway_.peer_info(source), true)};
}

/// The client has proven to be at another address: from now on it is there.
void Connection::move_to(const DatagramSource& source) {
    if (has_address_) {
        send(Disconnect{});  // should it not be the client that has moved, that one hears of it
        gateway_.port().unbind(peer_, work_ ? as_bytes(work_->node) : NodePrefix{}, handle_);
    }
    peer_ = source.peer;
    has_address_ = true;
    is_fresh_ = false;
    if (!source.node.empty() || (work_ && !work_->node.empty())) {
        work().node = as_text(source.node);
    }
    gateway_.port().bind(peer_, source.node, handle_);
    if (state_ == State::active) {
        update_blocked();
    }
}

bool Connection::follow(const DatagramSource& source) {
    if (!is_connected() || state_ == State::connecting || is_at(source)) {
        return false;
    }
    const PeerInfo info = gateway_.peer_info(source);
    if (!has_same_proof(info)) {
        return false;
    }
    const LoginAnswer answer =
        broker().prove_again(*session_, credentials(client_id(), info), *this);
    if (answer.kind == LoginAnswer::Kind::pending) {
        broker().forget_login(answer.token);  // the datagram cannot wait; CONNECT can
    }
    if (answer.kind != LoginAnswer::Kind::opened) {
        return false;
    }
    move_to(source);
    return true;
}

}  // namespace gw::mqttsn
