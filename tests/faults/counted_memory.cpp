// Memory that can run out and is counted: operator new in all its forms, and malloc as the library
// calls it. Both end in the malloc of the C library, or of a sanitizer.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

#include "faults/faults.h"

using faults::Site;

namespace {

std::atomic<int64_t> blocks{0};

}  // namespace

int64_t faults::live_blocks() noexcept {
  return blocks.load();
}

extern "C" {

void* __real_malloc(size_t size);
void* __real_calloc(size_t count, size_t size);
void* __real_realloc(void* memory, size_t size);
void __real_free(void* memory);

void* __wrap_malloc(size_t size) {
  if (faults::ask(Site::kMalloc).fails) return nullptr;
  void* memory = __real_malloc(size);
  if (memory != nullptr) blocks.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

void* __wrap_calloc(size_t count, size_t size) {
  if (faults::ask(Site::kMalloc).fails) return nullptr;
  void* memory = __real_calloc(count, size);
  if (memory != nullptr) blocks.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

void* __wrap_realloc(void* memory, size_t size) {
  if (faults::ask(Site::kMalloc).fails) return nullptr;
  void* moved = __real_realloc(memory, size);
  if (memory == nullptr && moved != nullptr) blocks.fetch_add(1, std::memory_order_relaxed);
  return moved;
}

void __wrap_free(void* memory) {
  if (memory != nullptr) blocks.fetch_sub(1, std::memory_order_relaxed);
  __real_free(memory);
}

}  // extern "C"

namespace {

void* allocate(size_t size, size_t alignment) noexcept {
  if (faults::ask(Site::kNew).fails) return nullptr;
  const size_t rounded = std::max<size_t>((size + alignment - 1) / alignment, 1) * alignment;
  void* memory = alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__
                     ? __real_malloc(rounded)
                     : std::aligned_alloc(alignment, rounded);
  if (memory != nullptr) blocks.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

void* allocate_or_throw(size_t size, size_t alignment) {
  void* memory = allocate(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

constexpr size_t kUsual = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

}  // namespace

void* operator new(size_t size) {
  return allocate_or_throw(size, kUsual);
}
void* operator new[](size_t size) {
  return allocate_or_throw(size, kUsual);
}
void* operator new(size_t size, std::align_val_t alignment) {
  return allocate_or_throw(size, static_cast<size_t>(alignment));
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return allocate_or_throw(size, static_cast<size_t>(alignment));
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return allocate(size, kUsual);
}
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return allocate(size, kUsual);
}
void* operator new(size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocate(size, static_cast<size_t>(alignment));
}
void* operator new[](size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocate(size, static_cast<size_t>(alignment));
}

void operator delete(void* memory) noexcept {
  __wrap_free(memory);
}
void operator delete[](void* memory) noexcept {
  __wrap_free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  __wrap_free(memory);
}
void operator delete[](void* memory, size_t) noexcept {
  __wrap_free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  __wrap_free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  __wrap_free(memory);
}
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  __wrap_free(memory);
}
void operator delete[](void* memory, size_t, std::align_val_t) noexcept {
  __wrap_free(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  __wrap_free(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
  __wrap_free(memory);
}
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
  __wrap_free(memory);
}
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
  __wrap_free(memory);
}
