#include "adapters/coap/codec/message.hpp"
#include "adapters/coap/codec/option.hpp"
#include "broker-core/base/assert.hpp"
#include "tests/translation/peer.hpp"

#include <utility>

namespace gw::test {

namespace {

using namespace coap;  // NOLINT: its codec's names, and no others

class CoapPeer final : public Peer {
public:
    CoapPeer(Gateways& gateways, std::string client_id)
        : gateways_(gateways), client_id_(std::move(client_id)), port_(++gateways.last_port) {}

    void subscribe(const std::string& filter) override {
        path_ = "ps/" + filter;
        const std::string query = "c=" + client_id_;
        ask({.code = Code::get,
             .token = token,
             .path = path_,
             .query = query,
             .options = {{option::observe, ""}}});
    }

    void publish(const Content& content) override {
        std::string query = "c=" + client_id_ +
                            "&qos=" + std::to_string(static_cast<int>(content.qos)) +
                            (content.retain ? "&retain=1" : "");
        if (content.expires_in) {
            const auto seconds = std::chrono::duration_cast<Seconds>(*content.expires_in).count();
            query += "&expiry=" + std::to_string(seconds);
        }
        std::vector<std::pair<std::uint16_t, std::string>> options;
        if (const auto format = format_of(content.content_type)) {
            options.emplace_back(option::content_format, coap_uint(*format));
        }
        constexpr std::size_t block_bytes = 1024;
        const std::string path = "ps/" + content.topic;
        const std::string_view body = content.payload;
        if (body.size() <= block_bytes) {
            ask({.code = Code::put,
                 .path = path,
                 .query = query,
                 .options = options,
                 .payload = body});
            return;
        }
        for (std::size_t at = 0; at < body.size(); at += block_bytes) {
            auto all = options;
            const bool has_more = at + block_bytes < body.size();
            all.emplace_back(option::block1,
                             coap_block(static_cast<std::uint32_t>(at / block_bytes), has_more, 6));
            ask({.code = Code::put,
                 .path = path,
                 .query = query,
                 .options = all,
                 .payload = body.substr(at, block_bytes)});
        }
    }

    void miss() override {
        // ACK_TIMEOUT times ACK_RANDOM_FACTOR (RFC 7252, 4.2).
        gateways_.world.run_for(MachineOptions{}.ack_timeout * 3 / 2);
        pump();
    }

    std::string subscription() const override { return std::string{token}; }

private:
    static constexpr std::string_view token = "token";

    /// The numbers that a client knows for the content types of these tests.
    static std::optional<std::uint32_t> format_of(const std::optional<std::string>& type) {
        if (type == "application/json") {
            return 50;
        }
        if (type == "TEXT/Plain; charset=UTF-8") {
            return 0;
        }
        return type == "application/x-coap-format; ct=65000" ? std::optional{65000U} : std::nullopt;
    }
    static std::string type_of(std::uint32_t format) {
        if (format == 50) {
            return "application/json";
        }
        return format == 0 ? "text/plain;charset=utf-8"
                           : "application/x-coap-format; ct=" + std::to_string(format);
    }

    /// The next datagram; empty: there is none.
    std::string next() {
        const auto bytes = gateways_.coap.take(port_);
        const std::string datagram{bytes.begin(), bytes.end()};
        heard_ += datagram;
        return datagram;
    }

    /// Sends a request and waits for its answer, which must be good.
    std::string ask(CoapRequest request) {
        request.message_id = ++last_id_;
        gateways_.coap.send(port_, coap_bytes(request));
        while (true) {
            std::string datagram = next();
            GW_ASSERT(!datagram.empty());
            const auto message = decode_message(as_bytes(datagram));
            GW_ASSERT(message.has_value());
            if (message->type == Type::acknowledgement && message->message_id == last_id_) {
                GW_ASSERT(class_of(message->code) == 2);
                return datagram;
            }
            waiting_.push_back(std::move(datagram));
        }
    }

    void pump() override {
        while (true) {
            gateways_.world.settle();
            std::string datagram;
            if (!waiting_.empty()) {
                datagram = std::move(waiting_.front());
                waiting_.pop_front();
            } else {
                datagram = next();
            }
            if (datagram.empty()) {
                return;
            }
            take(datagram);
        }
    }

    void take(const std::string& datagram) {
        const auto message = decode_message(as_bytes(datagram));
        GW_ASSERT(message.has_value() && message->code == Code::content);
        if (message->type == Type::confirmable && is_acknowledging_) {
            gateways_.coap.send(port_, coap_bytes({.type = Type::acknowledgement,
                                                   .code = Code::empty,
                                                   .message_id = message->message_id}));
        }
        Content content{.payload = std::string{as_text(message->payload)}};
        // QoS 0 is what may be lost.
        content.qos = message->type == Type::confirmable ? Qos::at_least_once : Qos::at_most_once;
        content.subscription = std::string{as_text(message->token.view())};
        std::optional<Block> block;
        read_options(*message, content, block);
        while (block && block->has_more) {
            block = fetch(block->number + 1, block->size_exponent, content.payload);
        }
        received_.push_back(std::move(content));
    }

    static void read_options(const MessageView& message, Content& content,
                             std::optional<Block>& block) {
        OptionReader options{message.options};
        bool is_root = true;
        while (const auto one = options.next()) {
            const std::string_view text = as_text(one->value);
            switch (one->number) {
                case option::etag:
                case option::observe:
                case option::size2:
                    break;
                case option::location_path:
                    if (!std::exchange(is_root, false)) {
                        content.topic += content.topic.empty() ? "" : "/";
                        content.topic += text;
                    }
                    break;
                case option::content_format:
                    content.content_type = type_of(uint_of(one->value));
                    break;
                case option::max_age:
                    content.expires_in = Seconds{uint_of(one->value)};
                    break;
                case option::block2:
                    block = block_of(one->value);
                    break;
                default:
                    content.surplus += " " + std::to_string(one->number);
            }
        }
    }

    std::optional<Block> fetch(std::uint32_t number, std::uint8_t size_exponent,
                               std::string& payload) {
        const std::string query = "c=" + client_id_;
        const std::string datagram =
            ask({.code = Code::get,
                 .path = path_,
                 .query = query,
                 .options = {{option::block2, coap_block(number, false, size_exponent)}}});
        const auto message = decode_message(as_bytes(datagram));
        payload += as_text(message->payload);
        Content ignored;
        std::optional<Block> block;
        read_options(*message, ignored, block);
        return block;
    }

    Gateways& gateways_;
    std::string client_id_;
    std::uint16_t port_;
    std::string path_;  // that is observed
    std::deque<std::string> waiting_;
    std::uint16_t last_id_ = 0;
};

}  // namespace

std::unique_ptr<Peer> make_coap(Gateways& gateways, const std::string& client_id) {
    return std::make_unique<CoapPeer>(gateways, client_id);
}

}  // namespace gw::test
