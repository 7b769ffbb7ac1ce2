#include "adapters/stomp/codec/frame.hpp"

#include "adapters/stomp/codec/frame_writer.hpp"
#include "adapters/stomp/codec/header_text.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace gw;
using namespace gw::stomp;
using namespace std::string_literals;

namespace {

/// What becomes of octets: the frame as text, "need more", or "error: " and the sentence.
std::string read_text(std::string_view text, Version version = Version::v1_2,
                      const FrameLimits& limits = {}) {
    FrameReader reader;
    const FrameStatus status = reader.read(as_bytes(text), limits);
    if (status == FrameStatus::need_more) {
        return "need more";
    }
    if (status == FrameStatus::error) {
        return "error: " + std::string{decode_error_text(reader.error())};
    }
    FrameScratch scratch;
    const Bytes bytes = as_bytes(text);
    const auto headers =
        decode_head(reader.command(), version, bytes.first(reader.head_bytes()), scratch);
    if (!headers) {
        return "error: " + std::string{decode_error_text(headers.error())};
    }
    std::string out{command_text(reader.command())};
    for (const Header& header : *headers) {
        out += " [" + std::string{header.name} + "=" + std::string{header.value} + "]";
    }
    out += " " + std::string{as_text(bytes.subspan(reader.head_bytes(), reader.body_bytes()))};
    const std::size_t left = bytes.size() - reader.frame_bytes();
    return left == 0 ? out : out + " +" + std::to_string(left);
}

}  // namespace

