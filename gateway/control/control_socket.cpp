#include "gateway/control/control_socket.hpp"

#include <fcntl.h>
#include <sys/un.h>
#include <unistd.h>

namespace gw {

namespace {

constexpr const char* socket_name = "control.sock";

}  // namespace

ControlAddress::ControlAddress(const std::filesystem::path& data_dir)
    : text_((data_dir / socket_name).string()) {
    if (text_.size() < sizeof(sockaddr_un::sun_path)) {
        return;
    }
    folder_ = ::open(data_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    text_ = "/proc/self/fd/" + std::to_string(folder_) + "/" + socket_name;
}

ControlAddress::~ControlAddress() {
    if (folder_ >= 0) {
        ::close(folder_);
    }
}

}  // namespace gw
