// Status codes and the detail of the last failure on this thread. Every failing entry point ends in
// fail(), so that the caller finds out what was wrong and with what.
#pragma once

#include "tcpkit.h"

namespace tcpkit {

using Status = tcpkit_status;

// Keeps status and text as the last error of this thread and returns status.
[[gnu::format(printf, 2, 3), nodiscard]] Status fail(Status status, const char* format,
                                                     ...) noexcept;

// The same for a failed system call: maps errno to a status and appends its text.
[[gnu::format(printf, 2, 3), nodiscard]] Status fail_errno(int error_number, const char* format,
                                                           ...) noexcept;

// Status of an errno value; TCPKIT_E_IO for one without a status of its own.
Status status_from_errno(int error_number) noexcept;

struct LastError {
  Status status;
  int error_number;
  char message[512];
};

// Last error of this thread.
const LastError& last_error() noexcept;
// Puts back an error that later calls of ours may have written over.
void restore_last_error(const LastError& error) noexcept;

const char* status_name(Status status) noexcept;
const char* status_text(Status status) noexcept;

}  // namespace tcpkit
