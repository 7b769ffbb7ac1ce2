#include "adapters/websocket/hixie76.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace gw::websocket {

namespace {

constexpr std::uint8_t text_type = 0x00;
constexpr std::uint8_t text_end = 0xff;
constexpr std::uint8_t close_type = 0xff;

void append_big_endian(std::string& out, std::uint32_t number) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        out += static_cast<char>(number >> shift);
    }
}

/// Between the request's head and its last bytes. A proxy may hold those back until it has seen the
/// response's head, which is why they are no part of the request.
class NonceMachine final : public StreamMachine {
public:
    NonceMachine(StreamConnection& connection, std::uint32_t number1, std::uint32_t number2,
                 std::string_view opening, std::shared_ptr<const transport::StreamUpgrade> next,
                 MonotonicTime deadline)
        : connection_(connection),
          next_(std::move(next)),
          opening_(opening),
          number1_(number1),
          number2_(number2) {
        connection_.set_deadline(deadline);
    }

    std::size_t on_bytes(Bytes bytes) override {
        if (bytes.size() < hixie76_nonce_bytes) {
            return 0;
        }
        const auto answer = hixie76_answer(number1_, number2_, bytes.first(hixie76_nonce_bytes));
        if (!answer) {
            connection_.close(CloseMode::drain);
            return bytes.size();
        }
        connection_.output().append(*answer);
        connection_.output().append(opening_);
        connection_.upgrade(std::move(next_));
        return hixie76_nonce_bytes;
    }
    void on_deadline() override { connection_.close(CloseMode::drain); }
    void on_closed(ReasonCode) override {}
    void on_output_drained() override {}
    void on_shutdown(ReasonCode) override { connection_.close(CloseMode::drain); }

private:
    StreamConnection& connection_;
    std::shared_ptr<const transport::StreamUpgrade> next_;
    const std::string opening_;
    const std::uint32_t number1_;
    const std::uint32_t number2_;
};

class NonceUpgrade final : public transport::StreamUpgrade {
public:
    NonceUpgrade(const Hixie76Handshake& handshake, std::string opening,
                 std::shared_ptr<const transport::StreamUpgrade> next, CountTicketPtr ticket,
                 MonotonicTime deadline)
        : number1_(handshake.number1),
          number2_(handshake.number2),
          opening_(std::move(opening)),
          next_(std::move(next)),
          ticket_(std::move(ticket)),
          deadline_(deadline) {}

    std::unique_ptr<transport::StreamLayer> make_layer() const override { return nullptr; }
    std::unique_ptr<StreamMachine> make_machine(std::uint32_t, StreamConnection& connection,
                                                PeerInfo) const override {
        return std::make_unique<NonceMachine>(connection, number1_, number2_, opening_, next_,
                                              deadline_);
    }

private:
    const std::uint32_t number1_;
    const std::uint32_t number2_;
    const std::string opening_;
    const std::shared_ptr<const transport::StreamUpgrade> next_;
    const CountTicketPtr ticket_;  // whoever waits here is still a stranger
    const MonotonicTime deadline_;
};

}  // namespace

// ------------------------------------------------------------------------------------- handshake

bool is_hixie76(const http::Request& request) {
    return request.count("Sec-WebSocket-Key1") != 0 && request.count("Sec-WebSocket-Version") == 0;
}

std::optional<std::uint32_t> hixie76_number(std::string_view key) {
    constexpr std::uint64_t number_max = std::numeric_limits<std::uint32_t>::max();
    std::uint64_t number = 0;
    std::uint64_t space_count = 0;
    bool has_digit = false;
    for (const char c : key) {
        if (c >= '0' && c <= '9') {
            has_digit = true;
            number = number * 10 + static_cast<std::uint64_t>(c - '0');
            if (number > number_max) {
                return std::nullopt;
            }
        } else if (c == ' ') {
            ++space_count;
        }
    }
    if (!has_digit || space_count == 0 || number % space_count != 0) {
        return std::nullopt;
    }
    return static_cast<std::uint32_t>(number / space_count);
}

