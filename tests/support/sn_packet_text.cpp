#include "tests/support/sn_packet_text.hpp"

#include "adapters/mqttsn/codec/codec.hpp"

#include <string_view>
#include <variant>

namespace gw::test {

namespace {

using namespace gw::mqttsn;

class Writer {
public:
    explicit Writer(MessageType type) : text_(type_name(type)) {}
    void number(std::string_view name, unsigned value, unsigned usual = 0) {
        if (value != usual) {
            text_ += " " + std::string{name} + "=" + std::to_string(value);
        }
    }
    void quoted(std::string_view value) {
        if (!value.empty()) {
            text_ += " '" + std::string{value} + "'";
        }
    }
    void flags(Flags flags) {
        constexpr std::string_view types[] = {"", " predefined", " short", " reserved"};
        text_ += flags.dup() ? " dup" : "";
        if (flags.qos() == WireQos::qos_minus_1) {
            text_ += " qos=-1";
        } else {
            number("qos", static_cast<unsigned>(flags.qos()));
        }
        text_ += flags.retain() ? " retain" : "";
        text_ += flags.will() ? " will" : "";
        text_ += flags.clean_session() ? " clean" : "";
        text_ += types[static_cast<std::size_t>(flags.topic_id_type())];
    }
    void code(ReturnCode code) { number("code", static_cast<unsigned>(code)); }
    std::string text() && { return std::move(text_); }

    void operator()(const Advertise& p) {
        number("gateway", p.gateway_id);
        number("duration", p.duration);
    }
    void operator()(const SearchGateway& p) { number("radius", p.radius); }
    void operator()(const GatewayInfo& p) {
        number("gateway", p.gateway_id);
        quoted(as_text(p.address));
    }
    void operator()(const Connect& p) {
        flags(p.flags);
        number("protocol", p.protocol_id, 1);
        number("duration", p.duration);
        quoted(p.client_id);
    }
    void operator()(const Connack& p) { code(p.code); }
    void operator()(const WillTopicRequest&) {}
    void operator()(const WillTopic& p) { will(p); }
    void operator()(const WillMessageRequest&) {}
    void operator()(const WillMessage& p) { quoted(as_text(p.message)); }
    void operator()(const Register& p) {
        ids(p.topic_id, p.message_id);
        quoted(p.topic);
    }
    void operator()(const Regack& p) { acknowledgement(p); }
    void operator()(const Publish& p) {
        flags(p.flags);
        ids(p.topic_id, p.message_id);
        quoted(as_text(p.data));
    }
    void operator()(const Puback& p) { acknowledgement(p); }
    void operator()(const Pubcomp& p) { number("id", p.message_id); }
    void operator()(const Pubrec& p) { number("id", p.message_id); }
    void operator()(const Pubrel& p) { number("id", p.message_id); }
    void operator()(const Subscribe& p) { subscription(p); }
    void operator()(const Suback& p) {
        flags(p.flags);
        acknowledgement(p);
    }
    void operator()(const Unsubscribe& p) { subscription(p); }
    void operator()(const Unsuback& p) { number("id", p.message_id); }
    void operator()(const Pingreq& p) { quoted(p.client_id); }
    void operator()(const Pingresp&) {}
    void operator()(const Disconnect& p) {
        if (p.duration) {
            text_ += " duration=" + std::to_string(*p.duration);
        }
    }
    void operator()(const WillTopicUpdate& p) { will(p); }
    void operator()(const WillTopicResponse& p) { code(p.code); }
    void operator()(const WillMessageUpdate& p) { quoted(as_text(p.message)); }
    void operator()(const WillMessageResponse& p) { code(p.code); }

private:
    void ids(unsigned topic_id, unsigned message_id) {
        number("topic", topic_id);
        number("id", message_id);
    }
    template <class Message>
    void acknowledgement(const Message& p) {
        ids(p.topic_id, p.message_id);
        code(p.code);
    }
    template <class Message>
    void will(const Message& p) {
        flags(p.flags);
        quoted(p.topic);
    }
    template <class Message>
    void subscription(const Message& p) {
        flags(p.flags);
        ids(p.topic.topic_id, p.message_id);
        quoted(p.topic.name);
    }

    std::string text_;
};

}  // namespace

std::string sn_text(Bytes datagram) {
    const auto packet = decode(datagram);
    if (!packet) {
        return "malformed: " + std::string{decode_error_text(packet.error())};
    }
    Writer writer{type_of(*packet)};
    std::visit(writer, *packet);
    return std::move(writer).text();
}

}  // namespace gw::test
