// tcpkit_buffer_*.
#include "buffer/shared_buffer.h"

#include "api/guard.h"

using namespace tcpkit;

namespace {

SharedBuffer* from_handle(tcpkit_buffer* handle) noexcept {
  return reinterpret_cast<SharedBuffer*>(handle);
}

const SharedBuffer* from_handle(const tcpkit_buffer* handle) noexcept {
  return reinterpret_cast<const SharedBuffer*>(handle);
}

Status hand_out(Ref<SharedBuffer> buffer, size_t size, tcpkit_buffer** out_buffer) noexcept {
  if (!buffer) return fail(TCPKIT_E_NO_MEMORY, "out of memory for a buffer of %zu bytes", size);
  *out_buffer = reinterpret_cast<tcpkit_buffer*>(buffer.detach());
  return TCPKIT_OK;
}

}  // namespace

tcpkit_status tcpkit_buffer_create(const void* data, size_t data_size, tcpkit_buffer** out_buffer) {
  if (out_buffer == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "out_buffer is NULL");
  if (data == nullptr && data_size != 0) return fail(TCPKIT_E_INVALID_ARGUMENT, "data is NULL");
  return hand_out(SharedBuffer::copy({static_cast<const uint8_t*>(data), data_size}), data_size,
                  out_buffer);
}

tcpkit_status tcpkit_buffer_wrap(tcpkit_slice bytes, void* user_data, tcpkit_free_fn user_data_free,
                                 tcpkit_buffer** out_buffer) {
  UserData owner(user_data, user_data_free);
  if (out_buffer == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "out_buffer is NULL");
  if (bytes.data == nullptr && bytes.size != 0) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "bytes.data is NULL");
  }
  return hand_out(
      SharedBuffer::wrap({static_cast<const uint8_t*>(bytes.data), bytes.size}, std::move(owner)),
      bytes.size, out_buffer);
}

tcpkit_buffer* tcpkit_buffer_retain(tcpkit_buffer* buffer) {
  if (buffer != nullptr) from_handle(buffer)->retain();
  return buffer;
}

void tcpkit_buffer_release(tcpkit_buffer* buffer) {
  if (buffer != nullptr) from_handle(buffer)->release();
}

const uint8_t* tcpkit_buffer_data(const tcpkit_buffer* buffer) {
  return buffer == nullptr ? nullptr : from_handle(buffer)->view().data();
}

size_t tcpkit_buffer_size(const tcpkit_buffer* buffer) {
  return buffer == nullptr ? 0 : from_handle(buffer)->view().size();
}
