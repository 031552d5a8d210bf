// `tcpkit connect`: this thread reads stdin and sends, the thread of the client writes stdout. What
// one has to know of the other is in a Session.
#include "connect.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cinttypes>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <string_view>

#include "tls_setup.h"

namespace tcpkit::cli {
namespace {

struct ClientDeleter {
  void operator()(tcpkit_client* client) const { tcpkit_client_free(client); }
};
using ClientPtr = std::unique_ptr<tcpkit_client, ClientDeleter>;

struct ConnDeleter {
  void operator()(tcpkit_conn* conn) const { tcpkit_conn_release(conn); }
};
using ConnPtr = std::unique_ptr<tcpkit_conn, ConnDeleter>;

// Any thread.
class Session {
 public:
  Session(bool frames, bool reconnects, Verbosity verbosity)
      : frames_(frames),
        reconnects_(reconnects),
        verbosity_(verbosity),
        wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { close(wake_); }

  bool frames() const { return frames_; }
  int wake_fd() const { return wake_; }

  void opened(tcpkit_conn* conn) {
    print_opened(conn);
    const std::lock_guard lock(mutex_);
    conn_.reset(tcpkit_conn_retain(conn));
    changed_.notify_all();
  }
  void writable() {
    const std::lock_guard lock(mutex_);
    waits_for_room_ = false;
    changed_.notify_all();
  }
  void closed(const tcpkit_close_info& info) {
    const std::lock_guard lock(mutex_);
    conn_.reset();
    waits_for_room_ = false;
    const bool orderly = info.status == TCPKIT_OK;
    if (!orderly) {
      print_error(std::string("the connection ended: ") + tcpkit_close_reason_name(info.reason) +
                  ": " + (info.detail[0] != '\0' ? info.detail : tcpkit_status_text(info.status)));
    }
    if (!reconnects_ || input_ended_) finish_locked(orderly ? kExitOk : kExitFailure);
    changed_.notify_all();
  }
  void failed(const tcpkit_connect_info& info) {
    if (info.retry_in_ms == TCPKIT_UNLIMITED) {
      print_error(info.message);
      return finish(kExitFailure);
    }
    if (verbosity_ == Verbosity::kQuiet) return;
    std::fprintf(stderr, "tcpkit: %s; next attempt in %" PRIu64 " ms\n", info.message,
                 info.retry_in_ms);
  }
  void finish(ExitStatus status) {
    const std::lock_guard lock(mutex_);
    finish_locked(status);
  }
  void write_out(const uint8_t* data, size_t size) {
    while (size > 0) {
      const ssize_t written = write(STDOUT_FILENO, data, size);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return finish(kExitFailure);
      data += written;
      size -= static_cast<size_t>(written);
    }
  }

  // The open connection, waited for; null once all is over.
  ConnPtr await_conn() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return finished_ || (conn_ != nullptr && !waits_for_room_); });
    return finished_ ? nullptr : ConnPtr(tcpkit_conn_retain(conn_.get()));
  }
  // Sends in what follows wait until there is room.
  void expect_room(tcpkit_conn* conn) {
    const std::lock_guard lock(mutex_);
    waits_for_room_ = conn_.get() == conn && tcpkit_conn_queued_bytes(conn) > 0;
  }
  bool finished() const {
    const std::lock_guard lock(mutex_);
    return finished_;
  }
  void input_ended() {
    const std::lock_guard lock(mutex_);
    input_ended_ = true;
  }
  ExitStatus await_end() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return finished_; });
    return status_;
  }

 private:
  void finish_locked(ExitStatus status) {
    if (finished_) return;
    finished_ = true;
    status_ = status;
    const uint64_t one = 1;
    (void)!write(wake_, &one, sizeof one);
    changed_.notify_all();
  }
  void print_opened(tcpkit_conn* conn) const {
    if (verbosity_ == Verbosity::kQuiet) return;
    std::array<char, 128> peer{};
    tcpkit_conn_remote_address(conn, peer.data(), peer.size());
    std::string line = std::string("connected to ") + peer.data();
    tcpkit_tls_info info = TCPKIT_TLS_INFO_INIT;
    if (tcpkit_conn_tls_info(conn, &info) == TCPKIT_OK) {
      line += info.version == TCPKIT_TLS_1_3 ? ", TLS 1.3, " : ", TLS 1.2, ";
      line += info.cipher;
      if (info.alpn[0] != '\0') line += std::string(", ALPN ") + info.alpn;
      if (info.resumed != 0) line += ", resumed";
    }
    std::fprintf(stderr, "%s\n", line.c_str());
  }

  const bool frames_;
  const bool reconnects_;
  const Verbosity verbosity_;
  const int wake_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  ConnPtr conn_;
  bool waits_for_room_ = false;
  bool input_ended_ = false;
  bool finished_ = false;
  ExitStatus status_ = kExitOk;
};

Session& session_of(void* user_data) {
  return *static_cast<Session*>(user_data);
}

