// PEM texts from files and memory, cut into their blocks, each with the line where it begins, so
// that whatever is wrong with one can be told by its place.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tcpkit {

// Text that may hold a key: wiped when it is done with.
class SecretText {
 public:
  SecretText() = default;
  explicit SecretText(std::string_view text) : text_(text) {}
  SecretText(const SecretText& other) = default;
  SecretText& operator=(SecretText other) noexcept {
    text_.swap(other.text_);
    return *this;
  }
  ~SecretText();

  std::string_view view() const noexcept { return text_; }
  // Makes room for size bytes without leaving copies behind.
  char* reset(size_t size);
  void cut(size_t size) { text_.resize(size); }

 private:
  std::string text_;
};

// Where a text comes from: a file, or memory.
struct TextSource {
  std::string field;  // "key_file": how messages call it
  std::string file;   // "": memory
  SecretText memory;

  bool is_given() const noexcept { return !file.empty() || !memory.view().empty(); }
  // "key_file \"a.pem\"", or "key_pem".
  std::string where() const;
};

// Reads a whole file; a failure names it and tells why.
Status read_file(const std::string& where, const std::string& file, SecretText& text);

// The text of a source; an empty one is a failure.
Status read_source(const TextSource& source, SecretText& text);

struct PemBlock {
  std::string_view label;  // "CERTIFICATE"
  std::string_view text;   // with its BEGIN and END
  size_t line;             // of its BEGIN, from 1

  bool is_certificate() const noexcept;
  bool is_private_key() const noexcept { return label.ends_with("PRIVATE KEY"); }
};

// Cuts text into blocks, which point into it; text between them is no matter. A block without its
// end is a failure that names its line.
Status split_pem(const std::string& where, std::string_view text, std::vector<PemBlock>& blocks);

}  // namespace tcpkit
