#pragma once

#include "tests/support/coap_net.hpp"
#include "tests/support/doctest_strings.hpp"
#include "tests/support/fake_access.hpp"
#include "tests/support/test_client.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

namespace gw::test {

using coap::Code;
using coap::Type;
using namespace std::chrono_literals;
namespace option = coap::option;

/// One listener, one network, and a client at a port.
struct CoapTest {
    explicit CoapTest(const SimOptions& sim = {}, const coap::MachineOptions& options = open_coap())
        : world(sim), net(world, options) {}

    /// Sends and gives the first answer, in words.
    std::string ask(const CoapRequest& request, std::uint16_t port = 1000) {
        net.send(port, coap_bytes(request));
        return net.next(port);
    }
    std::string next(std::uint16_t port = 1000) { return net.next(port); }
    /// An acknowledgement or reset of what has come.
    void answer(Type type, std::uint16_t message_id, std::uint16_t port = 1000) {
        net.send(port, coap_bytes({.type = type, .code = Code::empty, .message_id = message_id}));
        world.settle();
    }
    /// The message id in words that next() gave.
    static std::uint16_t id_of(const std::string& text) {
        const std::size_t at = text.find('#');
        return at == std::string::npos
                   ? std::uint16_t{0}
                   : static_cast<std::uint16_t>(std::stoul(text.substr(at + 1)));
    }
    /// The words without the message id, which is drawn.
    static std::string without_id(std::string text) {
        const std::size_t at = text.find(" #");
        if (at != std::string::npos) {
            text.erase(at, text.find(' ', at + 1) - at);
        }
        return text;
    }
    /// The words without the ETag, which is a digest.
    static std::string without_etag(std::string text) {
        const std::size_t at = text.find(" 4=0x");
        return at == std::string::npos ? text : text.erase(at, text.find(' ', at + 1) - at);
    }
    /// The next notification or message to a port, acknowledged when that is asked for; without
    /// message id and ETag.
    std::string take(std::uint16_t port = 1000) {
        const std::string text = net.next(port);
        if (text.starts_with("CON")) {
            answer(Type::acknowledgement, id_of(text), port);
        }
        return without_etag(without_id(text));
    }
    /// Publishes as the broker itself.
    void publish(std::string_view topic, std::string_view payload, Qos qos = Qos::at_least_once,
                 bool retain = false) {
        world.turn(0,
                   [&](Broker& broker) { broker.publish_internal(topic, payload, retain, qos); });
        world.settle();
    }
    std::uint64_t count(std::uint64_t (*get)(const Metrics&)) { return world.sum(get); }

    SimWorld world;
    CoapNet net;
};

}  // namespace gw::test
