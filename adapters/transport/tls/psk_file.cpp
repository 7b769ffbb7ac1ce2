#include "adapters/transport/tls/psk_file.hpp"

#include "adapters/transport/tls/openssl.hpp"
#include "broker-core/base/utf8.hpp"

#include <openssl/crypto.h>

#include <optional>
#include <utility>

namespace gw::transport {

namespace {

int digit_value(char digit) {
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    const char lower = static_cast<char>(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::optional<std::string> key_of_digits(std::string_view digits) {
    std::string key;
    int high = 0;
    bool has_high = digits.size() % 2 != 0;  // the zero that is not written
    for (const char digit : digits) {
        const int value = digit_value(digit);
        if (value < 0) {
            return std::nullopt;
        }
        if (has_high) {
            key += static_cast<char>(high << 4 | value);
            high = 0;
        } else {
            high = value;
        }
        has_high = !has_high;
    }
    return key;
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r";
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

}  // namespace

PskTable::~PskTable() {
    for (auto& [identity, key] : keys_) {
        OPENSSL_cleanse(key.data(), key.size());
    }
}

std::string_view PskTable::find(std::string_view identity) const {
    const auto at = keys_.find(std::string{identity});
    return at == keys_.end() ? std::string_view{} : std::string_view{at->second};
}

Result<PskTablePtr> PskTable::parse(std::string_view text) {
    auto table = std::make_shared<PskTable>();
    std::size_t number = 0;
    const auto wrong = [&](const std::string& what) {
        return Error{Errc::invalid_argument, "line " + std::to_string(number) + ": " + what};
    };
    while (!text.empty()) {
        ++number;
        const std::size_t end = text.find('\n');
        const std::string_view line = trimmed(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (line.empty() || line.front() == '#') {
            continue;
        }
        const std::size_t colon = line.rfind(':');  // an identity may have some, a key none
        if (colon == std::string_view::npos) {
            return wrong("not of the form identity:key");
        }
        const std::string_view identity = line.substr(0, colon);
        if (identity.empty() || identity.size() > identity_bytes_max ||
            !is_valid_utf8(as_bytes(identity))) {
            return wrong("the identity is not 1 to 128 bytes of UTF-8");
        }
        auto key = key_of_digits(line.substr(colon + 1));
        if (!key) {
            return wrong("the key is not hexadecimal");
        }
        if (key->empty() || key->size() > key_bytes_max) {
            return wrong("the key is not of 1 to 256 bytes");
        }
        if (!table->keys_.emplace(identity, std::move(*key)).second) {
            return wrong("the identity is given twice");
        }
    }
    return PskTablePtr{std::move(table)};
}

Result<PskTablePtr> PskTable::read(const std::string& path) {
    auto text = read_whole_file(path);
    if (!text) {
        return std::move(text).error();
    }
    auto table = parse(*text);
    OPENSSL_cleanse(text->data(), text->size());
    if (!table) {
        return std::move(table).error().within(path);
    }
    return table;
}

}  // namespace gw::transport
