// The gate of every function of tcpkit.h: no exception leaves it, and a struct is read only as far
// as its struct_size covers it.
#pragma once

#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <utility>

#include "base/status.h"

namespace tcpkit {

// Runs body, which returns a status, and turns exceptions into one.
template <typename Body>
Status guarded(Body&& body) noexcept {
  try {
    return std::forward<Body>(body)();
  } catch (const std::bad_alloc&) {
    return fail(TCPKIT_E_NO_MEMORY, "out of memory");
  } catch (const std::length_error&) {
    return fail(TCPKIT_E_NO_MEMORY, "out of memory: larger than any container");
  } catch (const std::exception& error) {
    return fail(TCPKIT_E_INTERNAL, "unexpected exception: %s", error.what());
  } catch (...) {
    return fail(TCPKIT_E_INTERNAL, "unexpected exception");
  }
}

// Fails if an argument that is needed is NULL.
[[nodiscard]] inline Status check_not_null(const void* argument, const char* name) noexcept {
  if (argument == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "%s is NULL", name);
  return TCPKIT_OK;
}

// Fails if given is NULL or if struct_size is less than smallest, the size of that struct in its
// first release.
[[nodiscard]] inline Status check_struct(const void* given, uint32_t struct_size, uint32_t smallest,
                                         const char* name) noexcept {
  if (given == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "%s is NULL", name);
  if (struct_size >= smallest) return TCPKIT_OK;
  return fail(TCPKIT_E_STRUCT_SIZE, "%s: struct_size is %u, at least %u is needed; use its INIT",
              name, struct_size, smallest);
}

// Size of each struct in its first release: the smallest struct_size that is accepted, for ever.
template <typename Struct>
inline constexpr uint32_t kFrozenSize = sizeof(Struct);
template <>
inline constexpr uint32_t kFrozenSize<tcpkit_address> = 272;
template <>
inline constexpr uint32_t kFrozenSize<tcpkit_framer_options> = 168;
template <>
inline constexpr uint32_t kFrozenSize<tcpkit_handlers> = 80;
template <>
inline constexpr uint32_t kFrozenSize<tcpkit_strategy> = 56;
template <>
inline constexpr uint32_t kFrozenSize<tcpkit_server_options> = 280;
template <>
inline constexpr uint32_t kFrozenSize<tcpkit_option_info> = 40;
template <>
inline constexpr uint32_t kFrozenSize<tcpkit_listen_options> = 16;
template <>
inline constexpr uint32_t kFrozenSize<tcpkit_timer_options> = 48;
template <>
inline constexpr uint32_t kFrozenSize<tcpkit_metrics> = 168;
template <>
inline constexpr uint32_t kFrozenSize<tcpkit_drain_report> = 40;
template <>
inline constexpr uint32_t kFrozenSize<tcpkit_tls_options> = 208;
template <>
inline constexpr uint32_t kFrozenSize<tcpkit_client_options> = 384;
template <>
inline constexpr uint32_t kFrozenSize<tcpkit_loop_options> = 40;
template <>
inline constexpr uint32_t kFrozenSize<tcpkit_service> = 32;
template <>
inline constexpr uint32_t kFrozenSize<tcpkit_run_options> = 16;

// Copies a caller's struct over copy, which holds the INIT values: what struct_size does not cover
// keeps them.
template <typename Struct>
[[nodiscard]] Status copy_struct(const Struct* given, Struct& copy, const char* name,
                                 uint32_t smallest = kFrozenSize<Struct>) noexcept {
  const uint32_t struct_size = given == nullptr ? 0 : given->struct_size;
  const Status status = check_struct(given, struct_size, smallest, name);
  if (status != TCPKIT_OK) return status;
  std::memcpy(&copy, given, struct_size < sizeof(Struct) ? struct_size : sizeof(Struct));
  copy.struct_size = sizeof(Struct);
  return TCPKIT_OK;
}

// Fills in a caller's struct, which copy_struct has accepted, as far as its struct_size covers.
template <typename Struct>
void fill_struct(Struct& filled, const Struct& values) noexcept {
  const uint32_t struct_size = filled.struct_size;
  std::memcpy(&filled, &values, struct_size < sizeof(Struct) ? struct_size : sizeof(Struct));
  filled.struct_size = struct_size;
}

}  // namespace tcpkit
