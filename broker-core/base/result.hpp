#pragma once

#include "broker-core/base/assert.hpp"

#include <string>
#include <utility>
#include <variant>

namespace gw {

/// What kind of failure an Error is. The text carries the particulars.
enum class Errc {
    invalid_argument,
    not_found,
    already_exists,
    out_of_bounds,
    unavailable,
    io,
    corrupt,
    newer_format,
    resource_limit,
};

/// A failure outside the codecs: what kind, and one sentence for a person.
class Error {
public:
    Error(Errc code, std::string text) : code_(code), text_(std::move(text)) {}

    Errc code() const { return code_; }
    const std::string& text() const { return text_; }

    /// Adds where it happened in front of the text; the code stays.
    Error within(const std::string& place) && { return Error{code_, place + ": " + text_}; }

private:
    Errc code_;
    std::string text_;
};

/// A value or a failure, with the member names of std::expected. Never empty.
template <class T, class E = Error>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}

    bool has_value() const { return state_.index() == 0; }
    explicit operator bool() const { return has_value(); }

    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(value()); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    T& value() & {
        GW_ASSERT(has_value());
        return std::get<0>(state_);
    }
    const T& value() const& {
        GW_ASSERT(has_value());
        return std::get<0>(state_);
    }
    T&& value() && { return std::move(value()); }
    const E& error() const& {
        GW_ASSERT(!has_value());
        return std::get<1>(state_);
    }
    E&& error() && {
        GW_ASSERT(!has_value());
        return std::move(std::get<1>(state_));
    }

private:
    std::variant<T, E> state_;
};

/// Success or a failure.
template <class E>
class [[nodiscard]] Result<void, E> {
public:
    Result() = default;
    Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}

    bool has_value() const { return state_.index() == 0; }
    explicit operator bool() const { return has_value(); }
    const E& error() const& {
        GW_ASSERT(!has_value());
        return std::get<1>(state_);
    }
    E&& error() && {
        GW_ASSERT(!has_value());
        return std::move(std::get<1>(state_));
    }

private:
    std::variant<std::monostate, E> state_;
};

}  // namespace gw