TEST_CASE("frames are read as the specification writes them") {
    struct Row {
        std::string text;
        std::string result;
        std::string_view because;
    };
    const Row rows[] = {
        {"CONNECT\naccept-version:1.2\nhost:h\n\n\0"s, "CONNECT [accept-version=1.2] [host=h] ",
         "1.2, CONNECT"},
        {"SEND\ndestination:/queue/a\ncontent-type:text/plain\n\nhello queue a\n\0"s,
         "SEND [destination=/queue/a] [content-type=text/plain] hello queue a\n", "1.2, SEND"},
        {"SEND\r\ndestination:a\r\n\r\nx\0"s, "SEND [destination=a] x", "CR LF ends lines"},
        {"SEND\ndestination:a\r\n\nx\0"s, "SEND [destination=a] x", "and may be mixed with LF"},
        {"SEND\ndestination:a\ncontent-length:3\n\na\0b\0"s,
         "SEND [destination=a] [content-length=3] a\0b"s, "NUL in a body with content-length"},
        {"SEND\ndestination:a\ncontent-length:0\n\n\0"s, "SEND [destination=a] [content-length=0] ",
         "an empty body"},
        {"SEND\ndestination:a\ncontent-length:1\ncontent-length:9\n\nx\0"s,
         "SEND [destination=a] [content-length=1] [content-length=9] x", "the first one counts"},
        {"SEND\na:1\na:2\n\n\0"s, "SEND [a=1] [a=2] ", "repeated headers are all there, in order"},
        {"SEND\na:x\\cy\\n\\\\z\\r\n\n\0"s, "SEND [a=x:y\n\\z\r] ", "escapes of 1.2"},
        {"SEND\nx\\cy:1\n\n\0"s, "SEND [x:y=1] ", "names are escaped, too"},
        {"SEND\na: b \n\n\0"s, "SEND [a= b ] ", "spaces belong to the value"},
        {"SEND\na:\n\n\0"s, "SEND [a=] ", "a value may be empty"},
        {"SEND\na:b:c\n\n\0"s, "SEND [a=b:c] ", "a bare colon in a value is taken as it is"},
        {"CONNECT\npasscode:a\\b:c\n\n\0"s, "CONNECT [passcode=a\\b:c] ", "CONNECT is not escaped"},
        {"STOMP\npasscode:a\\b\n\n\0"s, "STOMP [passcode=a\\b] ", "STOMP is CONNECT"},
        {"DISCONNECT\n\n\0\n\n"s, "DISCONNECT  +2", "what follows is left"},
        {"SEND\na:b\n\nx"s, "need more", "the NUL is missing"},
        {"SEND\na:b\n"s, "need more", "the empty line is missing"},
        {"SEN"s, "need more", "the command is not complete"},
        {"SEND\na:b\ncontent-length:5\n\nabc"s, "need more", "the body is not complete"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CAPTURE(row.because);
        CHECK(read_text(row.text) == row.result);
    }
}

TEST_CASE("escapes and spaces follow the version") {
    struct Row {
        Version version;
        std::string text;
        std::string_view result;
        std::string_view because;
    };
    const Row rows[] = {
        {Version::v1_0, "SEND\na:x\\cy\n\n\0"s, "SEND [a=x\\cy] ", "1.0 has no escapes"},
        {Version::v1_0, "SEND\na: b \n\n\0"s, "SEND [a=b] ", "1.0 is written with spaces"},
        {Version::v1_0, "SEND\n :b\n\n\0"s, "error: a header line needs a name and a colon",
         "a name of spaces is none there"},
        {Version::v1_1, "SEND\na:x\\cy\\n\\\\\n\n\0"s, "SEND [a=x:y\n\\] ", "1.1 has three"},
        {Version::v1_1, "SEND\na:\\r\n\n\0"s, "error: undefined escape sequence in a header",
         "\\r came with 1.2"},
        {Version::v1_2, "SEND\na:\\t\n\n\0"s, "error: undefined escape sequence in a header",
         "an undefined escape is fatal"},
        {Version::v1_2, "SEND\na:b\\\n\n\0"s, "error: undefined escape sequence in a header",
         "as is a lone backslash"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.because);
        CHECK(read_text(row.text, row.version) == row.result);
    }
}

TEST_CASE("broken frames are refused, and why is said") {
    struct Row {
        std::string text;
        std::string_view error;
    };
    const Row rows[] = {
        {"HELLO\n\n\0"s, "unknown command"},
        {"send\n\n\0"s, "unknown command"},
        {"\n\0"s, "unknown command"},
        {"GET / HTTP/1.1"s, "unknown command"},
        {"UNSUBSCRIBED"s, "need more"},
        {"UNSUBSCRIBEDD"s, "unknown command"},
        {"SEND\nabc\n\n\0"s, "a header line needs a name and a colon"},
        {"SEND\n:abc\n\n\0"s, "a header line needs a name and a colon"},
        {"SEND\na:b\0"s, "NUL before the empty line that ends the headers"},
        {"SEND\0"s, "NUL before the empty line that ends the headers"},
        {"SEND\na:\xff\n\n\0"s, "headers are not UTF-8"},
        {"SEND\ncontent-length:x\n\n\0"s, "content-length is not a number"},
        {"SEND\ncontent-length:-1\n\n\0"s, "content-length is not a number"},
        {"SEND\ncontent-length:\n\n\0"s, "content-length is not a number"},
        {"SEND\ncontent-length:1234567890123456789\n\n\0"s, "content-length is not a number"},
        {"SEND\ncontent-length:2\n\nabc\0"s,
         "no NUL after the octets that content-length announced"},
        {"SEND\ncontent-length:1000000000\n\n"s, "the body is too large"},
        {"SUBSCRIBE\nid:1\n\nx"s, "this command has no body"},
        {"SUBSCRIBE\ncontent-length:1\n\n"s, "this command has no body"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const std::string expected =
            row.error == "need more" ? "need more" : "error: " + std::string{row.error};
        CHECK(read_text(row.text) == expected);
    }
}

TEST_CASE("limits hold to the octet, and as soon as they can") {
    FrameLimits limits;
    limits.line_bytes_max = 20;
    limits.header_count_max = 3;
    limits.body_bytes_max = 5;
    const std::string value(18, 'x');
    CHECK(read_text("SEND\na:" + value + "\n\n\0"s, Version::v1_2, limits) ==
          "SEND [a=" + value + "] ");
    CHECK(read_text("SEND\na:" + value + "\r\n\n\0"s, Version::v1_2, limits) ==
          "SEND [a=" + value + "] ");
    // The line is not even complete.
    CHECK(read_text("SEND\na:x" + value, Version::v1_2, limits) ==
          "error: a line of the frame is too long");
    CHECK(read_text("SEND\na:1\nb:2\nc:3\n\n\0"s, Version::v1_2, limits) ==
          "SEND [a=1] [b=2] [c=3] ");
    CHECK(read_text("SEND\na:1\nb:2\nc:3\nd:4\n", Version::v1_2, limits) ==
          "error: too many headers");
    CHECK(read_text("SEND\n\n12345\0"s, Version::v1_2, limits) == "SEND 12345");
    CHECK(read_text("SEND\n\n123456", Version::v1_2, limits) == "error: the body is too large");
    CHECK(read_text("SEND\ncontent-length:5\n\n12345\0"s, Version::v1_2, limits) ==
          "SEND [content-length=5] 12345");
    CHECK(read_text("SEND\ncontent-length:6\n\n", Version::v1_2, limits) ==
          "error: the body is too large");
}

TEST_CASE("before the login only CONNECT and STOMP are read") {
    FrameLimits limits;
    limits.connect_only = true;
    CHECK(read_text("CONNECT\n\n\0"s, Version::v1_2, limits) == "CONNECT ");
    CHECK(read_text("STOMP\n\n\0"s, Version::v1_2, limits) == "STOMP ");
    CHECK(read_text("FETCH\n", Version::v1_2, limits) ==
          "error: the first frame must be CONNECT or STOMP");
    CHECK(read_text("GET / HTTP/1.1", Version::v1_2, limits) ==
          "error: the first frame must be CONNECT or STOMP");
    // The head of a client's frame is read, for its receipt; its body is not.
    CHECK(read_text("SEND\nreceipt:1\n", Version::v1_2, limits) == "need more");
    CHECK(read_text("SEND\nreceipt:1\n\n", Version::v1_2, limits) ==
          "error: the first frame must be CONNECT or STOMP");
}

TEST_CASE("a frame may come in pieces of any size, and no prefix is a frame") {
    const std::string frames[] = {
        "CONNECT\naccept-version:1.2\r\nhost:h\n\n\0"s,
        "SEND\ndestination:a\ncontent-length:9\n\nab\0cd\n\nef\0"s,
        "SEND\ndestination:a\n\nsome\nlines\n\0"s,
        "ACK\nid:1\n\n\0"s,
    };
    for (const std::string& frame : frames) {
        for (std::size_t piece = 1; piece <= frame.size(); ++piece) {
            FrameReader reader;
            for (std::size_t have = 0; have < frame.size();) {
                have = std::min(have + piece, frame.size());
                const auto status = reader.read(as_bytes(frame).first(have), {});
                CHECK(status ==
                      (have == frame.size() ? FrameStatus::frame : FrameStatus::need_more));
            }
            CHECK(reader.frame_bytes() == frame.size());
        }
    }
}

TEST_CASE("ends of lines between frames are counted, whole ones only") {
    CHECK(count_line_ends(as_bytes("\n\r\n\nSEND")) == 4);
    CHECK(count_line_ends(as_bytes("\n\r")) == 1);
    CHECK(count_line_ends(as_bytes("\rx")) == 0);
    CHECK(count_line_ends(as_bytes("")) == 0);
}

TEST_CASE("a raw header is found in what is whole of a head") {
    CHECK(find_raw(as_bytes("SEND\na:1\nreceipt:x\\cy\nreceipt:2\nb"), "receipt") == "x\\cy");
    CHECK(find_raw(as_bytes("SEND\nreceipts:1\nreceipt:2"), "receipt").empty());
    CHECK(find_raw(as_bytes(""), "receipt").empty());
}

TEST_CASE("whether a value can be read depends on the version") {
    for (const Version version : {Version::v1_0, Version::v1_1, Version::v1_2}) {
        CHECK(is_readable(version, ""));
        CHECK(is_readable(version, "a\\c\\n\\\\"));
        CHECK_FALSE(is_readable(version, "\xff"));
        CHECK(is_readable(version, "\\r") == (version != Version::v1_1));
        CHECK(is_readable(version, "\\t") == (version == Version::v1_0));
        CHECK(is_readable(version, "a\\") == (version == Version::v1_0));
    }
}

TEST_CASE("frames are written as the version wants it") {
    const auto write = [](Version version, Command command, std::string_view value) {
        ByteBuffer out;
        FrameWriter frame{out, version, command};
        frame.header("n:1", value);
        frame.number("content-length", 2);
        frame.end_head();
        out.append("ok");
        frame.end_frame();
        return std::string{as_text(out.view())};
    };
    constexpr std::string_view value = "a:b\\c\nd\re";
    CHECK(write(Version::v1_2, Command::message, value) ==
          "MESSAGE\nn\\c1:a\\cb\\\\c\\nd\\re\ncontent-length:2\n\nok\0"s);
    CHECK(write(Version::v1_1, Command::message, value) ==
          "MESSAGE\nn\\c1:a\\cb\\\\c\\nd\re\ncontent-length:2\n\nok\0"s);
    // 1.0 has no way to write either the name or the line end: the header is left out.
    CHECK(write(Version::v1_0, Command::message, value) == "MESSAGE\ncontent-length:2\n\nok\0"s);

    ByteBuffer out;
    FrameWriter frame{out, Version::v1_2, Command::connected};
    frame.header("session", "a:b");
    frame.header("", "nameless");
    frame.end();
    CHECK(as_text(out.view()) == "CONNECTED\nsession:a:b\n\n\0"s);
}

TEST_CASE("what is written is read again, whatever it holds") {
    const std::vector<std::string> values = {"", "a", "\\n", ":::", "\r\n\\:", "ä€😀", " x "};
    for (const Version version : {Version::v1_1, Version::v1_2}) {
        for (const std::string& value : values) {
            if (version == Version::v1_1 && value.find('\r') != std::string::npos) {
                continue;  // 1.1 has no escape for it
            }
            ByteBuffer out;
            FrameWriter frame{out, version, Command::send};
            frame.header("x" + value, value);
            frame.end();
            FrameReader reader;
            REQUIRE(reader.read(out.view(), {}) == FrameStatus::frame);
            FrameScratch scratch;
            const auto headers =
                decode_head(Command::send, version, out.view().first(reader.head_bytes()), scratch);
            REQUIRE(headers.has_value());
            REQUIRE((*headers).size() == 1);
            CHECK((*headers)[0].name == "x" + value);
            CHECK((*headers)[0].value == value);
        }
    }
}