tcpkit_handlers handlers_for(Session& session) {
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.user_data = &session;
  handlers.on_open = [](tcpkit_conn* conn, void* data) { session_of(data).opened(conn); };
  handlers.on_writable = [](tcpkit_conn*, void* data) { session_of(data).writable(); };
  handlers.on_data = [](tcpkit_conn*, const uint8_t* bytes, size_t size, void* data) {
    session_of(data).write_out(bytes, size);
  };
  handlers.on_packet = [](tcpkit_conn*, const uint8_t* bytes, size_t size, void* data) {
    std::string line(reinterpret_cast<const char*>(bytes), size);
    line.push_back('\n');
    session_of(data).write_out(reinterpret_cast<const uint8_t*>(line.data()), line.size());
  };
  handlers.on_close = [](tcpkit_conn*, const tcpkit_close_info* info, void* data) {
    session_of(data).closed(*info);
  };
  handlers.on_connect_failed = [](tcpkit_client*, const tcpkit_connect_info* info, void* data) {
    session_of(data).failed(*info);
  };
  handlers.on_reconnect = handlers.on_connect_failed;
  handlers.on_log = [](tcpkit_log_level, const char* message, void*) { print_error(message); };
  return handlers;
}

// False: nothing more can be sent.
bool send(Session& session, std::string_view bytes) {
  const ConnPtr conn = session.await_conn();
  if (conn == nullptr) return false;
  const tcpkit_status status = session.frames()
                                   ? tcpkit_conn_send_packet(conn.get(), bytes.data(), bytes.size())
                                   : tcpkit_conn_send(conn.get(), bytes.data(), bytes.size());
  if (status == TCPKIT_OK_ABOVE_HIGH) session.expect_room(conn.get());
  if (status >= 0 || status == TCPKIT_E_CLOSED) return true;
  print_error(tcpkit_last_error_message());
  session.finish(kExitFailure);
  return false;
}

// Sends the lines of text that are whole and leaves the rest.
bool send_lines(Session& session, std::string& text) {
  size_t begin = 0;
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    if (!send(session, std::string_view(text).substr(begin, end - begin))) return false;
    begin = end + 1;
  }
  text.erase(0, begin);
  return true;
}

// What comes next on stdin; false at its end, or once all is over.
bool read_input(const Session& session, std::string& text) {
  pollfd entries[] = {{STDIN_FILENO, POLLIN, 0}, {session.wake_fd(), POLLIN, 0}};
  while (poll(entries, 2, -1) < 0 && errno == EINTR) {
  }
  if (session.finished()) return false;
  std::array<char, 64 << 10> chunk;
  ssize_t taken = 0;
  do {
    taken = read(STDIN_FILENO, chunk.data(), chunk.size());
  } while (taken < 0 && errno == EINTR);
  if (taken <= 0) return false;
  text.append(chunk.data(), static_cast<size_t>(taken));
  return true;
}

// Until the end of stdin, which ends our stream.
void carry_input(Session& session) {
  std::string text;
  while (read_input(session, text)) {
    if (session.frames()) {
      if (!send_lines(session, text)) return;
    } else {
      if (!send(session, text)) return;
      text.clear();
    }
  }
  if (session.frames() && !text.empty() && !send(session, text)) return;
  session.input_ended();
  const ConnPtr conn = session.await_conn();
  if (conn != nullptr) (void)tcpkit_conn_shutdown(conn.get());
}

ExitStatus set_options(const ConnectArguments& arguments, tcpkit_client_options& options) {
  for (const OptionText& option : arguments.options) {
    const tcpkit_status status =
        tcpkit_client_options_set(&options, option.key.c_str(), option.text.c_str());
    if (status != TCPKIT_OK) return report_failure(option.origin + ": ", status);
  }
  return kExitOk;
}

}  // namespace

ExitStatus connect(const ConnectArguments& arguments) {
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  if (const ExitStatus refused = set_options(arguments, options); refused != kExitOk) {
    return refused;
  }
  Console console(arguments.verbosity);
  TlsSetup tls(console);
  if (arguments.uses_tls) {
    if (const ExitStatus refused = tls.load_for_client(arguments.tls); refused != kExitOk) {
      return refused;
    }
    options.tls = tls.credentials();
  }
  Session session(options.framing.kind != TCPKIT_FRAMING_NONE, options.reconnect == TCPKIT_ON,
                  arguments.verbosity);
  const tcpkit_handlers handlers = handlers_for(session);
  tcpkit_client* created = nullptr;
  if (const tcpkit_status status = tcpkit_client_create(&options, &handlers, &created)) {
    return report_failure("", status);
  }
  const ClientPtr client(created);
  if (const tcpkit_status status = tcpkit_client_connect(created, arguments.address.c_str())) {
    return report_failure("", status);
  }
  if (session.await_conn() != nullptr) carry_input(session);
  return session.await_end();
}

}  // namespace tcpkit::cli
