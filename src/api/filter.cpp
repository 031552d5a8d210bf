// tcpkit_filter_*, and tcpkit_conn_add_filter.
#include "api/guard.h"
#include "conn/conn.h"
#include "conn/conn_host.h"
#include "filters/filter_chain.h"

using namespace tcpkit;

void tcpkit_filter_init(tcpkit_filter* filter) {
  if (filter != nullptr) *filter = TCPKIT_FILTER_INIT;
}

tcpkit_status tcpkit_filter_write(tcpkit_filter_output* output, const void* data,
                                  size_t data_size) {
  if (output == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "output is NULL");
  if (data == nullptr && data_size > 0) return fail(TCPKIT_E_INVALID_ARGUMENT, "data is NULL");
  const ByteView bytes(static_cast<const uint8_t*>(data), data_size);
  const Status status = output->chain.pass(output->direction, output->next, bytes);
  if (status == TCPKIT_E_LIMIT) {
    return fail(status, "a filter made more than %zu bytes in one call",
                output->chain.most_output_bytes());
  }
  return status == TCPKIT_OK ? TCPKIT_OK : fail(status, "a filter failed");
}

tcpkit_status tcpkit_conn_add_filter(tcpkit_conn* conn, const tcpkit_filter* filter) {
  std::unique_ptr<const FilterSpec> spec;
  Status status = FilterSpec::create(filter, "filter", spec);
  if (status != TCPKIT_OK) return status;
  if (conn == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "conn is NULL");
  Conn& target = *Conn::from_handle(conn);
  status = target.host().config().fork_guard.check();
  if (status != TCPKIT_OK) return status;
  if (!target.host().loop().is_home()) {
    return fail(TCPKIT_E_WRONG_THREAD, "conn: its filters belong to its loop thread");
  }
  return target.add_filter(std::move(spec));
}
