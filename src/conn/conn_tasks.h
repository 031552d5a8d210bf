// What other threads ask of a connection, on its way to the loop.
#pragma once

#include "conn/conn.h"

namespace tcpkit {

// Which number of the metrics a send adds to, besides the bytes.
enum class Counted : uint8_t { kBytes, kPacket };

// Copies pieces and sends them on the loop of conn. An error leaves nothing behind.
Status post_send(Conn& conn, std::span<const ByteView> pieces, size_t total_bytes,
                 Counted counted) noexcept;
Status post_send_shared(Conn& conn, SharedBuffer& buffer) noexcept;
// The same for a copy of bytes that were reserved already. False: nothing happened.
bool post_reserved(Conn& conn, ByteView bytes, size_t packets) noexcept;

}  // namespace tcpkit
