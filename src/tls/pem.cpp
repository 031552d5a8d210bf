// Reading of files and cutting of PEM; what is in the blocks is read elsewhere.
#include "tls/pem.h"

#include <openssl/crypto.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace tcpkit {
namespace {

// Bundles of authorities have some hundred KiB; what has more is no PEM file.
constexpr size_t kMaxFileBytes = size_t{16} << 20;
constexpr size_t kReadBytes = size_t{64} << 10;

struct FileClose {
  void operator()(std::FILE* file) const noexcept { (void)std::fclose(file); }
};

Status fail_file(const std::string& where, int error_number) {
  char buffer[128];
  const char* cause = strerror_r(error_number, buffer, sizeof buffer);
  return fail(TCPKIT_E_TLS_CREDENTIALS, "%s cannot be read: %s", where.c_str(), cause);
}

// The next line without its end; text loses it.
std::string_view take_line(std::string_view& text) noexcept {
  const size_t length = text.find('\n');
  std::string_view line = text.substr(0, length);
  text.remove_prefix(length == std::string_view::npos ? text.size() : length + 1);
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) {
    line.remove_suffix(1);
  }
  return line;
}

// "-----BEGIN X-----" gives "X" for the prefix "-----BEGIN "; "" if it is another line.
std::string_view label_in(std::string_view line, std::string_view prefix) noexcept {
  constexpr std::string_view kDashes = "-----";
  const bool is_marker = line.starts_with(prefix) && line.ends_with(kDashes) &&
                         line.size() > prefix.size() + kDashes.size();
  if (!is_marker) return {};
  line.remove_prefix(prefix.size());
  line.remove_suffix(kDashes.size());
  return line;
}

Status fail_open_block(const std::string& where, const PemBlock& block) {
  return fail(TCPKIT_E_TLS_CREDENTIALS,
              "%s: line %zu: the PEM block that begins here, %.*s, has no end", where.c_str(),
              block.line, static_cast<int>(block.label.size()), block.label.data());
}

}  // namespace

SecretText::~SecretText() {
  OPENSSL_cleanse(text_.data(), text_.size());
}

char* SecretText::reset(size_t size) {
  OPENSSL_cleanse(text_.data(), text_.size());
  std::string(size, '\0').swap(text_);
  return text_.data();
}

std::string TextSource::where() const {
  return file.empty() ? field : field + " \"" + file + "\"";
}

Status read_file(const std::string& where, const std::string& file, SecretText& text) {
  const std::unique_ptr<std::FILE, FileClose> stream(std::fopen(file.c_str(), "rbe"));
  if (!stream) return fail_file(where, errno);
  SecretText piece;
  char* buffer = piece.reset(kReadBytes);
  // A buffer of stdio would keep a copy of the key.
  (void)std::setvbuf(stream.get(), nullptr, _IONBF, 0);
  size_t size = 0;
  for (;;) {
    errno = 0;
    const size_t count = std::fread(buffer, 1, kReadBytes, stream.get());
    if (count > 0) {
      const SecretText before(text.view());
      char* whole = text.reset(size + count);
      if (size > 0) std::memcpy(whole, before.view().data(), size);
      std::memcpy(whole + size, buffer, count);
      size += count;
    }
    if (count < kReadBytes) break;
    if (size > kMaxFileBytes) {
      return fail(TCPKIT_E_TLS_CREDENTIALS, "%s has more than %zu bytes", where.c_str(),
                  kMaxFileBytes);
    }
  }
  return std::ferror(stream.get()) != 0 ? fail_file(where, errno) : TCPKIT_OK;
}

Status read_source(const TextSource& source, SecretText& text) {
  if (source.file.empty()) {
    const std::string_view memory = source.memory.view();
    std::memcpy(text.reset(memory.size()), memory.data(), memory.size());
  } else {
    const Status status = read_file(source.where(), source.file, text);
    if (status != TCPKIT_OK) return status;
  }
  if (text.view().find_first_not_of(" \t\r\n") != std::string_view::npos) return TCPKIT_OK;
  return fail(TCPKIT_E_TLS_CREDENTIALS, "%s is empty", source.where().c_str());
}

bool PemBlock::is_certificate() const noexcept {
  return label == "CERTIFICATE" || label == "X509 CERTIFICATE" || label == "TRUSTED CERTIFICATE";
}

Status split_pem(const std::string& where, std::string_view text, std::vector<PemBlock>& blocks) {
  std::string_view rest = text;
  PemBlock open{};
  size_t begin = 0;
  for (size_t line = 1; !rest.empty(); ++line) {
    const size_t line_begin = text.size() - rest.size();
    const std::string_view content = take_line(rest);
    const std::string_view began = label_in(content, "-----BEGIN ");
    if (!began.empty()) {
      if (!open.label.empty()) return fail_open_block(where, open);
      open = {began, {}, line};
      begin = line_begin;
      continue;
    }
    const std::string_view ended = label_in(content, "-----END ");
    if (ended.empty()) continue;
    if (open.label.empty()) {
      return fail(TCPKIT_E_TLS_CREDENTIALS, "%s: line %zu: END of a PEM block without its BEGIN",
                  where.c_str(), line);
    }
    if (ended != open.label) return fail_open_block(where, open);
    open.text = text.substr(begin, text.size() - rest.size() - begin);
    blocks.push_back(open);
    open = {};
  }
  return open.label.empty() ? TCPKIT_OK : fail_open_block(where, open);
}

}  // namespace tcpkit
