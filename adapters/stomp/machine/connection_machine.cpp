// Frames in, receipts, errors, time and the end of a connection.
#include "adapters/stomp/machine/connection_machine.hpp"

#include "adapters/stomp/codec/header_text.hpp"

#include <algorithm>
#include <utility>

namespace gw::stomp {

namespace {

/// Headers of the frame that is being dealt with. One a thread is enough: a machine uses it within
/// one call.
FrameScratch& frame_scratch() {
    static thread_local FrameScratch scratch;
    return scratch;
}

}  // namespace

ConnectionMachine::ConnectionMachine(Broker& broker, StreamConnection& connection,
                                     std::shared_ptr<const MachineOptions> options, PeerInfo peer)
    : broker_(broker),
      connection_(connection),
      options_(std::move(options)),
      connecting_(std::make_unique<Connecting>()),
      last_received_(broker.now().monotonic),
      last_sent_(broker.now().monotonic) {
    connecting_->peer = std::move(peer);
    connecting_->timeout_at = now() + options_->connect_timeout;
    arm_deadline();
}

ConnectionMachine::~ConnectionMachine() {
    forget_login();
    end_session(ReasonCode::connection_lost);
}

// ------------------------------------------------------------------------------------- input

FrameLimits ConnectionMachine::limits() const {
    return {.header_count_max = options_->header_count_max,
            .line_bytes_max = options_->line_bytes_max,
            .body_bytes_max = options_->body_bytes_max,
            .connect_only = state_ == State::awaiting_connect};
}

std::size_t ConnectionMachine::on_bytes(Bytes bytes) {
    last_received_ = now();  // any octet is a sign of life (STOMP 1.2, "Heart-beating")
    std::size_t consumed = 0;
    while (is_listening() && !pauses_.any()) {
        if (reader_.is_fresh()) {
            const std::size_t line_ends = count_line_ends(bytes.subspan(consumed));
            consumed += line_ends;
            if (connecting_) {
                connecting_->bytes_taken += line_ends;
            }
        }
        const Bytes rest = bytes.subspan(consumed);
        const bool is_half_line_end = reader_.is_fresh() && rest.size() == 1 && rest[0] == '\r';
        if (rest.empty() || is_half_line_end) {
            is_over_budget(rest.size());
            break;
        }
        const FrameStatus status = reader_.read(rest, limits());
        const std::size_t frame_bytes =
            status == FrameStatus::frame ? reader_.frame_bytes() : rest.size();
        if (status != FrameStatus::error && is_over_budget(frame_bytes)) {
            break;
        }
        if (status == FrameStatus::need_more) {
            break;
        }
        if (status == FrameStatus::error) {
            head_ = rest.first(reader_.known_bytes());
            fail_frame(reader_.error());
            break;
        }
        const Step step = on_frame(rest.first(frame_bytes));
        reader_.reset();
        if (step == Step::wait) {
            break;
        }
        consumed += frame_bytes;
        check_receipts();
    }
    head_ = {};
    if (state_ == State::connected) {
        settle_subscriptions();
    }
    if (!is_listening()) {
        return bytes.size();
    }
    note_bytes(consumed);
    return consumed;
}

/// Before the login a connection may cost only so much.
bool ConnectionMachine::is_over_budget(std::size_t bytes) {
    if (!connecting_ || connecting_->bytes_taken + bytes <= options_->unauthenticated_bytes_max)
        [[likely]] {
        return false;
    }
    fail(ReasonCode::packet_too_large, "too many bytes before the login");
    return true;
}

ConnectionMachine::Step ConnectionMachine::on_frame(Bytes bytes) {
    const Command command = reader_.command();
    head_ = bytes.first(reader_.head_bytes());
    if (!is_from_client(command)) {
        fail(ReasonCode::protocol_error, "only a server sends this command");
        return Step::done;
    }
    if (is_over_rate(command)) {
        return Step::wait;
    }
    const auto headers = decode_head(command, version_, head_, frame_scratch());
    if (!headers) {
        fail_frame(headers.error());
        return Step::done;
    }
    const Frame frame{.command = command,
                      .headers = *headers,
                      .body = bytes.subspan(reader_.head_bytes(), reader_.body_bytes())};
    const Step step =
        state_ == State::awaiting_connect ? on_connect(frame, head_) : on_connected_frame(frame);
    if (step == Step::done) {
        broker_.metrics().stomp_frames_received.add();
    }
    return step;
}

ConnectionMachine::Step ConnectionMachine::on_connected_frame(const Frame& frame) {
    switch (frame.command) {
        case Command::send:
            return on_send(frame);
        case Command::subscribe:
            return on_subscribe(frame);
        case Command::unsubscribe:
            on_unsubscribe(frame);
            return Step::done;
        case Command::ack:
        case Command::nack:
            on_ack(frame);
            return Step::done;
        case Command::begin:
            on_begin(frame);
            return Step::done;
        case Command::commit:
            return on_commit(frame);
        case Command::abort:
            on_abort(frame);
            return Step::done;
        case Command::disconnect:
            on_disconnect(frame);
            return Step::done;
        case Command::connect:
        case Command::stomp:
            fail(ReasonCode::protocol_error, "second CONNECT");
            return Step::done;
        case Command::connected:
        case Command::message:
        case Command::receipt:
        case Command::error:
            break;
    }
    GW_UNREACHABLE();  // on_frame() has refused them
}

// ------------------------------------------------------------------------------------ receipts

void ConnectionMachine::acknowledge_frame(const Frame& frame, StoreTicket ticket) {
    const auto id = frame.find("receipt");
    if (!id) {
        return;
    }
    // Receipts keep the order of their frames: each says that all before it were received, too.
    const bool waits = ticket != 0 && options_->waits_for_store;
    if (waits || (rare_ && !rare_->receipts.empty())) {
        rare().receipts.push_back({ticket, std::string{*id}});
        rare_->receipt_bytes += sizeof(PendingReceipt) + id->size();
        return;
    }
    write_receipt(*id);
}

void ConnectionMachine::write_receipt(std::string_view id) {
    FrameWriter frame{output(), version_, Command::receipt};
    frame.header("receipt-id", id);
    frame.end();
    count_sent(Command::receipt);
}

/// A client that goes on sending while its receipts wait, or without reading them, waits too.
void ConnectionMachine::check_receipts() {
    if (rare_ && rare_->receipt_bytes > options_->unsent_bytes_max) {
        pause(pause_for_receipts);
    }
    if (connection_.unsent_bytes() > 2 * options_->unsent_bytes_max) {
        connection_.wants_drained = true;
        pause(pause_for_output);
    }
}

void ConnectionMachine::on_stored(StoreTicket ticket, StoreOutcome outcome) {
    if (state_ == State::opening) {
        if (connecting_->ticket <= ticket) {
            on_session_stored(connecting_->ticket == ticket ? outcome : StoreOutcome::stored);
        }
        return;
    }
    if (!rare_ || state_ == State::closed) {
        return;
    }
    auto& receipts = rare_->receipts;
    while (!receipts.empty() && receipts.front().ticket <= ticket) {
        const PendingReceipt receipt = std::move(receipts.front());
        receipts.pop_front();
        rare_->receipt_bytes -= sizeof(PendingReceipt) + receipt.id.size();
        if (outcome != StoreOutcome::stored && receipt.ticket == ticket) {
            refuse_unstored(outcome, receipt.id);
            return;
        }
        write_receipt(receipt.id);
    }
    if (state_ == State::disconnecting && receipts.empty()) {
        finish_disconnect();
        return;
    }
    if (rare_->receipt_bytes <= options_->unsent_bytes_max / 2) {
        unpause(pause_for_receipts);
    }
}

/// No RECEIPT for what is not stored, nor CONNECTED; and a client that hears nothing would wait.
void ConnectionMachine::refuse_unstored(StoreOutcome outcome, std::string_view receipt) {
    ByteBuffer escaped;
    append_escaped(escaped, version_, receipt);
    broker_.metrics().replies_refused_store.add();
    write_error(reason_of(outcome), "could not be stored", as_text(escaped.view()));
    state_ = State::closed;
    connection_.close(CloseMode::drain);
    end_session(reason_of(outcome));
}

// -------------------------------------------------------------------------------------- ending

void ConnectionMachine::on_disconnect(const Frame& frame) {
    settle_written();
    broker_.begin_close(*session_, end_for(ReasonCode::success));
    acknowledge_frame(frame, broker_.firm_ticket(*session_));
    if (rare_ && !rare_->receipts.empty()) {
        state_ = State::disconnecting;
        is_output_blocked = true;  // the client expects nothing but receipts now
        return;
    }
    finish_disconnect();
}

void ConnectionMachine::finish_disconnect() {
    state_ = State::closed;
    end_session(ReasonCode::success);
    connection_.close(CloseMode::drain);
}

void ConnectionMachine::fail(ReasonCode reason, std::string_view text) {
    if (state_ == State::closed) {
        return;
    }
    if (session_ == nullptr) {
        broker_.metrics().connects_refused_by_reason[static_cast<std::size_t>(reason)].add();
    } else {
        broker_.shared().log->info("client.protocol_error", {{"client_id", session_->client_id()},
                                                             {"peer", session_->identity->peer()},
                                                             {"reason", reason_text(reason)},
                                                             {"detail", text}});
    }
    say_goodbye(reason, text);
    end_session(reason);
}

void ConnectionMachine::say_goodbye(ReasonCode reason, std::string_view text) {
    if (state_ == State::closed) {
        return;
    }
    const std::string_view receipt = head_.empty() && connecting_
                                         ? std::string_view{connecting_->receipt}
                                         : find_raw(head_, "receipt");
    // What the client cannot read would hide the error from it. Before CONNECTED no version is
    // agreed on: what 1.2 reads, all do.
    const Version reader = connecting_ ? Version::v1_2 : version_;
    write_error(reason, text, is_readable(reader, receipt) ? receipt : std::string_view{});
    state_ = State::closed;
    forget_login();
    connection_.close(CloseMode::drain);
}

/// `raw_receipt` is the header's value as the client wrote it: so it is right in every version,
/// also before one was chosen.
void ConnectionMachine::write_error(ReasonCode reason, std::string_view text,
                                    std::string_view raw_receipt) {
    const std::string_view what = reason_text(reason);
    FrameWriter frame{output(), version_, Command::error};
    frame.header("message", text.empty() ? what : text);
    if (!raw_receipt.empty()) {
        frame.plain("receipt-id", raw_receipt);
    }
    if (reason == ReasonCode::unsupported_protocol_version) {
        frame.plain("version", "1.0,1.1,1.2");
    }
    frame.plain("content-type", "text/plain");
    std::string body{what};
    if (!text.empty() && text != what) {
        body += ": ";
        body += text;
    }
    body += '\n';
    frame.number("content-length", body.size());
    frame.end_head();
    output().append(std::string_view{body});
    frame.end_frame();
    count_sent(Command::error);
}

void ConnectionMachine::end_session(ReasonCode reason) {
    if (session_ == nullptr) {
        return;
    }
    broker_.metrics().connections_closed_by_reason[static_cast<std::size_t>(reason)].add();
    const ConnectionEnd end = end_for(reason);
    broker_.close_connection(*std::exchange(session_, nullptr), end);
}

ConnectionEnd ConnectionMachine::end_for(ReasonCode reason) const {
    ConnectionEnd end{.reason = reason, .discard_will = true, .expiry_interval = {}};
    if (session_->subscriptions.size() == broker_.passing_subscription_count(*session_)) {
        end.expiry_interval = 0;  // nothing durable is left to keep the session for
    }
    return end;
}

void ConnectionMachine::on_closed(ReasonCode reason) {
    state_ = State::closed;
    forget_login();
    end_session(reason);
}

void ConnectionMachine::on_session_lost(ReasonCode reason) {
    broker_.metrics().connections_closed_by_reason[static_cast<std::size_t>(reason)].add();
    session_ = nullptr;
    head_ = {};
    say_goodbye(reason, {});
}

void ConnectionMachine::on_shutdown(ReasonCode reason) {
    if (state_ != State::closed) {
        say_goodbye(reason, {});
        end_session(reason);
    }
}

// ---------------------------------------------------------------------------------------- time

void ConnectionMachine::arm_deadline() {
    MonotonicTime deadline = never;
    if (connecting_) {
        deadline = connecting_->timeout_at;
    } else {
        if (rare_) {
            deadline = std::min(rare_->paused_until, rare_->transactions.next_end());
        }
        if (receive_interval_ms_ != 0 && !pauses_.any()) {
            deadline = std::min(deadline, last_received_ + 2 * Milliseconds{receive_interval_ms_});
        }
        if (send_interval_ms_ != 0) {
            deadline = std::min(deadline, last_sent_ + Milliseconds{send_interval_ms_});
        }
    }
    connection_.set_deadline(deadline);
}

void ConnectionMachine::on_deadline() {
    if (state_ == State::closed) {
        return;
    }
    if (connecting_) {
        if (connecting_->timeout_at <= now()) {
            fail(ReasonCode::maximum_connect_time, "no login in time");
            return;
        }
    } else {
        if (rare_ && rare_->paused_until <= now()) {
            rare_->paused_until = never;
            unpause(pause_for_rate);
        }
        if (rare_ && rare_->transactions.next_end() <= now()) {
            fail(ReasonCode::quota_exceeded, "a transaction was open for too long");
            return;
        }
        // Twice the interval: timing is never exact. While nothing is read, the silence is ours.
        if (receive_interval_ms_ != 0 && !pauses_.any() &&
            last_received_ + 2 * Milliseconds{receive_interval_ms_} <= now()) {
            fail(ReasonCode::keep_alive_timeout, "no heart-beat");
            return;
        }
        if (send_interval_ms_ != 0 && last_sent_ + Milliseconds{send_interval_ms_} <= now()) {
            if (connection_.unsent_bytes() == 0) {
                output().u8('\n');
            }
            last_sent_ = now();
        }
    }
    arm_deadline();
}

void ConnectionMachine::unpause(Pause why) {
    if (pauses_.remove(why, connection_)) {
        last_received_ = now();
        arm_deadline();
    }
}

/// Whether a SEND must wait for mqtt.client.max_publish_rate; reading is paused then.
bool ConnectionMachine::is_over_rate(Command command) {
    if (options_->publish_rate_max == 0 || command != Command::send) [[likely]] {
        return false;
    }
    return pause_until(rare().rates.take_message(options_->publish_rate_max, now()),
                       broker_.metrics().reading_paused_rate);
}

/// Counts against mqtt.client.max_byte_rate: what was read is dealt with, the next waits.
void ConnectionMachine::note_bytes(std::size_t bytes) {
    if (options_->byte_rate_max == 0 || state_ != State::connected) [[likely]] {
        return;
    }
    pause_until(rare().rates.take_bytes(bytes, options_->byte_rate_max, now()),
                broker_.metrics().reading_paused_rate);
}

/// Stops reading until then. Returns whether that is still to come.
bool ConnectionMachine::pause_until(MonotonicTime when, Counter& pauses) {
    if (when <= now()) {
        return false;
    }
    pauses.add();
    MonotonicTime& until = rare().paused_until;
    until = until == never ? when : std::max(until, when);
    pause(pause_for_rate);
    arm_deadline();
    return true;
}

void ConnectionMachine::on_access_decided() {
    unpause(pause_for_access);  // the frame that waited comes again
}

// ---------------------------------------------------------------------------------------- rest

void ConnectionMachine::count_sent(Command command) {
    Metrics& metrics = broker_.metrics();
    metrics.stomp_frames_sent.add();
    if (command == Command::error) {
        metrics.stomp_errors_sent.add();
    }
}

ByteBuffer& ConnectionMachine::output() {
    last_sent_ = now();
    return connection_.output();
}

ConnectionMachine::Rare& ConnectionMachine::rare() {
    if (!rare_) {
        rare_ = std::make_unique<Rare>(*options_);
    }
    return *rare_;
}

}  // namespace gw::stomp
