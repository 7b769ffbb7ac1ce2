#pragma once

#include <filesystem>
#include <string>

namespace gw {

/// The address of the control socket of a data folder, `<data>/control.sock`. The address of a
/// Unix socket holds 107 bytes; for a longer path it goes through a descriptor of the folder, so
/// keep the object until the address has been used.
class ControlAddress {
public:
    explicit ControlAddress(const std::filesystem::path& data_dir);
    ControlAddress(const ControlAddress&) = delete;
    ControlAddress& operator=(const ControlAddress&) = delete;
    ~ControlAddress();

    const std::string& text() const { return text_; }

private:
    int folder_ = -1;
    std::string text_;
};

}  // namespace gw
