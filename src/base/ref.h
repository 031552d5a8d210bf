// Shared ownership without a control block: the object counts its own references.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace tcpkit {

// Base of a counted object; it begins with one reference, which its creator adopts. T has
// `void destroy() noexcept`, called on whichever thread gives the last reference back.
template <typename T>
class RefCounted {
 public:
  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }

  // The release half publishes this thread's writes; the acquire half lets the last one see all.
  void release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      static_cast<T*>(this)->destroy();
    }
  }

 private:
  std::atomic<uint32_t> references_{1};
};

// Owning pointer to a counted object.
template <typename T>
class Ref {
 public:
  Ref() = default;
  static Ref adopt(T* object) noexcept { return Ref(object); }
  static Ref share(T* object) noexcept {
    if (object != nullptr) object->retain();
    return Ref(object);
  }
  Ref(const Ref& other) noexcept : Ref(share(other.object_)) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ != nullptr) object_->release();
  }

  T* get() const noexcept { return object_; }
  T* operator->() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  T* detach() noexcept { return std::exchange(object_, nullptr); }

 private:
  explicit Ref(T* object) noexcept : object_(object) {}
  T* object_ = nullptr;
};

}  // namespace tcpkit
