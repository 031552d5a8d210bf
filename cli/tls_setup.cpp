// Credentials from flags and variables.
#include "tls_setup.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

namespace tcpkit::cli {
namespace {

ExitStatus refuse_missing_certificate(const TlsArguments& arguments) {
  const std::vector<OptionText>& given =
      arguments.options.empty() ? arguments.program_options : arguments.options;
  print_error(given.front().origin +
              " asks for TLS, which needs a certificate: give --tls-cert FILE, or "
              "--tls-self-signed for a throw-away one");
  return kExitUsage;
}

// Files whose change --tls-watch looks for.
std::vector<std::string> files_of(const TlsArguments& arguments) {
  std::vector<std::string> files;
  for (const OptionText& option : arguments.options) {
    if (option.key.ends_with("_file") || option.key == "ca_dir") files.push_back(option.text);
  }
  return files;
}

ExitStatus check_readable(const std::string& path) {
  if (std::ifstream(path).is_open()) return kExitOk;
  print_error(path + ": " + std::strerror(errno));
  return kExitFailure;
}

}  // namespace

ExitStatus TlsSetup::load(const TlsArguments& arguments) {
  if (arguments.options.empty() && arguments.program_options.empty()) return kExitOk;
  const auto is_certificate = [](const OptionText& option) {
    return option.key == "cert_file" || option.key == "self_signed";
  };
  if (std::none_of(arguments.options.begin(), arguments.options.end(), is_certificate)) {
    return refuse_missing_certificate(arguments);
  }
  return load_for_client(arguments);
}

ExitStatus TlsSetup::load_for_client(const TlsArguments& arguments) {
  const ExitStatus refused = take_program_options(arguments);
  return refused != kExitOk ? refused : create(arguments);
}

ExitStatus TlsSetup::take_program_options(const TlsArguments& arguments) {
  bool watches = false;
  for (const OptionText& option : arguments.program_options) {
    if (option.key == kPassphraseFileKey) {
      passphrase_file_ = option.text;
    } else if (option.key == kKeyLogKey) {
      key_log_ = std::make_unique<KeyLog>(option.text, console_);
    } else if (option.text == "on" || option.text == "off") {
      watches = option.text == "on";
    } else {
      print_error(option.origin + ": \"" + option.text + "\" is not on or off");
      return kExitUsage;
    }
  }
  ExitStatus status = kExitOk;
  if (!passphrase_file_.empty()) status = check_readable(passphrase_file_);
  if (status == kExitOk && key_log_) status = key_log_->open();
  if (watches) watch_.emplace(files_of(arguments), console_);
  return status;
}

ExitStatus TlsSetup::create(const TlsArguments& arguments) {
  tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
  for (const OptionText& option : arguments.options) {
    const tcpkit_status status =
        tcpkit_tls_options_set(&options, option.key.c_str(), option.text.c_str());
    if (status != TCPKIT_OK) return report_failure(option.origin + ": ", status);
  }
  options.user_data = this;
  if (!passphrase_file_.empty()) options.passphrase = write_passphrase;
  if (key_log_) {
    options.on_key_log = [](const char* line, void* setup) {
      static_cast<TlsSetup*>(setup)->key_log_->append(line);
    };
  }
  tcpkit_tls* created = nullptr;
  const tcpkit_status status = tcpkit_tls_create(&options, &created);
  if (status != TCPKIT_OK) return report_failure("", status);
  tls_.reset(created);
  return kExitOk;
}

// Reads the file each time, because the passphrase of the next key may be another one.
size_t TlsSetup::write_passphrase(const char*, char* buffer, size_t buffer_size, void* setup) {
  std::ifstream file(static_cast<TlsSetup*>(setup)->passphrase_file_);
  std::string line;
  std::getline(file, line);
  if (line.ends_with('\r')) line.pop_back();
  line.copy(buffer, buffer_size);
  return line.size();
}

void TlsSetup::start_watching(tcpkit_loop* loop) {
  if (watch_) watch_->start(tls_.get(), loop);
}

}  // namespace tcpkit::cli
