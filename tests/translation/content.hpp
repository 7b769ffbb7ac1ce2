#pragma once

#include "broker-core/base/clock.hpp"
#include "broker-core/message/message.hpp"
#include "broker-core/message/translation.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gw::test {

/// A message as somebody says or hears it: what its protocol has a word for, or what was told of
/// its delivery. Times are what is left.
struct Content {
    std::string topic{};
    std::string payload{};
    Qos qos = Qos::at_most_once;
    bool retain = false;
    std::optional<Milliseconds> expires_in{};
    std::optional<int> payload_format{};
    std::optional<std::string> content_type{};
    std::optional<std::string> response_topic{};
    std::optional<std::string> correlation_data{};
    std::vector<std::pair<std::string, std::string>> user_properties{};
    std::string subscription{};  // what the receiver has called it
    bool was_sent_before = false;
    std::string surplus{};  // what no row of the document has; always empty
};

/// All of it, to be compared and read.
std::string text_of(const Content& content);

/// The properties of a block, added to `content`.
void read_properties(Bytes block, Content& content);
/// The broker's own message.
Content content_of(const Message& message, MonotonicTime now);

/// A protocol, and what carries it, if anything does.
struct Language {
    std::string_view name;
    const ProtocolTranslation& inside;
    const ProtocolTranslation* carrier = nullptr;

    Carried in(MessageField field) const;
    Carried out(MessageField field) const;
};

/// What is known of a delivery beside its message.
struct Occasion {
    bool is_retained = false;  // it comes because the message was retained
    bool was_sent_before = false;
    std::string subscription{};  // of the receiver
};

/// What the tables say becomes of a message: from a publisher's words to the broker's message, and
/// from there to a receiver's words. Aborts where a table says what makes no sense.
Content carry_in(const Language& language, const Content& said);
Content carry_out(const Language& language, const Content& message, const Occasion& occasion);

}  // namespace gw::test
