// The system calls on connected sockets, and their options. None raises SIGPIPE, and none blocks,
// whatever the mode of the descriptor, but receive_waiting().
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "loop/address.h"

namespace tcpkit {

// What a connection speaks from its begin.
enum class Transport : uint8_t { kPlain, kTls };

// Outcome of a read or write: bytes > 0, or 0 and why.
struct IoResult {
  size_t bytes;
  int error_number;  // 0: bytes, or end of stream for a read; EAGAIN: not now
};

IoResult receive(int fd, void* buffer, size_t size) noexcept;
// Waits for bytes, as long as set_receive_timeout() said; the descriptor must be in blocking mode.
IoResult receive_waiting(int fd, void* buffer, size_t size) noexcept;
IoResult send_gathered(int fd, std::span<iovec> pieces) noexcept;

// setsockopt; 0 or an errno, like the next two.
int set_option(int fd, int level, int option, int value) noexcept;
// TCP only. keep_alive_ms: idle time before probes; TCPKIT_UNLIMITED: none.
int set_tcp_behaviour(int fd, bool no_delay, uint64_t keep_alive_ms) noexcept;
// 0 leaves what the system has.
int set_buffer_sizes(int fd, size_t receive_size, size_t send_size) noexcept;

// 0 or an errno.
int set_blocking_mode(int fd) noexcept;
// EAGAIN comes no earlier than that, and some milliseconds later; UINT32_MAX: never.
void set_receive_timeout(int fd, uint32_t timeout_ms) noexcept;
// Ends our stream with FIN.
void shut_down_writing(int fd) noexcept;
// Makes the next close reset the connection.
void reset_at_close(int fd) noexcept;
// The error that the kernel holds for the socket, which it forgets then; 0 if none.
int take_socket_error(int fd) noexcept;
// "192.0.2.7:5000", or "" if the descriptor has no such address (any more).
std::string local_address_text(int fd);
std::string remote_address_text(int fd);

}  // namespace tcpkit