Result<Hixie76Handshake, http::Response> answer_hixie76(const http::Request& request,
                                                        const HandshakeRules& rules) {
    const auto key1 = request.find("Sec-WebSocket-Key1");
    const auto key2 = request.find("Sec-WebSocket-Key2");
    const auto number1 = key1 ? hixie76_number(*key1) : std::nullopt;
    const auto number2 = key2 ? hixie76_number(*key2) : std::nullopt;
    const auto host = request.find("Host");
    if (!number1 || !number2 || request.count("Sec-WebSocket-Key1") != 1 ||
        request.count("Sec-WebSocket-Key2") != 1 || request.minor_version < 1 ||
        !request.body.empty() || !host) {
        return http::text_response(400, "the upgrade request is malformed");
    }
    const http::OriginVerdict verdict = http::check_origin(request, rules.origins);
    if (verdict == http::OriginVerdict::refused) {
        return http::text_response(403, "pages of this origin may not connect");
    }
    Hixie76Handshake handshake;
    handshake.number1 = *number1;
    handshake.number2 = *number2;
    if (verdict != http::OriginVerdict::stranger) {
        handshake.cookie = request.joined("Cookie");
    }
    const std::string origin{request.find("Origin").value_or("")};
    // A page that was loaded over TLS may only connect over TLS, which a proxy may have taken off.
    const std::string_view scheme = origin.starts_with("https:") ? "wss://" : "ws://";
    handshake.response.status = 101;
    // Clients compare this value letter by letter.
    handshake.response.with("Upgrade", "WebSocket").with("Connection", "Upgrade");
    if (!origin.empty()) {
        handshake.response.with("Sec-WebSocket-Origin", origin);
    }
    handshake.response.with("Sec-WebSocket-Location",
                            std::string{scheme}.append(http::trim(*host)) + request.target);
    return handshake;
}

std::optional<std::string> hixie76_answer(std::uint32_t number1, std::uint32_t number2,
                                          Bytes nonce) {
    std::string challenge;
    append_big_endian(challenge, number1);
    append_big_endian(challenge, number2);
    challenge += as_text(nonce);
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned digest_bytes = 0;
    if (EVP_Digest(challenge.data(), challenge.size(), digest.data(), &digest_bytes, EVP_md5(),
                   nullptr) != 1) {
        return std::nullopt;
    }
    return std::string{as_text({digest.data(), digest_bytes})};
}

std::shared_ptr<const transport::StreamUpgrade> hixie76_upgrade(
    const Hixie76Handshake& handshake, std::string opening,
    std::shared_ptr<const transport::StreamUpgrade> next, const PeerInfo& client,
    MonotonicTime now) {
    constexpr Milliseconds nonce_timeout{10'000};
    return std::make_shared<NonceUpgrade>(handshake, std::move(opening), std::move(next),
                                          client.unauthenticated, now + nonce_timeout);
}

// ---------------------------------------------------------------------------------------- frames

Hixie76Reader::Event Hixie76Reader::end(Event why) {
    state_ = State::ended;
    return why;
}

Hixie76Reader::Event Hixie76Reader::next(Bytes& in, ByteBuffer& out) {
    while (!in.empty() && state_ != State::ended) {
        if (state_ == State::text) {
            return read_text(in, out);
        }
        const std::uint8_t byte = in.front();
        in = in.subspan(1);
        if (state_ == State::close_length) {
            return end(byte == 0 ? Event::close : Event::malformed);
        }
        if (byte == text_type) {
            state_ = State::text;
            message_bytes_ = 0;
        } else if (byte == close_type) {
            state_ = State::close_length;
        } else {
            return end(Event::malformed);  // the draft has no use for other types yet
        }
    }
    in = {};
    return Event::need_more;
}

Hixie76Reader::Event Hixie76Reader::read_text(Bytes& in, ByteBuffer& out) {
    const auto found = std::find(in.begin(), in.end(), text_end);
    const Bytes text = in.first(static_cast<std::size_t>(found - in.begin()));
    if (text.size() > message_bytes_max_ - message_bytes_) {
        return end(Event::too_big);
    }
    message_bytes_ += text.size();
    out.append(text);
    if (found == in.end()) {
        in = {};
        return Event::need_more;
    }
    in = in.subspan(text.size() + 1);
    state_ = State::type;
    return Event::message_end;
}

void append_hixie76_text(ByteBuffer& out, std::string_view text) {
    out.append(Bytes{&text_type, 1});
    out.append(text);
    out.append(Bytes{&text_end, 1});
}

void append_hixie76_close(ByteBuffer& out) {
    constexpr std::array<std::uint8_t, 2> close{close_type, 0x00};
    out.append(Bytes{close});
}

}  // namespace gw::websocket
