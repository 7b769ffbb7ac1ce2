#include "adapters/websocket/frame_reader.hpp"

#include "tests/support/doctest_strings.hpp"
#include "tests/unit/adapters/websocket/client_frames.hpp"

#include <string>
#include <vector>

using namespace gw;
using namespace gw::websocket;
using namespace gw::test;

namespace {

constexpr ReadRules rules_for_all{.frame_bytes_max = 70'000, .message_bytes_max = 140'000};

/// What a reader makes of bytes that come in pieces of `step`, one line an event.
std::string read(std::string_view bytes, std::size_t step, const ReadRules& rules = rules_for_all) {
    using Event = FrameReader::Event;
    FrameReader reader{rules};
    std::string told;
    ByteBuffer message;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        Bytes piece = as_bytes(bytes.substr(at, step));
        for (Event event = Event::data; event != Event::need_more;) {
            event = reader.next(piece, message);
            switch (event) {
                case Event::need_more:
                    CHECK(piece.empty());
                    break;
                case Event::data:
                    break;
                case Event::message_end:
                    CHECK(reader.message_bytes() == message.size());
                    told += reader.is_text() ? "text " : "binary ";
                    told += message.size() < 100 ? std::string{as_text(message.view())}
                                                 : std::to_string(message.size());
                    told += '\n';
                    message.clear();
                    break;
                case Event::ping:
                    told += "ping " + std::string{as_text(reader.control())} + '\n';
                    break;
                case Event::pong:
                    told += "pong " + std::string{as_text(reader.control())} + '\n';
                    break;
                case Event::close:
                    return told + "close " + std::to_string(reader.control().size());
                case Event::error:
                    return told + "error " +
                           std::to_string(static_cast<unsigned>(reader.error_code()));
            }
        }
    }
    return told;
}

std::string read_all_ways(std::string_view bytes, const ReadRules& rules = rules_for_all) {
    const std::string whole = read(bytes, bytes.size(), rules);
    CHECK(read(bytes, 1, rules) == whole);
    CHECK(read(bytes, 3, rules) == whole);
    return whole;
}

}  // namespace

TEST_CASE("the examples of RFC 6455, 5.7 are read, and written, byte for byte") {
    CHECK(read_all_ways("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58") == "text Hello\n");
    CHECK(read_all_ways(client_frame(0x01, "Hel") + client_frame(0x80, "lo")) == "text Hello\n");
    CHECK(read_all_ways(client_frame(0x89, "Hello")) == "ping Hello\n");
    CHECK(read_all_ways(binary_frame(std::string(256, 'x'))) == "binary 256\n");
    CHECK(read_all_ways(binary_frame(std::string(65536, 'x'))) == "binary 65536\n");

    ByteBuffer out;
    append_frame(out, Opcode::text, as_bytes("Hello"));
    CHECK(as_text(out.view()) == "\x81\x05Hello");
    out.clear();
    append_frame_header(out, Opcode::binary, 256);
    CHECK(as_text(out.view()) == std::string_view("\x82\x7e\x01\x00", 4));
    out.clear();
    append_frame_header(out, Opcode::binary, 65536);
    CHECK(as_text(out.view()) == std::string_view("\x82\x7f\0\0\0\0\0\1\0\0", 10));
    out.clear();
    append_close(out, CloseCode::too_big, "no");
    CHECK(as_text(out.view()) == "\x88\x04\x03\xf1no");
}

TEST_CASE("control frames may stand between the fragments of a message") {
    CHECK(read_all_ways(client_frame(0x01, "a") + client_frame(0x89, "1") +
                        client_frame(0x00, "b") + client_frame(0x8a, "") + client_frame(0x80, "c") +
                        client_frame(0x88, "")) == "ping 1\npong \ntext abc\nclose 0");
}

TEST_CASE("empty messages and empty fragments are whole") {
    CHECK(read_all_ways(text_frame("") + binary_frame("")) == "text \nbinary \n");
    CHECK(read_all_ways(client_frame(0x02, "") + client_frame(0x00, "") + client_frame(0x80, "")) ==
          "binary \n");
}

