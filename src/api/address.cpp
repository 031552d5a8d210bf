// tcpkit_address_*.
#include "loop/address.h"
#include "api/guard.h"
#include "api/text_out.h"

using namespace tcpkit;

void tcpkit_address_init(tcpkit_address* address) {
  if (address != nullptr) *address = TCPKIT_ADDRESS_INIT;
}

tcpkit_status tcpkit_address_parse(const char* text, tcpkit_address* out_address) {
  if (text == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "text is NULL");
  tcpkit_address parsed = TCPKIT_ADDRESS_INIT;
  Status status = copy_struct(out_address, parsed, "out_address");
  if (status != TCPKIT_OK) return status;
  status = parse_address(text, parsed);
  if (status == TCPKIT_OK) fill_struct(*out_address, parsed);
  return status;
}

size_t tcpkit_address_format(const tcpkit_address* address, char* buffer, size_t buffer_size) {
  size_t length = 0;
  (void)guarded([&] {
    tcpkit_address copy = TCPKIT_ADDRESS_INIT;
    const Status status = copy_struct(address, copy, "address");
    length = write_text(status == TCPKIT_OK ? format_address(copy) : "", buffer, buffer_size);
    return status;
  });
  return length;
}
