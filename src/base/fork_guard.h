// Tells the child of a fork from its parent at the price of one memory read: a page that the
// kernel fills with zeros in the child.
#pragma once

#include <cstdint>

#include "base/status.h"

namespace tcpkit {

class ForkGuard {
 public:
  ForkGuard() = default;
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;
  ~ForkGuard();

  // False if the page cannot be had; errno says why.
  bool arm() noexcept;

  // True in a child of the process that armed it.
  bool in_child() const noexcept { return page_ != nullptr && *page_ == 0; }
  // TCPKIT_E_FORKED there.
  Status check() const noexcept { return in_child() ? refuse() : TCPKIT_OK; }

 private:
  static Status refuse() noexcept;

  volatile uint32_t* page_ = nullptr;
};

}  // namespace tcpkit
