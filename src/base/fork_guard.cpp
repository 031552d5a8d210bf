// The page behind ForkGuard: MADV_WIPEONFORK where the kernel has it.
#include "base/fork_guard.h"

#include <sys/mman.h>

namespace tcpkit {
namespace {
constexpr size_t kPageBytes = 4096;
}

ForkGuard::~ForkGuard() {
  if (page_ != nullptr) munmap(const_cast<uint32_t*>(page_), kPageBytes);
}

Status ForkGuard::refuse() noexcept {
  return fail(TCPKIT_E_FORKED,
              "made by the parent process, before a fork; only the parent can use it");
}

bool ForkGuard::arm() noexcept {
  if (page_ != nullptr) return true;
  void* page =
      mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return false;
  if (madvise(page, kPageBytes, MADV_WIPEONFORK) != 0) {
    munmap(page, kPageBytes);
    return false;
  }
  page_ = static_cast<volatile uint32_t*>(page);
  *page_ = 1;
  return true;
}

}  // namespace tcpkit
