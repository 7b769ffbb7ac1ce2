#include "adapters/transport/tls/openssl.hpp"

#include <openssl/err.h>

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace gw::transport {

std::string take_openssl_error() {
    const char* data = nullptr;
    int flags = 0;
    const unsigned long code = ERR_peek_last_error_data(&data, &flags);
    const char* const reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
    std::string text = reason != nullptr ? reason : "unknown error";
    if (ERR_SYSTEM_ERROR(code)) {
        text = std::generic_category().message(ERR_GET_REASON(code));
    }
    if (data != nullptr && (flags & ERR_TXT_STRING) != 0 && *data != '\0') {
        text += std::string{" ("} + data + ")";
    }
    ERR_clear_error();
    return text;
}

Result<std::string> read_whole_file(const std::string& path) {
    constexpr std::size_t bytes_max = 8 << 20;
    const auto failed = [&](int error) {
        return Error{Errc::io, path + ": " + std::generic_category().message(error)};
    };
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return failed(errno);
    }
    std::string text;
    int error = 0;
    while (error == 0) {
        char buffer[16384];
        const ssize_t count = ::read(fd, buffer, sizeof buffer);
        if (count == 0) {
            break;
        }
        if (count < 0) {
            error = errno;
        } else if (text.append(buffer, static_cast<std::size_t>(count)).size() > bytes_max) {
            error = EFBIG;
        }
    }
    ::close(fd);
    if (error != 0) {
        return failed(error);
    }
    return text;
}

}  // namespace gw::transport
