// How a test and the processes that hold its clients talk: each may not have descriptors enough for
// both ends of thousands of connections.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <string_view>

namespace testkit {

// A byte each way between the test and a child.
class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_, O_CLOEXEC) != 0) ADD_FAILURE() << "no pipe";
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close(ends_[0]);
    close(ends_[1]);
  }
  void write_bytes(std::string_view bytes) const {
    ASSERT_EQ(static_cast<ssize_t>(bytes.size()), write(ends_[1], bytes.data(), bytes.size()));
  }
  std::string read_bytes(size_t most) const {
    std::string bytes(most, '\0');
    const ssize_t size = read(ends_[0], bytes.data(), most);
    bytes.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return bytes;
  }

 private:
  int ends_[2] = {-1, -1};
};

}  // namespace testkit