TEST_CASE("what breaks the protocol ends it with the right code") {
    struct Row {
        std::string bytes;
        std::string_view outcome;
        std::string_view because;
    };
    const std::string unmasked = "\x81\x05Hello";
    const Row rows[] = {
        {unmasked, "error 1002", "5.1: a server must close on an unmasked frame"},
        {client_frame(0xc1, ""), "error 1002", "5.2: RSV1 without an extension"},
        {client_frame(0xa1, ""), "error 1002", "5.2: RSV2"},
        {client_frame(0x91, ""), "error 1002", "5.2: RSV3"},
        {client_frame(0x83, ""), "error 1002", "5.2: reserved data opcode"},
        {client_frame(0x87, ""), "error 1002", "5.2: reserved data opcode"},
        {client_frame(0x8b, ""), "error 1002", "5.2: reserved control opcode"},
        {client_frame(0x8f, ""), "error 1002", "5.2: reserved control opcode"},
        {client_frame(0x09, ""), "error 1002", "5.5: fragmented ping"},
        {client_frame(0x08, ""), "error 1002", "5.5: fragmented close"},
        {client_frame(0x89, std::string(126, 'x')), "error 1002", "5.5: 125 bytes at most"},
        {client_frame(0x80, "x"), "error 1002", "5.4: continuation of nothing"},
        {client_frame(0x00, "x"), "error 1002", "5.4: continuation of nothing"},
        {client_frame(0x01, "x") + text_frame("y"), "error 1002", "5.4: new one inside"},
        {client_frame(0x01, "x") + binary_frame("y"), "error 1002", "5.4: new one inside"},
        {std::string("\x82\xfe\x00\x7d", 4), "error 1002", "5.2: length in 16 bits needlessly"},
        {std::string("\x82\xff\0\0\0\0\0\0\xff\xff", 10), "error 1002",
         "5.2: length in 64 bits needlessly"},
        {std::string("\x82\xff\x80\0\0\0\0\1\0\0", 10), "error 1002", "5.2: 64th bit"},
        {std::string("\x82\xff\0\0\0\0\x40\0\0\0", 10), "error 1009", "1 GB is only announced"},
        {client_frame(0x88, "x"), "error 1002", "5.5.1: a code has two bytes"},
        {close_frame(1000, "\xff"), "error 1007", "5.5.1: a reason is UTF-8"},
        {close_frame(1000, "bye") + text_frame("x"), "close 5", "5.5.1: nothing follows"},
        {text_frame("a\xc0\xaf"), "error 1007", "8.1: long form"},
        {text_frame("a\xed\xa0\x80"), "error 1007", "8.1: surrogate"},
        {text_frame("a\xf4\x90\x80\x80"), "error 1007", "8.1: beyond U+10FFFF"},
        {text_frame("\xce\xba\xe1\xbd"), "error 1007", "8.1: ends inside a character"},
        {client_frame(0x01, "\xce") + client_frame(0x80, "\xba"), "text \xce\xba\n",
         "8.1: a character may be cut by fragments"},
        {client_frame(0x01, "\xff"), "error 1007", "8.1: known to be wrong before the end"},
        {text_frame(std::string("\0", 1)), std::string_view("text \0\n", 7), "U+0000 is text"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.because);
        CHECK(read_all_ways(row.bytes) == row.outcome);
    }
}

TEST_CASE("close codes are those that may stand on the wire") {
    for (const unsigned code : {1000U, 1001U, 1002U, 1003U, 1007U, 1008U, 1009U, 1010U, 1011U,
                                1012U, 1013U, 1014U, 3000U, 3999U, 4000U, 4999U}) {
        CAPTURE(code);
        CHECK(read_all_ways(close_frame(code)) == "close 2");
    }
    for (const unsigned code :
         {0U, 999U, 1004U, 1005U, 1006U, 1015U, 1016U, 1100U, 2000U, 2999U, 5000U, 65535U}) {
        CAPTURE(code);
        CHECK(read_all_ways(close_frame(code)) == "error 1002");
    }
}

TEST_CASE("frames and messages have bounds, and types may be refused") {
    CHECK(read_all_ways(binary_frame(std::string(70'000, 'x'))) == "binary 70000\n");
    CHECK(read_all_ways(binary_frame(std::string(70'001, 'x'))) == "error 1009");
    const std::string part(70'000, 'x');
    CHECK(read_all_ways(client_frame(0x02, part) + client_frame(0x80, part)) == "binary 140000\n");
    CHECK(read_all_ways(client_frame(0x02, part) + client_frame(0x00, part) +
                        client_frame(0x80, "x")) == "error 1009");

    constexpr ReadRules binary_only{.frame_bytes_max = 100, .allows_text = false};
    CHECK(read_all_ways(text_frame("x"), binary_only) == "error 1003");
    CHECK(read_all_ways(binary_frame("x"), binary_only) == "binary x\n");
    constexpr ReadRules text_only{.frame_bytes_max = 100, .allows_binary = false};
    CHECK(read_all_ways(binary_frame("x"), text_only) == "error 1003");
}

TEST_CASE("a mask is applied from wherever the bytes stand in their frame") {
    const std::array<std::uint8_t, 4> mask{1, 2, 3, 4};
    for (std::size_t offset = 0; offset < 9; ++offset) {
        for (std::size_t size = 0; size < 20; ++size) {
            std::vector<std::uint8_t> data(size, 0xf0);
            apply_mask(data.data(), size, mask, offset);
            for (std::size_t i = 0; i < size; ++i) {
                CHECK(data[i] == (0xf0 ^ mask[(offset + i) % 4]));
            }
        }
    }
}
