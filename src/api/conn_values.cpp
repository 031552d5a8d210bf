// tcpkit_reader_over_conn and tcpkit_writer_over_conn: typed values straight from and to a detached
// connection. It reads ahead, so the single bytes of a VarInt are no system calls.
#include "api/guard.h"
#include "codec/reader.h"
#include "codec/writer.h"

using namespace tcpkit;

namespace {

tcpkit_status read_conn(void* buffer, size_t buffer_size, size_t* out_size, void* conn) {
  return tcpkit_conn_read(static_cast<tcpkit_conn*>(conn), buffer, buffer_size, out_size);
}

tcpkit_status write_conn(const void* data, size_t data_size, void* conn) {
  return tcpkit_conn_write(static_cast<tcpkit_conn*>(conn), data, data_size);
}

}  // namespace

tcpkit_reader tcpkit_reader_over_conn(tcpkit_conn* conn) {
  tcpkit_reader reader = tcpkit_reader_over_stream(read_conn, conn);
  if (conn == nullptr) keep_failure(&reader, check_not_null(conn, "conn"));
  return reader;
}

tcpkit_writer tcpkit_writer_over_conn(tcpkit_conn* conn) {
  tcpkit_writer writer = tcpkit_writer_over_stream(write_conn, conn);
  if (conn == nullptr) keep_failure(&writer, check_not_null(conn, "conn"));
  return writer;
}
