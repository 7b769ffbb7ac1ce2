// Three properties, for any text in place of a configuration file:
//   1. every line is either an entry or told as wrong, and places lie inside the text;
//   2. a value that is accepted has one spelling, which is accepted again and spelled the same;
//   3. looking up, refusing and suggesting take any name.
#include "broker-core/base/assert.hpp"
#include "broker-core/base/bytes.hpp"
#include "config/parse/kv_parser.hpp"
#include "config/schema/schema.hpp"
#include "config/schema/value.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gw::config;
    const std::string_view text = gw::as_text({data, size});
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;

    const ParsedText parsed = parse_key_values("fuzz", text);
    GW_ASSERT(parsed.entries.size() + parsed.diagnostics.size() <= lines);
    for (const Diagnostic& one : parsed.diagnostics) {
        GW_ASSERT(one.line >= 1 && one.line <= lines && one.column >= 1 && one.column <= size + 1);
    }
    for (const Entry& entry : parsed.entries) {
        GW_ASSERT(entry.line >= 1 && entry.line <= lines && !entry.key.empty());
        const auto found = find_key(entry.key);
        if (!found) {
            static_cast<void>(suggest_key(entry.key));
            static_cast<void>(refusal(entry.key));
            continue;
        }
        const auto value = parse_value(*found->key, entry.value);
        if (value) {
            const auto again = parse_value(*found->key, value->canonical);
            GW_ASSERT(again.has_value());
            GW_ASSERT(again->canonical == value->canonical);
        }
    }
    return 0;
}
