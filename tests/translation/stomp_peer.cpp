#include "adapters/stomp/codec/values.hpp"
#include "adapters/stomp/machine/message_headers.hpp"
#include "broker-core/base/assert.hpp"
#include "broker-core/base/base64.hpp"
#include "broker-core/base/utf8.hpp"
#include "tests/support/stomp_client.hpp"
#include "tests/translation/peer.hpp"
#include "tests/translation/sockjs_pipe.hpp"

#include <utility>

namespace gw::test {

namespace {

class StompPeer final : public Peer {
public:
    StompPeer(Gateways& gateways, const std::string& client_id,
              std::shared_ptr<SockJsPipe> pipe = nullptr)
        : client_(gateways.world) {
        client_.on_heard = [this](Bytes bytes) {
            heard_ += as_text(bytes);
        };
        if (pipe) {
            client_.set_carrier([pipe](Bytes bytes) { return pipe->to_server(bytes); },
                                [pipe](Bytes bytes) { return pipe->to_client(bytes); });
        }
        client_.connect(stomp::Version::v1_2, {{"client-id", client_id}});
        GW_ASSERT(client_.next_frame().command == "CONNECTED");
    }

    void subscribe(const std::string& filter) override {
        client_.subscribe(identifier, filter, "client-individual");
        pump();
    }

    void publish(const Content& content) override {
        StompHeaders headers = {{"qos", std::to_string(static_cast<int>(content.qos))}};
        const auto add = [&headers](const char* name, const std::optional<std::string>& value) {
            if (value) {
                headers.emplace_back(name, *value);
            }
        };
        headers.emplace_back("retain", content.retain ? "true" : "false");
        if (content.expires_in) {
            headers.emplace_back(
                "expires",
                std::to_string(std::chrono::duration_cast<Seconds>(*content.expires_in).count()));
        }
        if (content.payload_format) {
            headers.emplace_back("payload-format-indicator",
                                 std::to_string(*content.payload_format));
        }
        add("content-type", content.content_type);
        add("reply-to", content.response_topic);
        const auto& correlation = content.correlation_data;
        if (correlation && is_valid_utf8(as_bytes(*correlation))) {
            add("correlation-id", correlation);
        } else if (correlation) {
            headers.emplace_back("correlation-id-base64", to_base64(*correlation));
        }
        for (const auto& one : content.user_properties) {
            headers.push_back(one);
        }
        headers.emplace_back("content-length", std::to_string(content.payload.size()));
        client_.publish(content.topic, content.payload, headers);
        pump();
    }

    void miss() override {
        client_.ack(last_, stomp::Command::nack);
        pump();
    }

    std::string subscription() const override { return identifier; }

private:
    static constexpr const char* identifier = "mine";

    void pump() override {
        while (true) {
            StompFrame frame = client_.next_frame();
            if (frame.command.empty()) {
                return;
            }
            GW_ASSERT(frame.command == "MESSAGE");
            received_.push_back(content_of(frame));
            last_ = std::move(frame);
            if (is_acknowledging_) {
                client_.ack(last_);
            }
        }
    }

    static Content content_of(const StompFrame& frame) {
        Content content{.payload = frame.body};
        for (const auto& [name, value] : frame.headers) {
            take_header(name, value, content);
        }
        return content;
    }

    static void take_header(const std::string& name, const std::string& value, Content& content) {
        if (name == "message-id" || name == "ack" || name == "content-length") {
            return;  // the frame's own
        }
        if (name == "destination") {
            content.topic = value;
        } else if (name == "qos") {
            content.qos = static_cast<Qos>(value[0] - '0');
        } else if (name == "retain") {
            content.retain = value == "true";
        } else if (name == "redelivered") {
            content.was_sent_before = value == "true";
        } else if (name == "expires") {
            content.expires_in = Seconds{std::stol(value)};
        } else if (name == "payload-format-indicator") {
            content.payload_format = value[0] - '0';
        } else if (name == "content-type") {
            content.content_type = value;
        } else if (name == "reply-to") {
            content.response_topic = value;
        } else if (name == "correlation-id") {
            content.correlation_data = value;
        } else if (name == "correlation-id-base64") {
            content.correlation_data = *from_base64(value);
        } else if (name == "subscription") {
            content.subscription = value;
        } else {
            content.user_properties.emplace_back(name, value);
        }
    }

    StompClient client_;
    StompFrame last_;
};

}  // namespace

std::unique_ptr<Peer> make_stomp(Gateways& gateways, const std::string& client_id) {
    return std::make_unique<StompPeer>(gateways, client_id);
}
std::unique_ptr<Peer> make_stomp_in_sockjs(Gateways& gateways, const std::string& client_id) {
    return std::make_unique<StompPeer>(gateways, client_id,
                                       std::make_shared<SockJsPipe>(sockjs::Content::text));
}

}  // namespace gw::test
