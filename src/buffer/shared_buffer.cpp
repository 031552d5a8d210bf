// Shared buffers: header and copied bytes in one allocation, or a header around the user's bytes.
#include "buffer/shared_buffer.h"

#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

namespace tcpkit {

Ref<SharedBuffer> SharedBuffer::with_size(size_t size) noexcept {
  if (size > std::numeric_limits<size_t>::max() - sizeof(SharedBuffer)) return {};
  void* memory = std::malloc(sizeof(SharedBuffer) + size);
  if (memory == nullptr) return {};
  const ByteView bytes(static_cast<uint8_t*>(memory) + sizeof(SharedBuffer), size);
  return Ref<SharedBuffer>::adopt(new (memory) SharedBuffer(bytes, UserData()));
}

Ref<SharedBuffer> SharedBuffer::copy(ByteView bytes) noexcept {
  Ref<SharedBuffer> buffer = with_size(bytes.size());
  if (buffer && !bytes.empty()) std::memcpy(buffer->writable_bytes(), bytes.data(), bytes.size());
  return buffer;
}

Ref<SharedBuffer> SharedBuffer::wrap(ByteView bytes, UserData owner) noexcept {
  void* memory = std::malloc(sizeof(SharedBuffer));
  if (memory == nullptr) return {};
  return Ref<SharedBuffer>::adopt(new (memory) SharedBuffer(bytes, std::move(owner)));
}

Ref<SharedBuffer> SharedBuffer::take_allocated(uint8_t* bytes, size_t size) noexcept {
  void* memory = std::malloc(sizeof(SharedBuffer));
  if (memory == nullptr) return {};
  return Ref<SharedBuffer>::adopt(
      new (memory) SharedBuffer(ByteView(bytes, size), UserData(bytes, &std::free)));
}

void SharedBuffer::destroy() noexcept {
  this->~SharedBuffer();
  std::free(this);
}

}  // namespace tcpkit
