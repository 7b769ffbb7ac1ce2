#include "adapters/http/body_reader.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace gw::http {

BodyReader BodyReader::of_length(std::uint64_t bytes, const Limits& limits) {
    BodyReader reader{limits};
    reader.left_ = bytes;
    if (bytes > limits.body_bytes_max) {
        reader.status_ = Status::too_large;
    } else if (bytes == 0) {
        reader.status_ = Status::complete;
    }
    return reader;
}

BodyReader BodyReader::chunked(const Limits& limits) {
    BodyReader reader{limits};
    reader.is_chunked_ = true;
    reader.state_ = State::size_line;
    return reader;
}

std::size_t BodyReader::put(Bytes bytes) {
    std::size_t consumed = 0;
    while (status_ == Status::incomplete && consumed < bytes.size()) {
        const Bytes left = bytes.subspan(consumed);
        consumed += state_ == State::data ? put_data(left) : put_line(left);
    }
    return consumed;
}

std::size_t BodyReader::put_data(Bytes bytes) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
    body_ += as_text(bytes.first(count));
    left_ -= count;
    if (left_ == 0) {
        if (is_chunked_) {
            state_ = State::after_data;
        } else {
            status_ = Status::complete;
        }
    }
    return count;
}

std::size_t BodyReader::put_line(Bytes bytes) {
    const std::string_view text = as_text(bytes);
    const std::size_t end = text.find('\n');
    const std::size_t count = end == std::string_view::npos ? text.size() : end + 1;
    line_ += text.substr(0, count);
    if (line_.size() > limits_.line_bytes_max) {
        status_ = Status::too_large;
    } else if (line_.ends_with('\n')) {
        if (line_.ends_with("\r\n")) {
            line_.resize(line_.size() - 2);
            end_line();
            line_.clear();
        } else {
            status_ = Status::malformed;
        }
    }
    return count;
}

void BodyReader::end_line() {
    switch (state_) {
        case State::data:
            break;
        case State::after_data:
            if (line_.empty()) {
                state_ = State::size_line;
            } else {
                status_ = Status::malformed;
            }
            break;
        case State::size_line:
            if (!read_size()) {
                status_ = Status::malformed;
            } else if (left_ > limits_.body_bytes_max - body_.size()) {
                status_ = Status::too_large;
            } else {
                state_ = left_ == 0 ? State::trailer_line : State::data;
            }
            break;
        case State::trailer_line:
            trailer_bytes_ += line_.size() + 2;
            if (line_.empty()) {
                status_ = Status::complete;
            } else if (trailer_bytes_ > limits_.line_bytes_max) {
                status_ = Status::too_large;
            }
            break;
    }
}

/// Hexadecimal digits, then perhaps extensions.
bool BodyReader::read_size() {
    const std::string_view text = std::string_view{line_}.substr(0, line_.find_first_of("; \t"));
    const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), left_, 16);
    return failure == std::errc{} && stop == text.data() + text.size();
}

}  // namespace gw::http
