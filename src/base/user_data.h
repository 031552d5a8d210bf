// A user's pointer with the function that frees it, called exactly once.
#pragma once

#include <utility>

#include "tcpkit.h"

namespace tcpkit {

class UserData {
 public:
  UserData() = default;
  UserData(void* pointer, tcpkit_free_fn free_function) noexcept
      : pointer_(pointer), free_function_(free_function) {}
  UserData(UserData&& other) noexcept
      : pointer_(std::exchange(other.pointer_, nullptr)),
        free_function_(std::exchange(other.free_function_, nullptr)) {}
  UserData& operator=(UserData other) noexcept {
    std::swap(pointer_, other.pointer_);
    std::swap(free_function_, other.free_function_);
    return *this;
  }
  ~UserData() {
    if (free_function_ == nullptr) return;
    try {
      free_function_(pointer_);
    } catch (...) {
      // Whoever frees has nobody to report to.
      return;
    }
  }

  void* get() const noexcept { return pointer_; }

 private:
  void* pointer_ = nullptr;
  tcpkit_free_fn free_function_ = nullptr;
};

}  // namespace tcpkit
