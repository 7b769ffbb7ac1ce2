#include "adapters/websocket/frame_reader.hpp"

#include <algorithm>
#include <cstring>

namespace gw::websocket {

FrameReader::Event FrameReader::next(Bytes& in, ByteBuffer& out) {
    if (has_given_control_) {
        has_given_control_ = false;
        control_.release();
    }
    if (state_ == State::header) {
        if (in.empty()) {
            return Event::need_more;
        }
        const Event event = read_header(in);
        if (event != Event::data) {
            return event;
        }
    }
    if (state_ == State::payload) {
        return header_.opcode >= Opcode::close ? read_control(in) : read_payload(in, out);
    }
    in = {};
    return Event::need_more;
}

/// Event::data stands for "go on with the payload" here.
FrameReader::Event FrameReader::read_header(Bytes& in) {
    Bytes bytes = in;
    const std::size_t kept = control_.size();
    if (kept != 0) {
        control_.append(in.first(std::min(in.size(), frame_header_bytes_max - kept)));
        bytes = control_.view();
    }
    // Byte by byte what a peer does wrong first is what it is told, however its bytes are cut.
    HeaderOutcome outcome;
    for (const Bytes& part : {bytes.first(1), bytes}) {
        outcome = decode_client_header(part);
        if (outcome.status == HeaderStatus::error) {
            return fail(CloseCode::protocol_error, outcome.error);
        }
        header_ = outcome.header;
        const Event checked = check_header();
        if (checked != Event::data) {
            return checked;
        }
    }
    if (outcome.status == HeaderStatus::need_more) {
        if (kept == 0) {
            control_.append(in);
        }
        in = {};
        return Event::need_more;
    }
    in = in.subspan(header_.header_bytes - kept);
    control_.release();
    if (header_.opcode == Opcode::text || header_.opcode == Opcode::binary) {
        is_in_message_ = true;
        is_text_ = header_.opcode == Opcode::text;
        message_bytes_ = 0;
    }
    payload_read_ = 0;
    state_ = State::payload;
    return Event::data;
}

/// What a header may say at this place; also asked for the first part of one, whose length is 0
/// until it is known.
FrameReader::Event FrameReader::check_header() {
    const Opcode opcode = header_.opcode;
    if (opcode >= Opcode::close) {
        return Event::data;
    }
    if (opcode == Opcode::continuation) {
        if (!is_in_message_) {
            return fail(CloseCode::protocol_error, "continuation of nothing");
        }
    } else if (is_in_message_) {
        return fail(CloseCode::protocol_error, "new message inside of a fragmented one");
    } else if (opcode == Opcode::text && !rules_->allows_text) {
        return fail(CloseCode::unsupported_data, "text frame where only binary ones are allowed");
    } else if (opcode == Opcode::binary && !rules_->allows_binary) {
        return fail(CloseCode::unsupported_data, "binary frame where only text ones are allowed");
    }
    const std::uint64_t before = opcode == Opcode::continuation ? message_bytes_ : 0;
    if (header_.payload_bytes > rules_->frame_bytes_max ||
        (rules_->message_bytes_max != 0 &&
         header_.payload_bytes > rules_->message_bytes_max - before)) {
        return fail(CloseCode::too_big, "frame or message larger than this server takes");
    }
    return Event::data;
}

FrameReader::Event FrameReader::read_payload(Bytes& in, ByteBuffer& out) {
    const std::uint64_t left = header_.payload_bytes - payload_read_;
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left, in.size()));
    if (count == 0 && left != 0) {
        return Event::need_more;
    }
    if (count != 0) {
        std::uint8_t* const start = out.extend(count);
        std::memcpy(start, in.data(), count);
        apply_mask(start, count, header_.mask, payload_read_);
        if (is_text_ && !utf8_.add({start, count})) {
            return fail(CloseCode::invalid_payload, "text that is not UTF-8");
        }
        in = in.subspan(count);
        payload_read_ += count;
        message_bytes_ += count;
    }
    if (payload_read_ != header_.payload_bytes) {
        return Event::data;
    }
    state_ = State::header;
    if (!header_.is_final) {
        return Event::data;
    }
    if (is_text_ && !utf8_.is_complete()) {
        return fail(CloseCode::invalid_payload, "text that is not UTF-8");
    }
    utf8_.reset();
    is_in_message_ = false;
    return Event::message_end;
}

FrameReader::Event FrameReader::read_control(Bytes& in) {
    const auto left = static_cast<std::size_t>(header_.payload_bytes - payload_read_);
    const std::size_t count = std::min(left, in.size());
    if (count != 0) {
        const std::size_t before = control_.size();
        control_.append(in.first(count));
        apply_mask(control_.data() + before, count, header_.mask, payload_read_);
        payload_read_ += count;
        in = in.subspan(count);
    }
    if (payload_read_ != header_.payload_bytes) {
        return Event::need_more;
    }
    return end_control();
}

FrameReader::Event FrameReader::end_control() {
    state_ = State::header;
    has_given_control_ = true;
    if (header_.opcode == Opcode::ping) {
        return Event::ping;
    }
    if (header_.opcode == Opcode::pong) {
        return Event::pong;
    }
    if (!control_.empty()) {
        Reader body{control_.view()};
        const std::uint16_t code = body.u16_be();
        if (body.failed() || !is_allowed_close_code(code)) {
            return fail(CloseCode::protocol_error, "close code that must not be sent");
        }
        Utf8Validator reason;
        if (!reason.add(body.rest()) || !reason.is_complete()) {
            return fail(CloseCode::invalid_payload, "close reason that is not UTF-8");
        }
    }
    state_ = State::ended;
    return Event::close;
}

FrameReader::Event FrameReader::fail(CloseCode code, std::string_view text) {
    state_ = State::ended;
    error_code_ = code;
    error_text_ = text;
    control_.release();
    return Event::error;
}

}  // namespace gw::websocket
