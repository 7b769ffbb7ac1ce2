#include "tests/translation/document.hpp"

#include "adapters/stomp/machine/message_headers.hpp"
#include "broker-core/base/assert.hpp"
#include "tests/translation/peer.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string_view>
#include <vector>

namespace gw::test {

namespace {

const std::string path = std::string{GW_SOURCE_DIR} + "/docs/protocols/translation.md";
constexpr std::string_view begin_mark = "<!-- generated: translation_test --write -->\n";
constexpr std::string_view end_mark = "<!-- end of what is generated -->\n";

std::string cell(const ProtocolTranslation& protocol, MessageField field, bool is_in) {
    const FieldTranslation* const row = protocol.find(field);
    if (row == nullptr) {
        return protocol.is_carrier ? "as inside" : "lost";
    }
    const Carried& carried = is_in ? row->in : row->out;
    std::string text{carried.place};
    if (carried.number != 0) {
        text += " (" + std::to_string(carried.number) + ")";
    }
    const std::string_view fate = fate_text(carried.fate);
    if (!fate.empty()) {
        text += (text.empty() ? "" : ": ") + std::string{fate};
    }
    return text;
}

/// The columns: each protocol once, in the order in which the speakers have them.
std::vector<const ProtocolTranslation*> columns() {
    std::vector<const ProtocolTranslation*> all;
    for (const Speaker& speaker : speakers()) {
        const ProtocolTranslation* const one = speaker.language.carrier != nullptr
                                                   ? speaker.language.carrier
                                                   : &speaker.language.inside;
        if (std::find(all.begin(), all.end(), one) == all.end()) {
            all.push_back(one);
        }
    }
    return all;
}

std::string table() {
    const auto protocols = columns();
    std::string text = "| field | way |";
    std::string rule = "| --- | --- |";
    for (const ProtocolTranslation* const one : protocols) {
        text += " " + std::string{one->protocol} + " |";
        rule += " --- |";
    }
    text += "\n" + rule + "\n";
    const auto row = [&](MessageField field, bool is_in) {
        std::string line;
        for (const ProtocolTranslation* const one : protocols) {
            line += " " + cell(*one, field, is_in) + " |";
        }
        return line + "\n";
    };
    for (std::size_t i = 0; i < message_field_count; ++i) {
        const auto field = static_cast<MessageField>(i);
        const std::string name{message_field_name(field)};
        const std::string in = row(field, true);
        const std::string out = row(field, false);
        if (in == out) {
            text += "| " + name + " | both |" + in;
        } else {
            text += "| " + name + " | in |" + in + "| | out |" + out;
        }
    }
    return text;
}

std::string reserved_names() {
    auto names = stomp::reserved_headers;
    std::sort(names.begin(), names.end());
    std::string text =
        "\nHeaders of STOMP that are STOMP's own or this server's, and never a user property:";
    for (const std::string_view name : names) {
        text += (name == names.front() ? " `" : ", `") + std::string{name} + "`";
    }
    return text + ".\n";
}

}  // namespace

std::string translation_document() {
    std::ifstream in{path};
    return {std::istreambuf_iterator<char>{in}, {}};
}

std::string translation_document_made_anew() {
    std::string text = translation_document();
    const std::size_t begin = text.find(begin_mark);
    const std::size_t end = text.find(end_mark);
    GW_ASSERT(begin != std::string::npos && end != std::string::npos && begin < end);
    const std::size_t first = begin + begin_mark.size();
    return text.replace(first, end - first, "\n" + table() + reserved_names() + "\n");
}

void write_translation_document() {
    const std::string text = translation_document_made_anew();
    std::ofstream out{path};
    out << text;
}

}  // namespace gw::test
