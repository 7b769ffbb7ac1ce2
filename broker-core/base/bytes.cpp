#include "broker-core/base/bytes.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace gw {

void ByteBuffer::release() {
    std::free(data_);
    data_ = nullptr;
    size_ = 0;
    capacity_ = 0;
}

void ByteBuffer::grow(std::size_t count) {
    const std::size_t capacity = std::max<std::size_t>({size_ + count, capacity_ * 2, 64});
    void* data = std::realloc(data_, capacity);
    if (data == nullptr) {
        throw std::bad_alloc{};
    }
    data_ = static_cast<std::uint8_t*>(data);
    capacity_ = capacity;
}

}  // namespace gw
