#include "adapters/sockjs/text.hpp"

#include "adapters/sockjs/payload.hpp"
#include "tests/support/doctest_strings.hpp"

using namespace gw;
using namespace gw::sockjs;

namespace {

std::string as_json(std::string_view text) {
    std::string json;
    append_json(json, text);
    return json;
}

std::string bytes_of(Payload& payload, std::string_view message) {
    ByteBuffer bytes;
    CHECK(payload.take(std::string{message}, bytes));
    return std::string{as_text(bytes.view())};
}

std::string given(Payload& payload, std::string_view bytes) {
    std::string json;
    payload.give(as_bytes(bytes), json);
    return json;
}

}  // namespace

TEST_CASE("messages are an array of strings, or one string alone") {
    CHECK(*decode_messages("[]") == std::vector<std::string>{});
    CHECK(*decode_messages(" [ \"a\" , \"b\\n\" ] ") == std::vector<std::string>{"a", "b\n"});
    CHECK(*decode_messages("\"a\"") == std::vector<std::string>{"a"});
    CHECK(*decode_messages(R"(["\u20ac\ud83d\ude00\/\"\\\b\f\n\r\t"])") ==
          std::vector<std::string>{"\u20ac\U0001f600/\"\\\b\f\n\r\t"});
    for (const std::string_view broken :
         {"", "[", "[\"a", "[\"a\"", "[\"a\",]", "[,]", "[1]", "{}", "null", "[\"a\"]x",
          "[\"\\x\"]", "[\"\\u12g4\"]", "[\"\\u12\"]", "[\"\xff\"]", "[\"\xc3\"]",
          "[\"\xed\xa0\x80\"]"}) {
        CAPTURE(broken);
        CHECK_FALSE(decode_messages(broken));
    }
}

TEST_CASE("halves of surrogate pairs come back as they came") {
    const std::string json = R"(["\ud800","\udc00\ud800x"])";
    const auto messages = decode_messages(json);
    REQUIRE(messages);
    CHECK("[" + as_json((*messages)[0]) + "," + as_json((*messages)[1]) + "]" == json);
    std::string text = (*messages)[1];
    replace_surrogates(text);
    CHECK(text == "\ufffd\ufffdx");
}

TEST_CASE("what browsers change on the way is escaped") {
    CHECK(as_json("a\"\\/\b\f\n\r\t") == R"("a\"\\/\b\f\n\r\t")");
    CHECK(as_json(std::string_view("\x00\x1f\x7f", 3)) == "\"\\u0000\\u001f\x7f\"");
    CHECK(as_json("\u200b\u200c\u200f\u2010\u2028\u2060\ufff0\uffff") ==
          "\"\u200b\\u200c\\u200f\u2010\\u2028\\u2060\\ufff0\\uffff\"");
    CHECK(as_json("\U0001f600") == R"("\ud83d\ude00")");
    CHECK(as_json("\xff\xc3") == R"("\ufffd\ufffd")");
}

TEST_CASE("a string in a script can not end it") {
    std::string text;
    append_script_string(text, "a[\"</script>\\n\"]");
    CHECK(text == R"("a[\"\u003c/script>\\n\"]")");
}

TEST_CASE("fields of forms") {
    CHECK(*form_field("a=1&d=%5B+%5d&d=2", "d", Plus::is_space) == "[ ]");
    CHECK(*form_field("c=x+y", "c", Plus::stays) == "x+y");
    CHECK_FALSE(form_field("a=1&cc=2", "c", Plus::stays));
    CHECK_FALSE(form_field("d=%5", "d", Plus::stays));
    CHECK_FALSE(form_field("d=%zz", "d", Plus::stays));
    CHECK_FALSE(form_field("", "d", Plus::stays));
}

TEST_CASE("base64 both ways") {
    for (const std::string text : {"", "a", "ab", "abc", "\x10\xff\xfe\xfd"}) {
        std::string encoded;
        append_base64(encoded, text);
        CHECK(encoded.size() % 4 == 0);
        CHECK(*base64_decode(encoded) == text);
    }
    std::string encoded;
    append_base64(encoded, "\xfb\xff");
    CHECK(encoded == "+/8=");
    for (const std::string_view wrong : {"a", "ab=", "a===", "ab==abcd", "ab-_", "=abc"}) {
        CAPTURE(wrong);
        CHECK_FALSE(base64_decode(wrong));
    }
}

TEST_CASE("binary content takes the form that the client has") {
    Payload characters{Content::binary};
    CHECK(bytes_of(characters, "\u0010\u0080\u00ff") == "\x10\x80\xff");
    CHECK(given(characters, "\x20\x02\xe9") == "\" \\u0002\u00e9\"");
    ByteBuffer bytes;
    CHECK_FALSE(characters.take("\u20ac", bytes));

    Payload base64{Content::binary};
    CHECK(bytes_of(base64, "EA==") == "\x10");
    CHECK(given(base64, "abc") == "\"YWJj\"");
    CHECK_FALSE(base64.take("\u0010", bytes));
}

TEST_CASE("what is no text stays as long as it was") {
    Payload payload{Content::text};
    CHECK(given(payload, "content-length:8\n\n\xc3 \xe2\x82|\u20ac") ==
          "\"content-length:8\\n\\n? ?\?|\u20ac\"");
    CHECK(given(payload, "\xc3 \xf4\x90\x80\x80\xc0\x80") == "\"? " + std::string(6, '?') + "\"");
}

TEST_CASE("texts are cut between characters") {
    Payload payload{Content::text};
    CHECK(given(payload, "a\xe2\x82") == "\"a\"");
    CHECK(given(payload, "\xac") == "\"\u20ac\"");
    CHECK(given(payload, "\xf0") == "");
    CHECK(given(payload, "x") == "\"?x\"");
    CHECK(bytes_of(payload, "\u20ac") == "\u20ac");
    CHECK(close_frame(3000, "Go away!") == "c[3000,\"Go away!\"]");
}
