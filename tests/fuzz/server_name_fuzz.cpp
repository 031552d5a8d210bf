// The server_name extension of a client hello: whatever comes, the answer is a name that is in
// there, not too long, and text.
#include <cstdlib>
#include <string>

#include "tls/client_hello.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string name = tcpkit::parse_server_name({data, size});
  if (name.size() > 255 || name.find('\0') != std::string::npos) std::abort();
  const std::string whole(reinterpret_cast<const char*>(data), size);
  if (whole.find(name) == std::string::npos) std::abort();
  return 0;
}
