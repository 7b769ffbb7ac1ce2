#include "broker-core/session/session_state.hpp"

#include <algorithm>
#include <utility>

namespace gw {

namespace {

/// 2: adapter_state at the end. 3: `sent_sequence`. 4: the mount point behind it. 5: the rewritten
/// filters behind that. 6: how far retained messages have come, behind those. Each is written where
/// there is something of it.
constexpr std::uint8_t format_version = 6;

// Bits of the flags.
constexpr unsigned anonymous = 1;
constexpr unsigned online = 2;
constexpr unsigned has_will = 4;
constexpr unsigned will_retain = 8;
constexpr unsigned will_expires = 16;
constexpr unsigned has_sent = 32;
// Two bits of ProofStrength. 0 of a client with a name: written before there was such a thing. An
// older program does not look at them.
constexpr unsigned strength_shift = 6;

void put_u64(ByteBuffer& out, std::uint64_t value) {
    out.u32_be(static_cast<std::uint32_t>(value >> 32));
    out.u32_be(static_cast<std::uint32_t>(value));
}

std::uint64_t get_u64(Reader& in) {
    const std::uint64_t high = in.u32_be();
    return high << 32 | in.u32_be();
}

void put_text(ByteBuffer& out, const std::string& text) {
    out.u32_be(static_cast<std::uint32_t>(text.size()));
    out.append(std::string_view{text});
}

std::string get_text(Reader& in) {
    return std::string{as_text(in.take(in.u32_be()))};
}

std::uint8_t version_for(const SessionState& state) {
    if (state.replay) {
        return format_version;
    }
    if (!state.rewritten.empty()) {
        return 5;
    }
    return state.mountpoint.empty() ? 3 : 4;
}

void put_replay(ByteBuffer& out, const StoredReplay& replay) {
    put_text(out, replay.filter);
    out.u8(static_cast<std::uint8_t>(replay.given.shard));
    out.u8(static_cast<std::uint8_t>(replay.given.bound.kind));
    put_text(out, replay.given.bound.text);
}

std::optional<StoredReplay> get_replay(Reader& in) {
    StoredReplay replay;
    replay.filter = get_text(in);
    replay.given.shard = in.u8();
    const std::uint8_t kind = in.u8();
    replay.given.bound.kind = static_cast<TopicBound::Kind>(kind);
    replay.given.bound.text = get_text(in);
    const bool is_good = kind <= static_cast<std::uint8_t>(TopicBound::Kind::after_subtree);
    return is_good ? std::optional{std::move(replay)} : std::nullopt;
}

}  // namespace

void encode_session_state(ByteBuffer& out, const SessionState& state) {
    unsigned flags = 0;
    flags |= state.is_anonymous ? anonymous : 0U;
    flags |= state.is_online ? online : 0U;
    flags |= state.sent_sequence != 0 ? has_sent : 0U;
    flags |= static_cast<unsigned>(state.strength) << strength_shift;
    if (state.will) {
        flags |= has_will;
        flags |= state.will->retain ? will_retain : 0U;
        flags |= state.will->has_expiry ? will_expires : 0U;
    }
    const std::uint8_t version = version_for(state);
    out.u8(version);
    out.u8(static_cast<std::uint8_t>(flags));
    out.u8(state.protocol);
    out.u32_be(state.expiry_interval);
    put_u64(out, static_cast<std::uint64_t>(state.disconnected_at.time_since_epoch().count()));
    put_u64(out, state.last_sequence);
    if (state.sent_sequence != 0) {
        put_u64(out, state.sent_sequence);
    }
    put_text(out, state.username);
    if (state.will) {
        out.u8(static_cast<std::uint8_t>(state.will->qos));
        put_u64(out, static_cast<std::uint64_t>(state.will->delay.count()));
        put_u64(out, static_cast<std::uint64_t>(state.will->expiry_interval.count()));
        put_text(out, state.will->topic);
        put_text(out, state.will->payload);
        put_text(out, state.will->properties);
    }
    put_text(out, state.adapter_state);
    if (version >= 4) {
        put_text(out, state.mountpoint);
    }
    if (version >= 5) {
        out.u32_be(static_cast<std::uint32_t>(state.rewritten.size()));
        for (const auto& [written, in_force] : state.rewritten) {
            put_text(out, written);
            put_text(out, in_force);
        }
    }
    if (version >= 6) {
        put_replay(out, *state.replay);
    }
}

Result<SessionState> decode_session_state(Bytes bytes) {
    Reader in{bytes};
    const std::uint8_t version = in.u8();
    if (version > format_version) {
        return Error{Errc::newer_format, "session state of format " + std::to_string(version)};
    }
    SessionState state;
    const std::uint8_t flags = in.u8();
    state.protocol = in.u8();
    state.is_anonymous = (flags & anonymous) != 0;
    state.is_online = (flags & online) != 0;
    if (!state.is_anonymous) {
        state.strength =
            std::max(static_cast<ProofStrength>(flags >> strength_shift), ProofStrength::listed);
    }
    state.expiry_interval = in.u32_be();
    state.disconnected_at = WallTime{Milliseconds{static_cast<std::int64_t>(get_u64(in))}};
    state.last_sequence = get_u64(in);
    state.sent_sequence = (flags & has_sent) != 0 ? get_u64(in) : 0;
    state.username = get_text(in);
    if ((flags & has_will) != 0) {
        state.will = std::make_unique<Will>();
        const std::uint8_t qos = in.u8();
        state.will->qos = static_cast<Qos>(qos > 2 ? 2 : qos);
        state.will->retain = (flags & will_retain) != 0;
        state.will->has_expiry = (flags & will_expires) != 0;
        state.will->delay = Seconds{static_cast<std::int64_t>(get_u64(in))};
        state.will->expiry_interval = Seconds{static_cast<std::int64_t>(get_u64(in))};
        state.will->topic = get_text(in);
        state.will->payload = get_text(in);
        state.will->properties = get_text(in);
    }
    if (version >= 2) {
        state.adapter_state = get_text(in);
    }
    if (version >= 4) {
        state.mountpoint = get_text(in);
    }
    if (version >= 5) {
        for (std::uint32_t left = in.u32_be(); left != 0 && !in.failed(); --left) {
            std::string written = get_text(in);
            state.rewritten.emplace_back(std::move(written), get_text(in));
        }
    }
    if (version >= 6) {
        state.replay = get_replay(in);
    }
    if (in.failed() || !in.at_end() || version == 0 || (version >= 6 && !state.replay)) {
        return Error{Errc::corrupt, "session state is damaged"};
    }
    return state;
}

}  // namespace gw
