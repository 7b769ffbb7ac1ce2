#include "adapters/mqttsn/machine/client_state.hpp"

#include <utility>

namespace gw::mqttsn {

namespace {

constexpr std::uint8_t format_version = 1;

// Bits of the flags.
constexpr unsigned has_sleep = 1;
constexpr unsigned will_retain = 2;
constexpr unsigned will_qos_shift = 2;  // two bits

// Bits of a topic's flags.
constexpr unsigned known = 1;
constexpr unsigned preferred = 2;

void put_text(ByteBuffer& out, std::string_view text) {
    out.u32_be(static_cast<std::uint32_t>(text.size()));
    out.append(text);
}

std::string get_text(Reader& in) {
    return std::string{as_text(in.take(in.u32_be()))};
}

Sleep read_sleep(Reader& in) {
    Sleep sleep;
    sleep.duration = in.u16_be();
    sleep.keep_alive = in.u16_be();
    const std::uint64_t high = in.u32_be();
    const std::uint64_t until = high << 32 | in.u32_be();
    sleep.until = WallTime{Milliseconds{static_cast<std::int64_t>(until)}};
    return sleep;
}

}  // namespace

void encode_client_state(ByteBuffer& out, const ClientState& state) {
    unsigned flags = state.sleep ? has_sleep : 0U;
    flags |= state.will.retain ? will_retain : 0U;
    flags |= static_cast<unsigned>(state.will.qos) << will_qos_shift;
    out.u8(format_version);
    out.u8(static_cast<std::uint8_t>(flags));
    if (state.sleep) {
        out.u16_be(state.sleep->duration);
        out.u16_be(state.sleep->keep_alive);
        const auto until =
            static_cast<std::uint64_t>(state.sleep->until.time_since_epoch().count());
        out.u32_be(static_cast<std::uint32_t>(until >> 32));
        out.u32_be(static_cast<std::uint32_t>(until));
    }
    put_text(out, state.will.topic);
    put_text(out, state.will.message);
    const TopicRegistry& topics = state.topics;
    out.u16_be(static_cast<std::uint16_t>(topics.size()));
    for (std::size_t i = 1; i <= topics.size(); ++i) {
        const auto id = static_cast<std::uint16_t>(i);
        out.u8(static_cast<std::uint8_t>((topics.is_known(id) ? known : 0U) |
                                         (topics.is_preferred(id) ? preferred : 0U)));
        put_text(out, topics.name_of(id));
    }
}

std::optional<ClientState> decode_client_state(Bytes bytes) {
    Reader in{bytes};
    ClientState state;
    if (in.u8() != format_version) {
        return std::nullopt;
    }
    const std::uint8_t flags = in.u8();
    if ((flags & has_sleep) != 0) {
        state.sleep = read_sleep(in);
    }
    state.will.retain = (flags & will_retain) != 0;
    state.will.qos = min(static_cast<Qos>(flags >> will_qos_shift & 3), Qos::exactly_once);
    state.will.topic = get_text(in);
    state.will.message = get_text(in);
    const std::uint16_t count = in.u16_be();
    for (std::size_t i = 0; i < count && !in.failed() && i < TopicRegistry::id_max; ++i) {
        const std::uint8_t topic_flags = in.u8();
        const std::string_view name = as_text(in.take(in.u32_be()));
        if (in.failed() || name.empty() || state.topics.find(name) != 0) {
            return std::nullopt;
        }
        const std::uint16_t id = state.topics.add(name);
        state.topics.set_known(id, (topic_flags & known) != 0);
        state.topics.prefer(id, (topic_flags & preferred) != 0);
    }
    if (in.failed() || !in.at_end()) {
        return std::nullopt;
    }
    return state;
}

}  // namespace gw::mqttsn
