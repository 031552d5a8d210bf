// Bytes that any number of connections may send without a copy.
#pragma once

#include "base/bytes.h"
#include "base/ref.h"
#include "base/user_data.h"

namespace tcpkit {

class SharedBuffer : public RefCounted<SharedBuffer> {
 public:
  // A copy of bytes, in one allocation; null if memory ran out.
  static Ref<SharedBuffer> copy(ByteView bytes) noexcept;
  // Room for size bytes that the caller fills before sharing it; null if memory ran out.
  static Ref<SharedBuffer> with_size(size_t size) noexcept;
  // A view of the user's bytes; owner is freed with the buffer, or at once on failure.
  static Ref<SharedBuffer> wrap(ByteView bytes, UserData owner) noexcept;

  // Takes over size bytes that came from malloc. Null if memory ran out: they are the caller's
  // still.
  static Ref<SharedBuffer> take_allocated(uint8_t* bytes, size_t size) noexcept;

  ByteView view() const noexcept { return bytes_; }
  uint8_t* writable_bytes() noexcept { return reinterpret_cast<uint8_t*>(this + 1); }
  void destroy() noexcept;

 private:
  SharedBuffer(ByteView bytes, UserData owner) noexcept : bytes_(bytes), owner_(std::move(owner)) {}

  ByteView bytes_;
  UserData owner_;
};

}  // namespace tcpkit
