#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace gw {

/// Base of types that count their own references. The count is atomic, since messages and
/// identities are shared by workers. `Derived` is deleted by its destroy() where it has one.
template <class Derived>
class RefCounted {
public:
    RefCounted() = default;
    RefCounted(const RefCounted&) : references_(0) {}
    RefCounted& operator=(const RefCounted&) { return *this; }

    void add_reference() const { references_.fetch_add(1, std::memory_order_relaxed); }
    void add_references(std::uint32_t count) const {
        references_.fetch_add(count, std::memory_order_relaxed);
    }
    void drop_reference() const {
        // The only holder needs no read-modify-write: nobody else can add a reference.
        if (references_.load(std::memory_order_acquire) == 1 ||
            references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            destroy(static_cast<const Derived*>(this));
        }
    }

    /// Whether somebody else holds it too; of use only to one who holds it and gives it out.
    bool is_shared() const { return references_.load(std::memory_order_acquire) > 1; }

private:
    template <class T>
    static auto destroy(const T* object) -> decltype(T::dispose(object)) {
        T::dispose(object);
    }
    static void destroy(const void* object) { delete static_cast<const Derived*>(object); }

    mutable std::atomic<std::uint32_t> references_{0};
};

/// Owner of one reference; one pointer in size.
template <class T>
class IntrusivePtr {
public:
    IntrusivePtr() = default;
    IntrusivePtr(std::nullptr_t) {}
    explicit IntrusivePtr(T* object) : object_(object) {
        if (object_ != nullptr) {
            object_->add_reference();
        }
    }
    IntrusivePtr(const IntrusivePtr& other) : IntrusivePtr(other.object_) {}
    IntrusivePtr(IntrusivePtr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    IntrusivePtr& operator=(IntrusivePtr other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~IntrusivePtr() {
        if (object_ != nullptr) {
            object_->drop_reference();
        }
    }

    T* get() const { return object_; }
    T* operator->() const { return object_; }
    T& operator*() const { return *object_; }
    explicit operator bool() const { return object_ != nullptr; }
    bool operator==(const IntrusivePtr&) const = default;
    void reset() { IntrusivePtr{}.swap(*this); }
    void swap(IntrusivePtr& other) noexcept { std::swap(object_, other.object_); }
    /// Gives the reference to the caller, who must drop it.
    T* release() { return std::exchange(object_, nullptr); }
    /// Takes over a reference that release() gave.
    static IntrusivePtr adopt(T* object) {
        IntrusivePtr pointer;
        pointer.object_ = object;
        return pointer;
    }

private:
    T* object_ = nullptr;
};

}  // namespace gw
