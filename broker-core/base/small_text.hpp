#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace gw {

/// A text that is one pointer in size, for fields that are mostly empty. Never changed in part.
class SmallText {
public:
    SmallText() = default;
    explicit SmallText(std::string_view text) {
        if (text.empty()) {
            return;
        }
        const auto size = static_cast<std::uint32_t>(text.size());
        bytes_ = std::make_unique_for_overwrite<char[]>(sizeof size + text.size());
        std::memcpy(bytes_.get(), &size, sizeof size);
        std::memcpy(bytes_.get() + sizeof size, text.data(), text.size());
    }
    SmallText(const SmallText& other) : SmallText(other.view()) {}
    SmallText(SmallText&&) = default;
    SmallText& operator=(SmallText other) noexcept {
        bytes_.swap(other.bytes_);
        return *this;
    }
    SmallText& operator=(std::string_view text) { return *this = SmallText{text}; }
    ~SmallText() = default;

    std::string_view view() const {
        if (!bytes_) {
            return {};
        }
        std::uint32_t size = 0;
        std::memcpy(&size, bytes_.get(), sizeof size);
        return {bytes_.get() + sizeof size, size};
    }
    operator std::string_view() const { return view(); }
    std::string str() const { return std::string{view()}; }
    bool empty() const { return !bytes_; }
    friend bool operator==(const SmallText& a, std::string_view b) { return a.view() == b; }

private:
    std::unique_ptr<char[]> bytes_;
};

}  // namespace gw
