// Views of bytes, as every room passes them on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tcpkit {

using ByteView = std::span<const uint8_t>;

}  // namespace tcpkit
