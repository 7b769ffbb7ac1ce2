// Three properties, for any bytes in place of what the store has written:
//   1. records that are read, written again, are the same bytes: each has one form only;
//   2. the same for the body of a retained message;
//   3. a line of an import is an object or an error, whatever it is.
// A fourth is checked by the sanitizers for free: no byte outside the input is touched.
#include "broker-core/base/assert.hpp"
#include "broker-core/storage/log_store/json_line.hpp"
#include "broker-core/storage/log_store/record.hpp"
#include "broker-core/storage/log_store/segment.hpp"

#include <cstddef>
#include <cstdint>

namespace {

void check_records(gw::Bytes bytes) {
    using Kind = gw::RecordScanner::Kind;
    gw::RecordScanner in{bytes};
    gw::ByteBuffer again;
    for (Kind kind = in.next(); kind != Kind::end && kind != Kind::damaged; kind = in.next()) {
        again.clear();
        if (kind == Kind::message) {
            gw::append_message(again, in.message());
            const gw::Bytes body = bytes.subspan(in.body_offset(), in.body_size());
            GW_ASSERT(gw::decode_message_body(body).has_value());
        } else if (kind == Kind::delivery) {
            gw::append_delivery(again, in.delivery());
        } else {
            gw::append_completed(again, in.completed());
        }
        GW_ASSERT(gw::as_text(again.view()) == gw::as_text(in.record()));
    }
}

void check_body(gw::Bytes bytes) {
    if (const auto message = gw::decode_message_body(bytes)) {
        gw::ByteBuffer again;
        gw::append_message_body(again, *message);
        GW_ASSERT(gw::as_text(again.view()) == gw::as_text(bytes));
    }
}

void check_line(std::string_view text) {
    auto line = gw::JsonLine::parse(text);
    if (line) {
        static_cast<void>(line->number("a"));
        static_cast<void>(line->text("b"));
        static_cast<void>(line->base64("c"));
        static_cast<void>(line->numbers("d"));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const gw::Bytes rest{data + 1, size - 1};
    switch (data[0] % 3) {
        case 0:
            check_records(rest);
            break;
        case 1:
            check_body(rest);
            break;
        default:
            check_line(gw::as_text(rest));
            break;
    }
    static_cast<void>(gw::open_segment({data, size}, 1));
    return 0;
}
