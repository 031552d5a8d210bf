// tcpkit for C++17 and later: the C interface of tcpkit.h with owners, callables and exceptions.
//
// Everything here is a thin skin: each type is one pointer or a plain struct, and what a call means,
// on which threads it may be made and how long things live is said in tcpkit.h. Rules of its own:
//  - Owners (Server, Client, Loop, Framer, Conn, Group, Buffer, Writer, Tls) free or release in their
//    destructor. ConnRef, LoopRef, ServerRef, ClientRef, Bytes and Reader borrow: they are valid as
//    long as tcpkit.h says for the pointer in them.
//  - Set-up throws tcpkit::Error. What is called while bytes flow returns a tcpkit::Status.
//  - A callable is moved to the heap, called through its C callback and destroyed once. Loops call
//    the handlers of a server at the same time, each for its own connections: what they share needs
//    its own protection.
//  - An exception that leaves a handler closes its connection with TCPKIT_CLOSE_CALLBACK.
//
// The names live in an inline namespace of their own, so that they never meet the library's own
// classes of the same names when the static library is linked.
#ifndef TCPKIT_HPP
#define TCPKIT_HPP

#include "tcpkit.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__has_include) && __cplusplus >= 202002L
#if __has_include(<span>)
#include <span>
#endif
#if __has_include(<coroutine>) && defined(__cpp_impl_coroutine)
#include <cassert>
#include <coroutine>
#define TCPKIT_HPP_COROUTINES 1  // CoConn, Task, on_connection and dial are there
#endif
#endif

namespace tcpkit {
inline namespace wrapper {

// ---- Version -----------------------------------------------------------------------------------

// Version of the library that is loaded; TCPKIT_VERSION_NUMBER and _TEXT are those of the header.
inline std::uint32_t version_number() noexcept {
  return tcpkit_version_number();
}
inline const char *version_text() noexcept {
  return tcpkit_version_text();
}

// ---- Status and Error --------------------------------------------------------------------------

// Outcome of a call. The class itself is not [[nodiscard]], its functions are, one by one: those
// whose failure nobody would otherwise hear of. The sends, flush, pause, resume, shutdown, close
// and abort may be called without a look at their status, because they fail when the connection
// has ended, and on_close tells that. Look at it where a packet may not fit the framing, or where
// the peer may not keep up: above_high() and TCPKIT_E_QUEUE_FULL tell that.
class Status {
 public:
  constexpr Status(tcpkit_status code = TCPKIT_OK) noexcept : code_(code) {}

  // True for TCPKIT_OK and TCPKIT_OK_ABOVE_HIGH.
  [[nodiscard]] constexpr bool ok() const noexcept { return code_ >= TCPKIT_OK; }
  // The send succeeded, and much is queued: send no more until on_writable comes.
  [[nodiscard]] constexpr bool above_high() const noexcept { return code_ == TCPKIT_OK_ABOVE_HIGH; }
  [[nodiscard]] constexpr tcpkit_status code() const noexcept { return code_; }
  [[nodiscard]] const char *name() const noexcept { return tcpkit_status_name(code_); }
  [[nodiscard]] const char *text() const noexcept { return tcpkit_status_text(code_); }
  [[nodiscard]] tcpkit_status_class status_class() const noexcept {
    return tcpkit_status_class_of(code_);
  }
  // Throws Error unless ok().
  inline void or_throw() const;

  friend constexpr bool operator==(Status a, Status b) noexcept { return a.code_ == b.code_; }
  friend constexpr bool operator!=(Status a, Status b) noexcept { return a.code_ != b.code_; }

 private:
  tcpkit_status code_;
};

namespace detail {

inline std::error_condition condition_of(int status) noexcept {
  switch (status) {
    case TCPKIT_E_INVALID_ARGUMENT:
      return std::errc::invalid_argument;
    case TCPKIT_E_NOT_SUPPORTED:
      return std::errc::not_supported;
    case TCPKIT_E_NO_MEMORY:
      return std::errc::not_enough_memory;
    case TCPKIT_E_TOO_MANY_FILES:
      return std::errc::too_many_files_open;
    case TCPKIT_E_QUEUE_FULL:
      return std::errc::no_buffer_space;
    case TCPKIT_E_ADDRESS_IN_USE:
      return std::errc::address_in_use;
    case TCPKIT_E_ADDRESS_NOT_AVAILABLE:
      return std::errc::address_not_available;
    case TCPKIT_E_PERMISSION:
      return std::errc::permission_denied;
    case TCPKIT_E_NO_SUCH_FILE:
      return std::errc::no_such_file_or_directory;
    case TCPKIT_E_RESET:
      return std::errc::connection_reset;
    case TCPKIT_E_TIMED_OUT:
      return std::errc::timed_out;
    case TCPKIT_E_UNREACHABLE:
      return std::errc::host_unreachable;
    default:
      return {};
  }
}

class Category final : public std::error_category {
 public:
  const char *name() const noexcept override { return "tcpkit"; }
  std::string message(int status) const override { return tcpkit_status_text(status); }
  std::error_condition default_error_condition(int status) const noexcept override {
    const std::error_condition condition = condition_of(status);
    return condition.value() != 0 ? condition : std::error_condition(status, *this);
  }
};

}  // namespace detail

// Category of statuses. They compare equal to std::errc where there is a counterpart:
// error.code() == std::errc::address_in_use.
inline const std::error_category &category() noexcept {
  static const detail::Category instance;
  return instance;
}

inline std::error_code make_error_code(Status status) noexcept {
  return {status.code(), category()};
}

// What set-up throws. what() is the message of tcpkit_last_error_message, which names the argument,
// address or cause.
class Error : public std::system_error {
 public:
  // From the call that just failed on this thread.
  explicit Error(Status status) : Error(status, message_of(status)) {
    if (tcpkit_last_error_status() == status.code()) sys_errno_ = tcpkit_last_error_errno();
  }
  Error(Status status, std::string message)
      : std::system_error(make_error_code(status)),
        message_(std::make_shared<const std::string>(std::move(message))) {}

  const char *what() const noexcept override { return message_->c_str(); }
  [[nodiscard]] Status status() const noexcept { return code().value(); }
  // errno behind the failure; 0 if the system was not the cause.
  [[nodiscard]] int sys_errno() const noexcept { return sys_errno_; }

 private:
  static std::string message_of(Status status) {
    if (tcpkit_last_error_status() != status.code()) return status.text();
    const char *message = tcpkit_last_error_message();
    return *message != '\0' ? message : status.text();
  }

  std::shared_ptr<const std::string> message_;  // shared: copying an exception must not throw
  int sys_errno_ = 0;
};

inline void Status::or_throw() const {
  if (!ok()) throw Error(*this);
}

// ---- Bytes -------------------------------------------------------------------------------------

namespace detail {

template <class T, class = void>
struct IsByteRange : std::false_type {};
template <class T>
struct IsByteRange<T, std::void_t<decltype(std::declval<const T &>().data()),
                                  decltype(std::declval<const T &>().size())>>
    : std::bool_constant<sizeof(*std::declval<const T &>().data()) == 1> {};

}  // namespace detail

// Borrowed bytes. Made from whatever has data() and size() of one-byte elements (string,
// string_view, vector, array, span), from a NUL-terminated text, or from pointer and size.
class Bytes {
 public:
  constexpr Bytes() noexcept : slice_{nullptr, 0} {}
  constexpr Bytes(const void *data, std::size_t size) noexcept : slice_{data, size} {}
  Bytes(const char *text) noexcept : slice_{text, std::strlen(text)} {}
  constexpr Bytes(tcpkit_slice slice) noexcept : slice_(slice) {}
  template <class Range, class = std::enable_if_t<detail::IsByteRange<Range>::value &&
                                                  !std::is_same_v<Range, Bytes>>>
  constexpr Bytes(const Range &range) noexcept : slice_{range.data(), range.size()} {}

  [[nodiscard]] const std::uint8_t *data() const noexcept {
    return static_cast<const std::uint8_t *>(slice_.data);
  }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return slice_.size; }
  [[nodiscard]] constexpr bool empty() const noexcept { return slice_.size == 0; }
  [[nodiscard]] const std::uint8_t *begin() const noexcept { return data(); }
  [[nodiscard]] const std::uint8_t *end() const noexcept { return data() + size(); }
  [[nodiscard]] std::uint8_t operator[](std::size_t index) const noexcept { return data()[index]; }
  // The same bytes as characters.
  [[nodiscard]] std::string_view text() const noexcept {
    return {static_cast<const char *>(slice_.data), slice_.size};
  }
  [[nodiscard]] constexpr tcpkit_slice slice() const noexcept { return slice_; }

#if defined(__cpp_lib_span)
  operator std::span<const std::uint8_t>() const noexcept {
    return {data(), size()};
  }
  operator std::span<const std::byte>() const noexcept {
    return std::as_bytes(std::span<const std::uint8_t>(data(), size()));
  }
#endif

 private:
  tcpkit_slice slice_;
};
static_assert(sizeof(Bytes) == sizeof(tcpkit_slice), "an array of Bytes is an array of slices");

// ---- Callables, boxed --------------------------------------------------------------------------

namespace detail {

template <class F>
void free_box(void *user_data) noexcept {
  delete static_cast<F *>(user_data);
}

// Moves a callable to the heap: the user_data of a C call, which frees it with free_box.
template <class F>
auto *box(F &&callable) {
  return new std::decay_t<F>(std::forward<F>(callable));
}

// Calls a task with its argument, or without if it takes none.
template <class F, class Argument>
void call_task(void *user_data, Argument argument) {
  F &task = *static_cast<F *>(user_data);
  if constexpr (std::is_invocable_v<F &, Argument>) {
    task(argument);
  } else {
    task();
  }
}

// An owned callable of any type, also one that cannot be copied; one pointer hop per call.
template <class... Arguments>
class Callable {
 public:
  Callable() = default;
  template <class F>
  void set(F &&callable) {
    using Boxed = std::decay_t<F>;
    static_assert(std::is_invocable_v<Boxed &, Arguments...>, "handler has other parameters");
    object_ = {box(std::forward<F>(callable)), free_box<Boxed>};
    call_ = [](void *object, Arguments... arguments) {
      (*static_cast<Boxed *>(object))(arguments...);
    };
  }
  explicit operator bool() const noexcept { return call_ != nullptr; }
  void operator()(Arguments... arguments) const { call_(object_.get(), arguments...); }

 private:
  std::unique_ptr<void, void (*)(void *)> object_{nullptr, nullptr};
  void (*call_)(void *, Arguments...) = nullptr;
};

// Text of a C function that fills (buffer, size) and returns the length of the whole text. The text
// may change between two calls, so the size is asked until it fits.
template <class Fill>
std::string read_text(Fill fill) {
  std::string text(64, '\0');
  for (;;) {
    const std::size_t room = text.size() + 1;  // the NUL has its place after the characters
    const std::size_t length = fill(text.data(), room);
    text.resize(length);
    if (length < room) return text;
  }
}

inline std::uint64_t to_ms(std::chrono::milliseconds time) noexcept {
  return time.count() > 0 ? static_cast<std::uint64_t>(time.count()) : 0;
}

// The same for a limit, where the longest time there is means none.
inline std::uint64_t to_limit_ms(std::chrono::milliseconds time) noexcept {
  return time == std::chrono::milliseconds::max() ? TCPKIT_UNLIMITED : to_ms(time);
}

}  // namespace detail

// ---- Address -----------------------------------------------------------------------------------

// An address taken apart: Address::parse("tcp://[::1]:7000").
class Address {
 public:
  explicit Address(const tcpkit_address &raw) noexcept : raw_(raw) {}
  static Address parse(const std::string &text) {
    tcpkit_address raw = TCPKIT_ADDRESS_INIT;
    Status(tcpkit_address_parse(text.c_str(), &raw)).or_throw();
    return Address(raw);
  }

  [[nodiscard]] tcpkit_network network() const noexcept { return raw_.network; }
  [[nodiscard]] std::string host() const { return raw_.host; }
  [[nodiscard]] std::uint32_t port() const noexcept { return raw_.port; }
  [[nodiscard]] const tcpkit_address &raw() const noexcept { return raw_; }
  // As text that parse takes; "" if the address is not valid.
  [[nodiscard]] std::string text() const {
    return detail::read_text([this](char *buffer, std::size_t buffer_size) {
      return tcpkit_address_format(&raw_, buffer, buffer_size);
    });
  }

 private:
  tcpkit_address raw_;
};

// ---- Framing -----------------------------------------------------------------------------------

using Frame = tcpkit_frame;
using FrameEnvelope = tcpkit_frame_envelope;

namespace detail {

template <class F, class = void>
struct HasEncode : std::false_type {};
template <class F>
struct HasEncode<F, std::void_t<decltype(&F::encode)>> : std::true_type {};

// The C callbacks of a custom framer class. They report exceptions as TCPKIT_E_CALLBACK.
template <class F>
struct CustomFraming {
  static void *create(void *prototype) noexcept try {
    return new F(*static_cast<const F *>(prototype));
  } catch (...) {
    return nullptr;
  }
  static std::int32_t next(void *state, const std::uint8_t *data, std::size_t data_size,
                           tcpkit_frame *out_frame) noexcept try {
    return static_cast<F *>(state)->next(Bytes(data, data_size), *out_frame);
  } catch (...) {
    return TCPKIT_E_CALLBACK;
  }
  static tcpkit_status encode(const void *packet, std::size_t packet_size,
                              tcpkit_frame_envelope *out_envelope, void *prototype) noexcept try {
    const F &framer = *static_cast<const F *>(prototype);
    return Status(framer.encode(Bytes(packet, packet_size), *out_envelope)).code();
  } catch (...) {
    return TCPKIT_E_CALLBACK;
  }
  static constexpr tcpkit_framing_callbacks make_table() {
    tcpkit_framing_callbacks filled = TCPKIT_FRAMING_CALLBACKS_INIT;
    filled.state_create = create;
    filled.state_free = free_box<F>;
    filled.next = next;
    if constexpr (HasEncode<F>::value) filled.encode = encode;
    return filled;
  }
  static constexpr tcpkit_framing_callbacks table = make_table();
};

}  // namespace detail

// How packets are cut out of the stream. The presets are values for ServerOptions::framing.
struct Framing {
  static tcpkit_framing none() noexcept { return TCPKIT_FRAMING_INIT; }
  static tcpkit_framing line() noexcept { return tcpkit_framing_line(); }
  static tcpkit_framing crlf() noexcept { return tcpkit_framing_crlf(); }
  static tcpkit_framing nul() noexcept { return tcpkit_framing_nul(); }
  // separator is borrowed until the framing is given to a Server or Framer.
  static tcpkit_framing separator(Bytes separator) noexcept {
    return tcpkit_framing_separator(separator.data(), separator.size());
  }
  static tcpkit_framing length(std::uint32_t length_size,
                               tcpkit_byte_order byte_order = TCPKIT_BIG_ENDIAN) noexcept {
    return tcpkit_framing_length(length_size, byte_order);
  }
  static tcpkit_framing varint() noexcept { return tcpkit_framing_varint(); }
  static tcpkit_framing varlong() noexcept { return tcpkit_framing_varlong(); }
  static tcpkit_framing fixed(std::size_t size) noexcept { return tcpkit_framing_fixed(size); }
  static tcpkit_framing kafka() noexcept { return tcpkit_framing_kafka(); }
  static tcpkit_framing minecraft() noexcept { return tcpkit_framing_minecraft(); }
  static tcpkit_framing mqtt() noexcept { return tcpkit_framing_mqtt(); }
  // From a text name: "line", "len4be", "fixed:16", ...
  static tcpkit_framing parse(const std::string &text) {
    tcpkit_framing framing = TCPKIT_FRAMING_INIT;
    Status(tcpkit_framing_parse(text.c_str(), &framing)).or_throw();
    return framing;
  }
  // A framer class of your own. Each connection works on a copy of prototype, which is borrowed and
  // must outlive every object that is created with the framing. It has
  //   int32_t next(Bytes data, Frame &out)       a TCPKIT_FRAME_ answer or a negative status
  //   Status encode(Bytes packet, FrameEnvelope &out) const
  // The second may be missing; it is called on prototype, by several threads at a time.
  template <class F>
  static tcpkit_framing custom(F &prototype) noexcept {
    using Plain = std::remove_const_t<F>;
    tcpkit_framing framing = TCPKIT_FRAMING_INIT;
    framing.kind = TCPKIT_FRAMING_CUSTOM;
    framing.callbacks = &detail::CustomFraming<Plain>::table;
    framing.user_data = const_cast<Plain *>(&prototype);
    return framing;
  }
};

// Settings of a Framer; zero means the default.
struct FramerOptions {
  tcpkit_framing framing = TCPKIT_FRAMING_INIT;
  std::size_t max_packet_size = 0;
  tcpkit_oversize oversize = 0;
  tcpkit_switch deliver_tail = 0;
};

// Cuts and encodes without a connection.
class Framer {
 public:
  explicit Framer(const FramerOptions &options) {
    tcpkit_framer_options raw = TCPKIT_FRAMER_OPTIONS_INIT;
    raw.oversize = options.oversize;
    raw.max_packet_size = options.max_packet_size;
    raw.deliver_tail = options.deliver_tail;
    raw.framing = options.framing;
    tcpkit_framer *framer = nullptr;
    Status(tcpkit_framer_create(&raw, &framer)).or_throw();
    framer_.reset(framer);
  }

  // Adds received bytes; they are copied.
  [[nodiscard]] Status push(Bytes data) noexcept {
    return tcpkit_framer_push(get(), data.data(), data.size());
  }
  // Takes the next packet; none: more bytes are needed. It is borrowed until the next call.
  [[nodiscard]] Status next(std::optional<Bytes> &out_packet) noexcept {
    return take(tcpkit_framer_next, out_packet).status;
  }
  // Takes what is left at the end of the stream: a last packet with deliver_tail, else none.
  // out_size, unless NULL, gets its number of bytes either way.
  [[nodiscard]] Status finish(std::optional<Bytes> &out_tail,
                              std::size_t *out_size = nullptr) noexcept {
    const Taken taken = take(tcpkit_framer_finish, out_tail);
    if (out_size != nullptr) *out_size = taken.size;
    return taken.status;
  }
  // Puts the frame of one packet into out_frame.
  [[nodiscard]] Status encode(Bytes packet, std::vector<std::uint8_t> &out_frame) {
    std::size_t size = 0;
    Status status = encode(packet, nullptr, 0, size);
    if (status != TCPKIT_E_BUFFER_TOO_SMALL) return status;
    out_frame.resize(size);
    return encode(packet, out_frame.data(), size, size);
  }
  [[nodiscard]] Status encode(Bytes packet, void *buffer, std::size_t buffer_size,
                              std::size_t &out_frame_size) noexcept {
    return tcpkit_framer_encode(get(), packet.slice(), buffer, buffer_size, &out_frame_size);
  }
  [[nodiscard]] std::uint64_t discarded() const noexcept { return tcpkit_framer_discarded(get()); }
  [[nodiscard]] tcpkit_framer *get() const noexcept { return framer_.get(); }

 private:
  struct Free {
    void operator()(tcpkit_framer *framer) const noexcept { tcpkit_framer_free(framer); }
  };
  struct Taken {
    Status status;
    std::size_t size;
  };

  template <class Function>
  Taken take(Function function, std::optional<Bytes> &out_packet) noexcept {
    const std::uint8_t *packet = nullptr;
    std::size_t size = 0;
    const Status status = function(get(), &packet, &size);
    out_packet.reset();
    if (status.ok() && packet != nullptr) out_packet.emplace(packet, size);
    return {status, size};
  }

  std::unique_ptr<tcpkit_framer, Free> framer_;
};
static_assert(sizeof(Framer) == sizeof(void *), "an owner is one pointer");

// ---- Filters -----------------------------------------------------------------------------------

// Where a filter puts the bytes that it makes; valid during the call that it is given to.
class FilterOutput {
 public:
  explicit FilterOutput(tcpkit_filter_output *output) noexcept : output_(output) {}
  // Once it has failed the connection is closed, whatever the filter returns.
  Status write(Bytes data) const noexcept {
    return tcpkit_filter_write(output_, data.data(), data.size());
  }

 private:
  tcpkit_filter_output *output_;
};

namespace detail {

// Fills in a callback of a filter class if it has the member function of that name.
#define TCPKIT_FILTER_TRANSFORM(name)                                                            \
  template <class F, class = void>                                                               \
  struct Filter_##name {                                                                         \
    static constexpr void fill(tcpkit_filter &) noexcept {}                                      \
  };                                                                                             \
  template <class F>                                                                             \
  struct Filter_##name<F, std::void_t<decltype(&F::name)>> {                                     \
    static tcpkit_status call(void *state, const std::uint8_t *data, std::size_t data_size,      \
                              tcpkit_filter_output *output) {                                    \
      return Status(static_cast<F *>(state)->name(Bytes(data, data_size), FilterOutput(output))) \
          .code();                                                                               \
    }                                                                                            \
    static constexpr void fill(tcpkit_filter &filter) noexcept { filter.name = call; }           \
  }
#define TCPKIT_FILTER_END(name)                                                        \
  template <class F, class = void>                                                     \
  struct Filter_##name {                                                               \
    static constexpr void fill(tcpkit_filter &) noexcept {}                            \
  };                                                                                   \
  template <class F>                                                                   \
  struct Filter_##name<F, std::void_t<decltype(&F::name)>> {                           \
    static tcpkit_status call(void *state, tcpkit_filter_output *output) {             \
      return Status(static_cast<F *>(state)->name(FilterOutput(output))).code();       \
    }                                                                                  \
    static constexpr void fill(tcpkit_filter &filter) noexcept { filter.name = call; } \
  }
TCPKIT_FILTER_TRANSFORM(decode);
TCPKIT_FILTER_TRANSFORM(encode);
TCPKIT_FILTER_END(decode_end);
TCPKIT_FILTER_END(flush);
TCPKIT_FILTER_END(encode_end);
#undef TCPKIT_FILTER_TRANSFORM
#undef TCPKIT_FILTER_END

}  // namespace detail

// A filter class of your own, for ServerOptions::filters and add_filter. make() gives a unique_ptr to
// a new object for each connection, and is called by several loops at a time. The class has one or
// both of
//   Status decode(Bytes data, FilterOutput output)   received bytes
//   Status encode(Bytes data, FilterOutput output)   sent bytes
// and may have decode_end(FilterOutput), flush(FilterOutput) and encode_end(FilterOutput), as in
// tcpkit_filter. What they throw closes the connection.
class Filter {
 public:
  template <class Make>
  Filter(std::string name, Make make) : name_(std::move(name)) {
    using F = typename std::invoke_result_t<const Make &>::element_type;
    make_ = std::make_shared<const Make>(std::move(make));
    table_.state_create = [](void *user_data) -> void * {
      const void *maker = static_cast<const Pointer *>(user_data)->get();
      return (*static_cast<const Make *>(maker))().release();
    };
    table_.state_free = detail::free_box<F>;
    detail::Filter_decode<F>::fill(table_);
    detail::Filter_encode<F>::fill(table_);
    detail::Filter_decode_end<F>::fill(table_);
    detail::Filter_flush<F>::fill(table_);
    detail::Filter_encode_end<F>::fill(table_);
  }
  // For one call of C that takes a filter, and with it this table's user data; its name is borrowed
  // from this object.
  [[nodiscard]] tcpkit_filter table() const {
    tcpkit_filter made = table_;
    made.name = name_.c_str();
    made.user_data = new Pointer(make_);
    made.user_data_free = detail::free_box<Pointer>;
    return made;
  }

 private:
  using Pointer = std::shared_ptr<const void>;
  std::string name_;
  Pointer make_;
  tcpkit_filter table_ = TCPKIT_FILTER_INIT;
};

// ---- Shared buffer -----------------------------------------------------------------------------

// A reference to bytes that many sends may share. Copies refer to the same bytes.
class Buffer {
 public:
  Buffer() noexcept = default;
  // Holds a copy of data.
  explicit Buffer(Bytes data) {
    Status(tcpkit_buffer_create(data.data(), data.size(), &buffer_)).or_throw();
  }
  Buffer(const Buffer &other) noexcept : buffer_(other.buffer_) {
    if (buffer_ != nullptr) tcpkit_buffer_retain(buffer_);
  }
  Buffer(Buffer &&other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}
  Buffer &operator=(Buffer other) noexcept {
    std::swap(buffer_, other.buffer_);
    return *this;
  }
  ~Buffer() { tcpkit_buffer_release(buffer_); }

  // Holds a container of bytes without copying what is in it: Buffer::hold(std::move(text)). It is
  // destroyed on whichever thread gives the last reference back.
  template <class Container>
  static Buffer hold(Container container) {
    auto *held = new Container(std::move(container));
    Buffer buffer;
    Status(tcpkit_buffer_wrap(Bytes(*held).slice(), held, detail::free_box<Container>,
                              &buffer.buffer_))
        .or_throw();
    return buffer;
  }
  // Takes over a reference that was got from C.
  static Buffer adopt(tcpkit_buffer *buffer) noexcept {
    Buffer adopted;
    adopted.buffer_ = buffer;
    return adopted;
  }

  explicit operator bool() const noexcept { return buffer_ != nullptr; }
  [[nodiscard]] Bytes bytes() const noexcept {
    if (buffer_ == nullptr) return {};
    return {tcpkit_buffer_data(buffer_), tcpkit_buffer_size(buffer_)};
  }
  [[nodiscard]] tcpkit_buffer *get() const noexcept { return buffer_; }

 private:
  tcpkit_buffer *buffer_ = nullptr;
};
static_assert(sizeof(Buffer) == sizeof(void *), "an owner is one pointer");

// ---- Codec -------------------------------------------------------------------------------------

namespace detail {

// A stream from a callable: Status f(void *buffer, std::size_t buffer_size, std::size_t &out_size).
// What it throws, the library reports as TCPKIT_E_CALLBACK.
template <class F>
tcpkit_status read_from(void *buffer, std::size_t buffer_size, std::size_t *out_size,
                        void *user_data) {
  return Status((*static_cast<F *>(user_data))(buffer, buffer_size, *out_size)).code();
}

// The same to write to: Status f(Bytes data).
template <class F>
tcpkit_status write_to(const void *data, std::size_t data_size, void *user_data) {
  return Status((*static_cast<F *>(user_data))(Bytes(data, data_size))).code();
}

using Box = std::unique_ptr<void, void (*)(void *)>;

}  // namespace detail

class ConnRef;

// Reads values from memory or from a stream. Each read returns the value, and zero or nothing once
// a read has failed, so a packet is read in one go and status() is looked at once:
//   tcpkit::Reader in(packet);
//   const std::int32_t id = in.read_var_int();
//   const std::string name = in.read_string(64);
//   if (!in.ok()) return;
class Reader {
 public:
  // Of memory, which is borrowed.
  explicit Reader(Bytes data, tcpkit_byte_order byte_order = TCPKIT_BIG_ENDIAN) noexcept
      : raw_(tcpkit_reader_over_memory(data.data(), data.size())) {
    raw_.byte_order = byte_order;
  }
  // Of a stream: Status read(void *buffer, std::size_t buffer_size, std::size_t &out_size), which
  // gives at least one byte or a failure, TCPKIT_E_END at the end.
  template <class F>
  static Reader of_stream(F &&read, tcpkit_byte_order byte_order = TCPKIT_BIG_ENDIAN) {
    using Boxed = std::decay_t<F>;
    detail::Box box(detail::box(std::forward<F>(read)), detail::free_box<Boxed>);
    Reader reader(Bytes{}, byte_order);
    reader.raw_ = tcpkit_reader_over_stream(detail::read_from<Boxed>, box.get());
    reader.raw_.byte_order = byte_order;
    reader.box_ = std::move(box);
    return reader;
  }
  // Of a detached connection, which is borrowed; the reads wait.
  static inline Reader of_conn(ConnRef conn, tcpkit_byte_order byte_order = TCPKIT_BIG_ENDIAN);

  // The first failure; it stays.
  [[nodiscard]] Status status() const noexcept { return raw_.status; }
  [[nodiscard]] bool ok() const noexcept { return raw_.status == TCPKIT_OK; }
  // Of memory: whether all of it was read.
  [[nodiscard]] bool at_end() const noexcept { return raw_.position == raw_.size; }
  [[nodiscard]] std::size_t position() const noexcept { return raw_.position; }
  void set_byte_order(tcpkit_byte_order byte_order) noexcept { raw_.byte_order = byte_order; }

  bool read_bool() noexcept { return read<std::uint8_t>(tcpkit_read_bool) != 0; }
  std::uint8_t read_byte() noexcept { return read<std::uint8_t>(tcpkit_read_byte); }
  std::int16_t read_int16() noexcept { return read<std::int16_t>(tcpkit_read_int16); }
  std::int32_t read_int32() noexcept { return read<std::int32_t>(tcpkit_read_int32); }
  std::int64_t read_int64() noexcept { return read<std::int64_t>(tcpkit_read_int64); }
  float read_float32() noexcept { return read<float>(tcpkit_read_float32); }
  double read_float64() noexcept { return read<double>(tcpkit_read_float64); }
  std::int32_t read_var_int() noexcept { return read<std::int32_t>(tcpkit_read_var_int); }
  std::int64_t read_var_long() noexcept { return read<std::int64_t>(tcpkit_read_var_long); }

  // Fills buffer, or leaves its content undefined if that fails.
  Status read_bytes(void *buffer, std::size_t size) noexcept {
    return tcpkit_read_bytes(&raw_, buffer, size);
  }
  // A copy of at most max_size bytes; more is TCPKIT_E_PACKET_TOO_BIG.
  std::string read_string(std::size_t max_size) { return read_array<std::string>(max_size); }
  std::vector<std::uint8_t> read_byte_array(std::size_t max_size) {
    return read_array<std::vector<std::uint8_t>>(max_size);
  }

  // Views into the memory, without a copy; a stream has none and answers TCPKIT_E_NOT_SUPPORTED.
  Bytes view_bytes(std::size_t size) noexcept {
    const std::uint8_t *data = nullptr;
    if (tcpkit_read_bytes_view(&raw_, size, &data) != TCPKIT_OK) return {};
    return {data, size};
  }
  Bytes view_byte_array(std::size_t max_size) noexcept {
    tcpkit_slice bytes{nullptr, 0};
    tcpkit_read_byte_array_view(&raw_, max_size, &bytes);
    return bytes;
  }
  std::string_view view_string(std::size_t max_size) noexcept {
    return view_byte_array(max_size).text();
  }

  [[nodiscard]] tcpkit_reader *get() noexcept { return &raw_; }

 private:
  template <class Value>
  Value read(tcpkit_status (*function)(tcpkit_reader *, Value *)) noexcept {
    Value value{};
    function(&raw_, &value);
    return value;
  }

  // The length is known and within max_size before there is room for it.
  template <class Array>
  Array read_array(std::size_t max_size) {
    std::size_t size = 0;
    Array array;
    if (tcpkit_read_length(&raw_, max_size, &size) != TCPKIT_OK) return array;
    array.resize(size);
    if (tcpkit_read_bytes(&raw_, array.data(), size) != TCPKIT_OK) array.clear();
    return array;
  }

  tcpkit_reader raw_;
  detail::Box box_{nullptr, nullptr};
};

// Writes values to memory that grows, to memory of the caller, or to a stream. Writes can be
// chained; a failure stays in status():
//   tcpkit::Writer out;
//   out.write_var_int(7).write_string("name");
//   conn.send_packet(out.bytes());
class Writer {
 public:
  // To memory that grows and is freed with the writer.
  explicit Writer(tcpkit_byte_order byte_order = TCPKIT_BIG_ENDIAN) noexcept {
    raw_.byte_order = byte_order;
  }
  // To memory of the caller.
  Writer(void *buffer, std::size_t buffer_size,
         tcpkit_byte_order byte_order = TCPKIT_BIG_ENDIAN) noexcept
      : raw_(tcpkit_writer_over_memory(buffer, buffer_size)) {
    raw_.byte_order = byte_order;
  }
  // To a stream: Status write(Bytes data), which takes all of data.
  template <class F>
  static Writer to_stream(F &&write, tcpkit_byte_order byte_order = TCPKIT_BIG_ENDIAN) {
    using Boxed = std::decay_t<F>;
    detail::Box box(detail::box(std::forward<F>(write)), detail::free_box<Boxed>);
    Writer writer(byte_order);
    writer.raw_ = tcpkit_writer_over_stream(detail::write_to<Boxed>, box.get());
    writer.raw_.byte_order = byte_order;
    writer.box_ = std::move(box);
    return writer;
  }
  // To a detached connection, which is borrowed; the writes wait.
  static inline Writer to_conn(ConnRef conn, tcpkit_byte_order byte_order = TCPKIT_BIG_ENDIAN);
  Writer(Writer &&other) noexcept
      : raw_(std::exchange(other.raw_, TCPKIT_WRITER_INIT)), box_(std::move(other.box_)) {}
  Writer &operator=(Writer &&other) noexcept {
    std::swap(raw_, other.raw_);
    std::swap(box_, other.box_);
    return *this;
  }
  ~Writer() { tcpkit_writer_free(&raw_); }

  // The first failure; it stays.
  [[nodiscard]] Status status() const noexcept { return raw_.status; }
  [[nodiscard]] bool ok() const noexcept { return raw_.status == TCPKIT_OK; }
  // What was written to memory, valid until the next write.
  [[nodiscard]] Bytes bytes() const noexcept {
    return raw_.write == nullptr ? Bytes(raw_.data, raw_.size) : Bytes();
  }
  [[nodiscard]] std::size_t size() const noexcept { return raw_.size; }
  void set_byte_order(tcpkit_byte_order byte_order) noexcept { raw_.byte_order = byte_order; }
  // Begins again, with the same memory.
  void clear() noexcept {
    raw_.size = 0;
    raw_.status = TCPKIT_OK;
  }
  // Makes a buffer of what was written to memory of the writer, without a copy, and empties it.
  [[nodiscard]] Status take_buffer(Buffer &out_buffer) noexcept {
    tcpkit_buffer *buffer = nullptr;
    const Status status = tcpkit_writer_take_buffer(&raw_, &buffer);
    if (status.ok()) out_buffer = Buffer::adopt(buffer);
    return status;
  }

  Writer &write_bool(bool value) noexcept { return write(tcpkit_write_bool, value ? 1 : 0); }
  Writer &write_byte(std::uint8_t value) noexcept { return write(tcpkit_write_byte, value); }
  Writer &write_int16(std::int16_t value) noexcept { return write(tcpkit_write_int16, value); }
  Writer &write_int32(std::int32_t value) noexcept { return write(tcpkit_write_int32, value); }
  Writer &write_int64(std::int64_t value) noexcept { return write(tcpkit_write_int64, value); }
  Writer &write_float32(float value) noexcept { return write(tcpkit_write_float32, value); }
  Writer &write_float64(double value) noexcept { return write(tcpkit_write_float64, value); }
  Writer &write_var_int(std::int32_t value) noexcept { return write(tcpkit_write_var_int, value); }
  Writer &write_var_long(std::int64_t value) noexcept {
    return write(tcpkit_write_var_long, value);
  }
  Writer &write_bytes(Bytes data) noexcept {
    tcpkit_write_bytes(&raw_, data.data(), data.size());
    return *this;
  }
  Writer &write_byte_array(Bytes data) noexcept {
    tcpkit_write_byte_array(&raw_, data.data(), data.size());
    return *this;
  }
  Writer &write_string(std::string_view text) noexcept { return write_byte_array(text); }

  [[nodiscard]] tcpkit_writer *get() noexcept { return &raw_; }

 private:
  template <class Value>
  Writer &write(tcpkit_status (*function)(tcpkit_writer *, Value), Value value) noexcept {
    function(&raw_, value);
    return *this;
  }

  tcpkit_writer raw_ = TCPKIT_WRITER_INIT;
  detail::Box box_{nullptr, nullptr};
};

// ---- Loop --------------------------------------------------------------------------------------

// A loop of a server, valid as long as the server.
class LoopRef {
 public:
  explicit LoopRef(tcpkit_loop *loop = nullptr) noexcept : loop_(loop) {}

  // Runs task(LoopRef), or task(), on the loop, soon and exactly once.
  template <class F>
  [[nodiscard]] Status post(F &&task) const {
    using Boxed = std::decay_t<F>;
    return tcpkit_loop_post(loop_, run<Boxed>, detail::box(std::forward<F>(task)),
                            detail::free_box<Boxed>);
  }
  // Calls task(LoopRef), or task(), once after delay. The id goes to out_id unless that is NULL.
  template <class F>
  [[nodiscard]] Status start_timer(std::chrono::milliseconds delay, F &&task,
                                   std::uint64_t *out_id = nullptr) const {
    return start({delay, std::chrono::milliseconds(0)}, std::forward<F>(task), out_id);
  }
  // The same, first after interval and then again each interval; 1 ms is the shortest.
  template <class F>
  [[nodiscard]] Status start_repeating_timer(std::chrono::milliseconds interval, F &&task,
                                             std::uint64_t *out_id = nullptr) const {
    const auto repeat = interval.count() > 0 ? interval : std::chrono::milliseconds(1);
    return start({repeat, repeat}, std::forward<F>(task), out_id);
  }
  Status stop_timer(std::uint64_t timer_id) const noexcept {
    return tcpkit_loop_stop_timer(loop_, timer_id);
  }

  [[nodiscard]] bool is_current() const noexcept { return tcpkit_loop_is_current(loop_) != 0; }
  explicit operator bool() const noexcept { return loop_ != nullptr; }
  [[nodiscard]] tcpkit_loop *get() const noexcept { return loop_; }
  friend bool operator==(LoopRef a, LoopRef b) noexcept { return a.loop_ == b.loop_; }
  friend bool operator!=(LoopRef a, LoopRef b) noexcept { return a.loop_ != b.loop_; }

 private:
  struct Times {
    std::chrono::milliseconds delay;
    std::chrono::milliseconds repeat;
  };

  template <class F>
  static void run(tcpkit_loop *loop, void *user_data) {
    detail::call_task<F>(user_data, LoopRef(loop));
  }
  template <class F>
  Status start(Times times, F &&task, std::uint64_t *out_id) const {
    using Boxed = std::decay_t<F>;
    tcpkit_timer_options options = TCPKIT_TIMER_OPTIONS_INIT;
    options.delay_ms = detail::to_ms(times.delay);
    options.repeat_ms = detail::to_ms(times.repeat);
    options.on_timer = run<Boxed>;
    options.user_data = detail::box(std::forward<F>(task));
    options.user_data_free = detail::free_box<Boxed>;
    return tcpkit_loop_start_timer(loop_, &options, out_id);
  }

  tcpkit_loop *loop_;
};

// ---- TLS ---------------------------------------------------------------------------------------

class Tls;
using TlsInfo = tcpkit_tls_info;
using LengthPrefix = tcpkit_length_prefix;

// A certificate chain with its key, as in tcpkit_tls_certificate, where each field is described.
struct Certificate {
  std::string chain_file{};
  std::string key_file{};
  std::string chain_pem{};
  std::string key_pem{};
  std::string ocsp_file{};
  std::string names{};
};

// Credentials and settings of TLS, as in tcpkit_tls_options, where each is described; zero and
// empty mean the default. The callables are copied; they may be called until the last user of the
// Tls is gone: a server, a connection.
struct TlsOptions {
  std::vector<Certificate> certificates{};
  std::string cert_file{};
  std::string key_file{};
  std::string ocsp_file{};
  std::string self_signed{};
  std::string ca_file{};
  std::string ca_dir{};
  std::string ca_pem{};
  tcpkit_switch system_trust = 0;
  tcpkit_tls_version min_version = 0;
  tcpkit_tls_version max_version = 0;
  tcpkit_tls_client_auth client_auth = 0;
  tcpkit_tls_resumption resumption = 0;
  std::uint32_t tickets = 0;
  std::string ciphers{};
  std::string cipher_suites{};
  std::string groups{};
  std::string alpn{};
  std::uint64_t session_lifetime_ms = 0;
  std::uint64_t session_cache_size = 0;
  std::uint64_t ticket_rotation_ms = 0;
  tcpkit_switch insecure_accept_any_certificate = 0;
  // The passphrase of the encrypted key in file; "" if there is none.
  std::function<std::string(std::string_view file)> passphrase{};
  std::function<void(std::string_view line)> on_key_log{};
  // Credentials for a host name, "" if the client names none; NULL: those of the server.
  std::function<const Tls *(std::string_view server_name)> choose{};

  // Sets one option from text: options.set("min_version", "1.3").
  inline void set(const std::string &key, const std::string &text);
};

// Descriptions of the options that TlsOptions::set knows.
inline std::vector<tcpkit_option_info> tls_option_infos() {
  std::vector<tcpkit_option_info> infos(tcpkit_tls_option_count());
  for (std::size_t index = 0; index < infos.size(); ++index) {
    infos[index] = TCPKIT_OPTION_INFO_INIT;
    Status(tcpkit_tls_option_at(index, &infos[index])).or_throw();
  }
  return infos;
}

// Certificates, keys, trust and settings of TLS. Servers and connections that use them keep them.
class Tls {
 public:
  // Loads and checks everything.
  explicit inline Tls(const TlsOptions &options);

  // Reads all files again; after an exception what was in force still is.
  void reload() const { Status(tcpkit_tls_reload(get())).or_throw(); }
  // 1 at first, one more after each reload.
  [[nodiscard]] std::uint64_t generation() const noexcept { return tcpkit_tls_generation(get()); }
  // When the first certificate of ours expires; none without a certificate.
  [[nodiscard]] std::optional<std::chrono::system_clock::time_point> expires_at() const noexcept {
    const std::uint64_t expires_at_ms = tcpkit_tls_expires_at_ms(get());
    if (expires_at_ms == TCPKIT_UNLIMITED) return std::nullopt;
    return std::chrono::system_clock::time_point(std::chrono::milliseconds(expires_at_ms));
  }
  // Sets the keys of tickets, TCPKIT_TLS_TICKET_KEY_SIZE bytes each, one behind the other.
  void set_ticket_keys(Bytes keys) const {
    const std::size_t key_count = keys.size() / TCPKIT_TLS_TICKET_KEY_SIZE;
    if (key_count * TCPKIT_TLS_TICKET_KEY_SIZE != keys.size()) {
      throw Error(TCPKIT_E_INVALID_ARGUMENT, "the last ticket key is cut");
    }
    Status(tcpkit_tls_set_ticket_keys(get(), keys.data(), key_count)).or_throw();
  }
  [[nodiscard]] tcpkit_tls *get() const noexcept { return tls_.get(); }

 private:
  struct Free {
    void operator()(tcpkit_tls *tls) const noexcept { tcpkit_tls_free(tls); }
  };

  std::unique_ptr<tcpkit_tls, Free> tls_;
};
static_assert(sizeof(Tls) == sizeof(void *), "an owner is one pointer");

namespace detail {

// Copies the fields that the options of C and C++ have in the same form, in either direction.
template <class From, class To>
void copy_plain_tls_options(const From &from, To &to) {
  to.system_trust = from.system_trust;
  to.min_version = from.min_version;
  to.max_version = from.max_version;
  to.client_auth = from.client_auth;
  to.resumption = from.resumption;
  to.tickets = from.tickets;
  to.session_lifetime_ms = from.session_lifetime_ms;
  to.session_cache_size = from.session_cache_size;
  to.ticket_rotation_ms = from.ticket_rotation_ms;
  to.insecure_accept_any_certificate = from.insecure_accept_any_certificate;
}

// Calls visit(std::string, const char *) for each option of text.
template <class Options, class Visit>
void visit_tls_texts(Options &options, tcpkit_tls_options &raw, Visit visit) {
  visit(options.cert_file, raw.cert_file);
  visit(options.key_file, raw.key_file);
  visit(options.ocsp_file, raw.ocsp_file);
  visit(options.self_signed, raw.self_signed);
  visit(options.ca_file, raw.ca_file);
  visit(options.ca_dir, raw.ca_dir);
  visit(options.ciphers, raw.ciphers);
  visit(options.cipher_suites, raw.cipher_suites);
  visit(options.groups, raw.groups);
  visit(options.alpn, raw.alpn);
}

inline const char *text_or_null(const std::string &text) noexcept {
  return text.empty() ? nullptr : text.c_str();
}

// The certificates as C takes them; they borrow from those that they are made of.
inline std::vector<tcpkit_tls_certificate> raw_certificates(
    const std::vector<Certificate> &certificates) {
  std::vector<tcpkit_tls_certificate> raw;
  for (const Certificate &from : certificates) {
    tcpkit_tls_certificate to = TCPKIT_TLS_CERTIFICATE_INIT;
    to.chain_file = text_or_null(from.chain_file);
    to.key_file = text_or_null(from.key_file);
    to.chain_pem = Bytes(from.chain_pem).slice();
    to.key_pem = Bytes(from.key_pem).slice();
    to.ocsp_file = text_or_null(from.ocsp_file);
    to.names = text_or_null(from.names);
    raw.push_back(to);
  }
  return raw;
}

// The callables of credentials: the user_data of their callbacks, freed by the library.
struct TlsCallbacks {
  std::function<std::string(std::string_view)> passphrase;
  std::function<void(std::string_view)> on_key_log;
  std::function<const Tls *(std::string_view)> choose;

  // Puts what is set into the options of C, which take over this.
  static void give(std::unique_ptr<TlsCallbacks> callbacks, tcpkit_tls_options &raw) noexcept {
    if (callbacks->passphrase) raw.passphrase = call_passphrase;
    if (callbacks->on_key_log) raw.on_key_log = call_key_log;
    if (callbacks->choose) raw.choose = call_choose;
    raw.user_data = callbacks.release();
    raw.user_data_free = free_box<TlsCallbacks>;
  }

 private:
  static const TlsCallbacks &of(void *user_data) noexcept {
    return *static_cast<TlsCallbacks *>(user_data);
  }
  static std::size_t call_passphrase(const char *file, char *buffer, std::size_t buffer_size,
                                     void *user_data) {
    const std::string text = of(user_data).passphrase(file);
    if (text.size() <= buffer_size) text.copy(buffer, text.size());
    return text.size();
  }
  static void call_key_log(const char *line, void *user_data) { of(user_data).on_key_log(line); }
  static tcpkit_tls *call_choose(const char *server_name, void *user_data) {
    const Tls *chosen = of(user_data).choose(server_name);
    return chosen != nullptr ? chosen->get() : nullptr;
  }
};

}  // namespace detail

inline void TlsOptions::set(const std::string &key, const std::string &text) {
  tcpkit_tls_options raw = TCPKIT_TLS_OPTIONS_INIT;
  detail::copy_plain_tls_options(*this, raw);
  Status(tcpkit_tls_options_set(&raw, key.c_str(), text.c_str())).or_throw();
  detail::copy_plain_tls_options(raw, *this);
  detail::visit_tls_texts(*this, raw, [](std::string &own, const char *given) {
    if (given != nullptr) own = given;
  });
}

inline Tls::Tls(const TlsOptions &options) {
  const std::vector<tcpkit_tls_certificate> certificates =
      detail::raw_certificates(options.certificates);
  auto callbacks = std::make_unique<detail::TlsCallbacks>();
  callbacks->passphrase = options.passphrase;
  callbacks->on_key_log = options.on_key_log;
  callbacks->choose = options.choose;
  tcpkit_tls_options raw = TCPKIT_TLS_OPTIONS_INIT;
  detail::copy_plain_tls_options(options, raw);
  detail::visit_tls_texts(options, raw, [](const std::string &own, const char *&to) {
    to = detail::text_or_null(own);
  });
  raw.ca_pem = Bytes(options.ca_pem).slice();
  raw.certificates = certificates.data();
  raw.certificate_count = static_cast<std::uint32_t>(certificates.size());
  detail::TlsCallbacks::give(std::move(callbacks), raw);
  tcpkit_tls *tls = nullptr;
  Status(tcpkit_tls_create(&raw, &tls)).or_throw();
  tls_.reset(tls);
}

// ---- Connection --------------------------------------------------------------------------------

class Conn;
using CloseInfo = tcpkit_close_info;

inline const char *close_reason_name(tcpkit_close_reason reason) noexcept {
  return tcpkit_close_reason_name(reason);
}

// The calls that ConnRef and Conn have in common.
template <class Self>
class ConnCalls {
 public:
  [[nodiscard]] std::uint64_t id() const noexcept { return tcpkit_conn_id(conn()); }
  [[nodiscard]] LoopRef loop() const noexcept { return LoopRef(tcpkit_conn_loop(conn())); }
  [[nodiscard]] std::string remote_address() const {
    return detail::read_text([this](char *buffer, std::size_t buffer_size) {
      return tcpkit_conn_remote_address(conn(), buffer, buffer_size);
    });
  }
  // The proxy that the connection came from; "" if no PROXY header replaced the peer's address.
  [[nodiscard]] std::string proxy_address() const {
    return detail::read_text([this](char *buffer, std::size_t buffer_size) {
      return tcpkit_conn_proxy_address(conn(), buffer, buffer_size);
    });
  }
  // The first TLV of a type in the PROXY header, borrowed until on_close returns; none if there is
  // no such TLV, and on other threads than the loop's.
  [[nodiscard]] std::optional<Bytes> proxy_tlv(std::uint8_t type) const noexcept {
    tcpkit_slice value{nullptr, 0};
    if (!Status(tcpkit_conn_proxy_tlv(conn(), type, &value)).ok()) return std::nullopt;
    return Bytes(value);
  }
  [[nodiscard]] std::string local_address() const {
    return detail::read_text([this](char *buffer, std::size_t buffer_size) {
      return tcpkit_conn_local_address(conn(), buffer, buffer_size);
    });
  }
  [[nodiscard]] std::chrono::system_clock::time_point connected_at() const noexcept {
    return std::chrono::system_clock::time_point(
        std::chrono::milliseconds(tcpkit_conn_connected_at_ms(conn())));
  }
  [[nodiscard]] bool is_closed() const noexcept { return tcpkit_conn_is_closed(conn()) != 0; }
  [[nodiscard]] std::uint64_t total_read() const noexcept { return tcpkit_conn_total_read(conn()); }
  [[nodiscard]] std::uint64_t total_written() const noexcept {
    return tcpkit_conn_total_written(conn());
  }
  [[nodiscard]] std::uint64_t reads_per_second() const noexcept {
    return tcpkit_conn_reads_per_second(conn());
  }
  [[nodiscard]] std::uint64_t writes_per_second() const noexcept {
    return tcpkit_conn_writes_per_second(conn());
  }
  [[nodiscard]] std::uint64_t queued_bytes() const noexcept {
    return tcpkit_conn_queued_bytes(conn());
  }
  [[nodiscard]] int fd() const noexcept { return tcpkit_conn_fd(conn()); }

  // Goes over from plain to TLS; on_tls comes when the handshake is done. A client names the host
  // that the peer's certificate must be for.
  [[nodiscard]] Status start_tls(const Tls &tls, tcpkit_tls_role role = TCPKIT_TLS_SERVER,
                                 const char *server_name = nullptr) const noexcept {
    tcpkit_start_tls_options options = TCPKIT_START_TLS_OPTIONS_INIT;
    options.role = role;
    options.tls = tls.get();
    options.server_name = server_name;
    return tcpkit_conn_start_tls(conn(), &options);
  }
  // What the handshake agreed on, its texts borrowed until on_close returns; none if the connection
  // is plain or its handshake not done, and on other threads than the loop's.
  [[nodiscard]] std::optional<TlsInfo> tls_info() const noexcept {
    TlsInfo info = TCPKIT_TLS_INFO_INIT;
    if (!Status(tcpkit_conn_tls_info(conn(), &info)).ok()) return std::nullopt;
    return info;
  }
  // A certificate of the peer's verified chain in DER, its own being number 0, borrowed likewise.
  [[nodiscard]] std::optional<Bytes> tls_peer_certificate(std::size_t index = 0) const noexcept {
    tcpkit_slice der{nullptr, 0};
    if (!Status(tcpkit_conn_tls_peer_certificate(conn(), index, &der)).ok()) return std::nullopt;
    return Bytes(der);
  }
  // The SSL object of OpenSSL, to be asked only; NULL if the connection is plain.
  [[nodiscard]] void *native_tls() const noexcept { return tcpkit_conn_native_tls(conn()); }

  // Adds a filter, nearest to the user, from now on.
  [[nodiscard]] Status add_filter(const Filter &filter) const {
    const tcpkit_filter table = filter.table();
    return tcpkit_conn_add_filter(conn(), &table);
  }

  // Keeps an object with the connection, in place of the one before, until after on_close.
  template <class T>
  [[nodiscard]] Status set_user_data(std::unique_ptr<T> object) const noexcept {
    return tcpkit_conn_set_user_data(conn(), object.release(), detail::free_box<T>);
  }
  // The object that set_user_data<T> kept, of the very same T; NULL if none.
  template <class T>
  [[nodiscard]] T *user_data() const noexcept {
    return static_cast<T *>(tcpkit_conn_user_data(conn()));
  }

  // Sends a copy of data.
  Status send(Bytes data) const noexcept {
    return tcpkit_conn_send(conn(), data.data(), data.size());
  }
  // Sends a copy of several pieces as one.
  Status send_pieces(const Bytes *pieces, std::size_t piece_count) const noexcept {
    return tcpkit_conn_send_slices(conn(), reinterpret_cast<const tcpkit_slice *>(pieces),
                                   piece_count);
  }
  Status send_pieces(std::initializer_list<Bytes> pieces) const noexcept {
    return send_pieces(pieces.begin(), pieces.size());
  }
#if defined(__cpp_lib_span)
  Status send_pieces(std::span<const Bytes> pieces) const noexcept {
    return send_pieces(pieces.data(), pieces.size());
  }
#endif
  // Sends shared bytes without a copy.
  Status send_buffer(const Buffer &buffer) const noexcept {
    return tcpkit_conn_send_buffer(conn(), buffer.get());
  }
  // Sends a copy of one packet in the framing of the connection.
  Status send_packet(Bytes packet) const noexcept {
    return tcpkit_conn_send_packet(conn(), packet.data(), packet.size());
  }
  Status flush() const noexcept {
    return tcpkit_conn_flush(conn());
  }
  Status pause_reading() const noexcept {
    return tcpkit_conn_pause_reading(conn());
  }
  Status resume_reading() const noexcept {
    return tcpkit_conn_resume_reading(conn());
  }
  // Sets a timeout of this connection in place of the server's; milliseconds::max() is none.
  [[nodiscard]] Status set_timeout(tcpkit_timeout timeout,
                                   std::chrono::milliseconds time) const noexcept {
    return tcpkit_conn_set_timeout(conn(), timeout, detail::to_limit_ms(time));
  }
  // Sets what this peer has to send while it owes bytes, in place of the server's rate; 0: nothing.
  [[nodiscard]] Status set_min_receive_rate(std::uint64_t bytes_per_second,
                                            std::chrono::milliseconds grace) const noexcept {
    return tcpkit_conn_set_min_receive_rate(conn(), bytes_per_second, detail::to_limit_ms(grace));
  }
  // Ends our stream once everything that was sent has left; receiving goes on.
  Status shutdown() const noexcept {
    return tcpkit_conn_shutdown(conn());
  }
  // Closes once everything that was sent has left.
  Status close() const noexcept {
    return tcpkit_conn_close(conn());
  }
  // Resets the connection and drops what is queued.
  Status abort() const noexcept {
    return tcpkit_conn_abort(conn());
  }

  // Takes the connection from its loop, for blocking calls on a thread of yours.
  [[nodiscard]] Status detach() const noexcept {
    return tcpkit_conn_detach(conn());
  }
  // Waits for bytes: at least one, at most buffer_size. The next six need a detached connection, or
  // one of on_blocking_connection.
  [[nodiscard]] Status read(void *buffer, std::size_t buffer_size,
                            std::size_t &size) const noexcept {
    return tcpkit_conn_read(conn(), buffer, buffer_size, &size);
  }
  // Waits for all of size bytes.
  [[nodiscard]] Status read_exactly(void *buffer, std::size_t size) const noexcept {
    return tcpkit_conn_read_exactly(conn(), buffer, size);
  }
  // Waits for a packet in the framing of the server, borrowed until the next read.
  [[nodiscard]] Status read_packet(Bytes &packet) const noexcept {
    return take(packet, [this](const std::uint8_t **data, std::size_t *size) {
      return tcpkit_conn_read_packet(conn(), data, size);
    });
  }
  // Waits for a packet behind a length, 4 bytes in little-endian order by default, borrowed likewise.
  [[nodiscard]] Status read_length_prefixed(
      Bytes &packet, const LengthPrefix &prefix = TCPKIT_LENGTH_PREFIX_INIT) const noexcept {
    return take(packet, [&](const std::uint8_t **data, std::size_t *size) {
      return tcpkit_conn_read_length_prefixed(conn(), &prefix, data, size);
    });
  }
  // Waits for a packet that ends with separator, borrowed likewise; max_size 0 is 1 MiB.
  [[nodiscard]] Status read_separated(Bytes separator, Bytes &packet,
                                      std::size_t max_size = 0) const noexcept {
    return take(packet, [&](const std::uint8_t **data, std::size_t *size) {
      return tcpkit_conn_read_separated(conn(), {separator.data(), separator.size()}, max_size,
                                        data, size);
    });
  }
  // Waits until the kernel has taken all of data.
  [[nodiscard]] Status write(Bytes data) const noexcept {
    return tcpkit_conn_write(conn(), data.data(), data.size());
  }
  // Waits until the kernel has taken one packet in the framing of the server.
  [[nodiscard]] Status write_packet(Bytes packet) const noexcept {
    return tcpkit_conn_write_packet(conn(), packet.data(), packet.size());
  }
  // When the waiting of later blocking calls ends, from now; milliseconds::max() is never.
  Status set_deadline(tcpkit_timeout timeout, std::chrono::milliseconds time) const noexcept {
    return tcpkit_conn_set_deadline(conn(), timeout, detail::to_limit_ms(time));
  }
  // Ends blocking calls, now and later; the connection stays open.
  Status cancel() const noexcept {
    return tcpkit_conn_cancel(conn());
  }

  // Calls handler(ConnRef, const CloseInfo &) when the connection ends; at once, inside this call,
  // if it has ended already.
  template <class F>
  [[nodiscard]] inline Status add_close_handler(F &&handler) const;
  // Runs task(ConnRef), or task(), on the loop of the connection, soon and exactly once.
  template <class F>
  [[nodiscard]] inline Status post(F &&task) const;
  // A reference that keeps the handle valid after its callbacks.
  [[nodiscard]] inline Conn retain() const noexcept;

 private:
  tcpkit_conn *conn() const noexcept {
    return static_cast<const Self *>(this)->get();
  }
  template <class Call>
  static Status take(Bytes &packet, Call call) noexcept {
    const std::uint8_t *data = nullptr;
    std::size_t size = 0;
    const Status status = call(&data, &size);
    packet = Bytes(data, size);
    return status;
  }
};

// A borrowed connection, as callbacks get it: valid until the callback returns.
class ConnRef : public ConnCalls<ConnRef> {
 public:
  explicit ConnRef(tcpkit_conn *conn = nullptr) noexcept : conn_(conn) {}
  explicit operator bool() const noexcept { return conn_ != nullptr; }
  [[nodiscard]] tcpkit_conn *get() const noexcept { return conn_; }
  friend bool operator==(ConnRef a, ConnRef b) noexcept { return a.conn_ == b.conn_; }
  friend bool operator!=(ConnRef a, ConnRef b) noexcept { return a.conn_ != b.conn_; }

 private:
  tcpkit_conn *conn_;
};

inline Reader Reader::of_conn(ConnRef conn, tcpkit_byte_order byte_order) {
  Reader reader(Bytes{}, byte_order);
  reader.raw_ = tcpkit_reader_over_conn(conn.get());
  reader.raw_.byte_order = byte_order;
  return reader;
}

inline Writer Writer::to_conn(ConnRef conn, tcpkit_byte_order byte_order) {
  Writer writer(byte_order);
  writer.raw_ = tcpkit_writer_over_conn(conn.get());
  writer.raw_.byte_order = byte_order;
  return writer;
}

// A retained connection. Copies refer to the same one; the handle stays valid after it has ended,
// and its calls then answer TCPKIT_E_CLOSED.
class Conn : public ConnCalls<Conn> {
 public:
  Conn() noexcept = default;
  explicit Conn(ConnRef conn) noexcept : conn_(conn.get()) {
    if (conn_ != nullptr) tcpkit_conn_retain(conn_);
  }
  Conn(const Conn &other) noexcept : Conn(ConnRef(other.conn_)) {}
  Conn(Conn &&other) noexcept : conn_(std::exchange(other.conn_, nullptr)) {}
  Conn &operator=(Conn other) noexcept {
    std::swap(conn_, other.conn_);
    return *this;
  }
  ~Conn() { tcpkit_conn_release(conn_); }

  // Takes over a reference that was got from C.
  static Conn adopt(tcpkit_conn *conn) noexcept {
    Conn adopted;
    adopted.conn_ = conn;
    return adopted;
  }

  operator ConnRef() const noexcept { return ConnRef(conn_); }
  explicit operator bool() const noexcept { return conn_ != nullptr; }
  [[nodiscard]] tcpkit_conn *get() const noexcept { return conn_; }

 private:
  tcpkit_conn *conn_ = nullptr;
};
static_assert(sizeof(Conn) == sizeof(void *), "an owner is one pointer");

template <class Self>
template <class F>
Status ConnCalls<Self>::add_close_handler(F &&handler) const {
  using Boxed = std::decay_t<F>;
  const auto call = [](tcpkit_conn *ended, const tcpkit_close_info *info, void *user_data) {
    (*static_cast<Boxed *>(user_data))(ConnRef(ended), *info);
  };
  return tcpkit_conn_add_close_handler(conn(), call, detail::box(std::forward<F>(handler)),
                                       detail::free_box<Boxed>);
}

template <class Self>
template <class F>
Status ConnCalls<Self>::post(F &&task) const {
  using Boxed = std::decay_t<F>;
  const auto call = [](tcpkit_conn *target, void *user_data) {
    detail::call_task<Boxed>(user_data, ConnRef(target));
  };
  return tcpkit_conn_post(conn(), call, detail::box(std::forward<F>(task)),
                          detail::free_box<Boxed>);
}

template <class Self>
Conn ConnCalls<Self>::retain() const noexcept {
  return Conn(ConnRef(conn()));
}

// ---- Groups and broadcasts ---------------------------------------------------------------------

// What became of the targets of a broadcast.
using Receipt = tcpkit_receipt;

// How broadcasts reach the members of a Group; zero means the default.
struct GroupOptions {
  tcpkit_slow_policy slow_policy = 0;
  std::size_t max_behind_bytes = 0;
  std::uint64_t max_behind_frames = 0;
  // milliseconds::max(): frames may wait for ever.
  std::chrono::milliseconds write_quantum{0};
  std::uint32_t pool_size = 0;
  tcpkit_framing framing = TCPKIT_FRAMING_INIT;
};

class Group;

// More about one broadcast.
struct BroadcastOptions {
  bool raw = false;  // never as a packet
  ConnRef except{};
  std::uint64_t key = 0;
  // Sent in place of the data, which is then Bytes().
  Buffer buffer{};
  // Whose options hold; NULL: the defaults. A group's own broadcast takes the group.
  const Group *rules = nullptr;
  // Called once, when no target has the frame waiting any more.
  std::function<void(const Receipt &)> on_done{};
};

namespace detail {

inline tcpkit_broadcast_options raw_broadcast_options(const BroadcastOptions &options);

}  // namespace detail

// Connections that broadcasts go to. They leave when they end, or with the group.
class Group {
 public:
  explicit Group(const GroupOptions &options = GroupOptions()) {
    tcpkit_group_options raw = TCPKIT_GROUP_OPTIONS_INIT;
    raw.slow_policy = options.slow_policy;
    raw.max_behind_bytes = options.max_behind_bytes;
    raw.max_behind_frames = options.max_behind_frames;
    raw.write_quantum_ms = detail::to_limit_ms(options.write_quantum);
    raw.pool_size = options.pool_size;
    raw.framing = options.framing;
    tcpkit_group *group = nullptr;
    Status(tcpkit_group_create(&raw, &group)).or_throw();
    group_.reset(group);
  }

  [[nodiscard]] Status join(ConnRef conn) const noexcept {
    return tcpkit_group_join(get(), conn.get());
  }
  Status leave(ConnRef conn) const noexcept { return tcpkit_group_leave(get(), conn.get()); }
  [[nodiscard]] std::uint64_t size() const noexcept { return tcpkit_group_size(get()); }
  // Sends data to all members; out_receipt may be NULL.
  Status broadcast(Bytes data, const BroadcastOptions &options = BroadcastOptions(),
                   Receipt *out_receipt = nullptr) const {
    const tcpkit_broadcast_options raw = detail::raw_broadcast_options(options);
    return tcpkit_group_broadcast(get(), data.data(), data.size(), &raw, out_receipt);
  }
  // Runs task(ConnRef) for each member, on the loop of the member; loops run it at the same time.
  template <class F>
  [[nodiscard]] Status post(F &&task) const {
    using Boxed = std::decay_t<F>;
    const auto call = [](tcpkit_conn *member, void *user_data) {
      detail::call_task<Boxed>(user_data, ConnRef(member));
    };
    return tcpkit_group_post(get(), call, detail::box(std::forward<F>(task)),
                             detail::free_box<Boxed>);
  }
  [[nodiscard]] tcpkit_group *get() const noexcept { return group_.get(); }

 private:
  struct Free {
    void operator()(tcpkit_group *group) const noexcept { tcpkit_group_free(group); }
  };

  std::unique_ptr<tcpkit_group, Free> group_;
};
static_assert(sizeof(Group) == sizeof(void *), "an owner is one pointer");

namespace detail {

inline tcpkit_broadcast_options raw_broadcast_options(const BroadcastOptions &options) {
  using Done = std::function<void(const Receipt &)>;
  tcpkit_broadcast_options raw = TCPKIT_BROADCAST_OPTIONS_INIT;
  raw.raw = options.raw ? TCPKIT_ON : TCPKIT_OFF;
  raw.except = options.except.get();
  raw.key = options.key;
  raw.buffer = options.buffer.get();
  raw.rules = options.rules == nullptr ? nullptr : options.rules->get();
  if (!options.on_done) return raw;
  raw.on_done = [](const tcpkit_receipt *receipt, void *user_data) {
    (*static_cast<Done *>(user_data))(*receipt);
  };
  raw.user_data = box(options.on_done);
  raw.user_data_free = free_box<Done>;
  return raw;
}

}  // namespace detail

// Sends data to some connections, each of which should be named once; out_receipt may be NULL.
inline Status broadcast(const std::vector<Conn> &conns, Bytes data,
                        const BroadcastOptions &options = BroadcastOptions(),
                        Receipt *out_receipt = nullptr) {
  std::vector<tcpkit_conn *> targets;
  targets.reserve(conns.size());
  for (const Conn &conn : conns) targets.push_back(conn.get());
  const tcpkit_broadcast_options raw = detail::raw_broadcast_options(options);
  return tcpkit_conns_broadcast(targets.data(), targets.size(), data.slice(), &raw, out_receipt);
}

// ---- Server options ----------------------------------------------------------------------------

class Server;
class ServerRef;
using Metrics = tcpkit_metrics;
using DrainReport = tcpkit_drain_report;

// Hooks around the read pools; override what you need. One strategy may serve several servers.
class Strategy {
 public:
  virtual ~Strategy() = default;
  virtual inline void on_start(ServerRef server);
  virtual void on_accept(ConnRef) {}
  virtual inline void on_metrics(ServerRef server, const Metrics &metrics);
  virtual inline void on_stop(ServerRef server);
};

// Settings of a listener; zero means what the server options say.
struct ListenOptions {
  std::uint32_t backlog = 0;
  tcpkit_switch reuse_port = 0;
  tcpkit_switch dual_stack = 0;
  tcpkit_switch tls = 0;
};

// Settings of a server, as in tcpkit_server_options, where each is described; zero means the
// default.
struct ServerOptions {
  std::uint32_t loops = 0;
  std::string listen{};
  tcpkit_framing framing = TCPKIT_FRAMING_INIT;
  std::size_t max_packet_size = 0;
  tcpkit_oversize oversize = 0;
  tcpkit_switch deliver_tail = 0;
  std::size_t read_buffer_size = 0;
  std::uint64_t pool_size = 0;
  std::uint64_t read_quantum_ms = 0;
  std::uint64_t max_connections = 0;
  std::uint64_t tick_interval_ms = 0;
  std::uint64_t close_timeout_ms = 0;
  std::uint64_t keep_alive_ms = 0;
  std::uint32_t backlog = 0;
  tcpkit_switch reuse_port = 0;
  tcpkit_switch dual_stack = 0;
  tcpkit_switch no_delay = 0;
  std::size_t receive_buffer_size = 0;
  std::size_t send_buffer_size = 0;
  tcpkit_switch handle_signals = 0;
  tcpkit_log_level log_level = 0;
  std::shared_ptr<Strategy> strategy{};
  std::size_t high_watermark = 0;
  std::size_t low_watermark = 0;
  std::size_t max_queued_bytes = 0;
  std::size_t max_buffered_bytes = 0;
  std::uint64_t idle_timeout_ms = 0;
  std::uint64_t read_timeout_ms = 0;
  std::uint64_t write_timeout_ms = 0;
  std::uint64_t drain_timeout_ms = 0;
  tcpkit_switch pause_above_high = 0;
  tcpkit_proxy_protocol proxy_protocol = 0;
  std::string proxy_trusted{};
  std::uint64_t proxy_timeout_ms = 0;
  std::uint64_t max_connections_per_address = 0;
  std::uint64_t max_connections_per_prefix = 0;
  std::uint64_t max_accepts_per_second = 0;
  std::uint32_t prefix_v4 = 0;
  std::uint32_t prefix_v6 = 0;
  tcpkit_at_limit at_limit = 0;
  std::uint64_t min_receive_rate = 0;
  std::uint64_t receive_rate_grace_ms = 0;
  std::shared_ptr<Tls> tls{};
  tcpkit_switch tls_or_plain = 0;
  std::uint64_t handshake_timeout_ms = 0;
  std::uint64_t max_handshakes = 0;
  std::uint64_t handshake_quantum_ms = 0;
  std::vector<Filter> filters{};
  std::uint64_t max_handler_threads = 0;
  std::uint64_t max_waiting_connections = 0;
  std::size_t handler_stack_size = 0;
  std::uint32_t workers = 0;
  std::size_t worker_queue_bytes = 0;

  // Sets one option from text: options.set("max_packet_size", "64k").
  inline void set(const std::string &key, const std::string &text);
};

// Descriptions of the options that ServerOptions::set knows.
inline std::vector<tcpkit_option_info> server_option_infos() {
  std::vector<tcpkit_option_info> infos(tcpkit_server_option_count());
  for (std::size_t index = 0; index < infos.size(); ++index) {
    infos[index] = TCPKIT_OPTION_INFO_INIT;
    Status(tcpkit_server_option_at(index, &infos[index])).or_throw();
  }
  return infos;
}

namespace detail {

// Copies the fields that the options of C and C++ have in the same form, in either direction.
template <class From, class To>
void copy_plain_options(const From &from, To &to) {
  to.loops = from.loops;
  to.framing = from.framing;
  to.max_packet_size = from.max_packet_size;
  to.oversize = from.oversize;
  to.deliver_tail = from.deliver_tail;
  to.read_buffer_size = from.read_buffer_size;
  to.pool_size = from.pool_size;
  to.read_quantum_ms = from.read_quantum_ms;
  to.max_connections = from.max_connections;
  to.tick_interval_ms = from.tick_interval_ms;
  to.close_timeout_ms = from.close_timeout_ms;
  to.keep_alive_ms = from.keep_alive_ms;
  to.backlog = from.backlog;
  to.reuse_port = from.reuse_port;
  to.dual_stack = from.dual_stack;
  to.no_delay = from.no_delay;
  to.receive_buffer_size = from.receive_buffer_size;
  to.send_buffer_size = from.send_buffer_size;
  to.handle_signals = from.handle_signals;
  to.log_level = from.log_level;
  to.high_watermark = from.high_watermark;
  to.low_watermark = from.low_watermark;
  to.max_queued_bytes = from.max_queued_bytes;
  to.max_buffered_bytes = from.max_buffered_bytes;
  to.idle_timeout_ms = from.idle_timeout_ms;
  to.read_timeout_ms = from.read_timeout_ms;
  to.write_timeout_ms = from.write_timeout_ms;
  to.drain_timeout_ms = from.drain_timeout_ms;
  to.pause_above_high = from.pause_above_high;
  to.proxy_protocol = from.proxy_protocol;
  to.proxy_timeout_ms = from.proxy_timeout_ms;
  to.max_connections_per_address = from.max_connections_per_address;
  to.max_connections_per_prefix = from.max_connections_per_prefix;
  to.max_accepts_per_second = from.max_accepts_per_second;
  to.prefix_v4 = from.prefix_v4;
  to.prefix_v6 = from.prefix_v6;
  to.at_limit = from.at_limit;
  to.min_receive_rate = from.min_receive_rate;
  to.receive_rate_grace_ms = from.receive_rate_grace_ms;
  to.tls_or_plain = from.tls_or_plain;
  to.handshake_timeout_ms = from.handshake_timeout_ms;
  to.max_handshakes = from.max_handshakes;
  to.handshake_quantum_ms = from.handshake_quantum_ms;
  to.max_handler_threads = from.max_handler_threads;
  to.max_waiting_connections = from.max_waiting_connections;
  to.handler_stack_size = from.handler_stack_size;
  to.workers = from.workers;
  to.worker_queue_bytes = from.worker_queue_bytes;
}

}  // namespace detail

inline void ServerOptions::set(const std::string &key, const std::string &text) {
  tcpkit_server_options raw = TCPKIT_SERVER_OPTIONS_INIT;
  detail::copy_plain_options(*this, raw);
  Status(tcpkit_server_options_set(&raw, key.c_str(), text.c_str())).or_throw();
  detail::copy_plain_options(raw, *this);
  if (raw.listen != nullptr) listen = raw.listen;
  if (raw.proxy_trusted != nullptr) proxy_trusted = raw.proxy_trusted;
}

// ---- Server ------------------------------------------------------------------------------------

// The calls that ServerRef and Server have in common.
template <class Self>
class ServerCalls {
 public:
  void listen(const std::string &address, const ListenOptions &options = ListenOptions()) const {
    tcpkit_listen_options raw = TCPKIT_LISTEN_OPTIONS_INIT;
    raw.backlog = options.backlog;
    raw.reuse_port = options.reuse_port;
    raw.dual_stack = options.dual_stack;
    raw.tls = options.tls;
    Status(tcpkit_server_listen(server(), address.c_str(), &raw)).or_throw();
  }
  // Listens on what a service manager has opened for this process; returns how many those were.
  std::size_t listen_inherited() const {
    std::size_t count = 0;
    Status(tcpkit_server_listen_inherited(server(), &count)).or_throw();
    return count;
  }
  // Descriptor of a listener for another process that goes on listening; -1 if there is none.
  [[nodiscard]] int listener_fd(std::size_t index = 0) const {
    return tcpkit_server_listener_fd(server(), index);
  }
  [[nodiscard]] std::size_t listener_count() const {
    return tcpkit_server_listener_count(server());
  }
  // The address that a listener is bound to, with its real port; "" if there is no such listener.
  [[nodiscard]] std::string listener_address(std::size_t index = 0) const {
    return detail::read_text([this, index](char *buffer, std::size_t buffer_size) {
      return tcpkit_server_listener_address(server(), index, buffer, buffer_size);
    });
  }

  void start() const { Status(tcpkit_server_start(server())).or_throw(); }
  void run() const { Status(tcpkit_server_run(server())).or_throw(); }
  void stop() const { Status(tcpkit_server_stop(server())).or_throw(); }
  void wait() const { Status(tcpkit_server_wait(server())).or_throw(); }
  // Ends the server gently, and resets what is left after deadline; milliseconds::max() is never.
  // Returns after the last callback; on a loop of the server at once, with an empty report.
  DrainReport drain(std::chrono::milliseconds deadline) const {
    DrainReport report = TCPKIT_DRAIN_REPORT_INIT;
    Status(tcpkit_server_drain(server(), detail::to_limit_ms(deadline), &report)).or_throw();
    return report;
  }
  [[nodiscard]] bool is_running() const { return tcpkit_server_is_running(server()) != 0; }

  [[nodiscard]] Metrics metrics() const {
    Metrics metrics = TCPKIT_METRICS_INIT;
    Status(tcpkit_server_metrics(server(), &metrics)).or_throw();
    return metrics;
  }

  // An open connection by its id; empty if there is none.
  [[nodiscard]] Conn find(std::uint64_t conn_id) const {
    tcpkit_conn *conn = nullptr;
    const Status status = tcpkit_server_find(server(), conn_id, &conn);
    if (status == TCPKIT_E_NOT_FOUND) return {};
    status.or_throw();
    return Conn::adopt(conn);
  }
  // Calls visitor(ConnRef) inside this call for each open connection. After an exception, which
  // this call throws on, the others are not visited.
  template <class F>
  void visit(F &&visitor) const {
    Visit<std::remove_reference_t<F>> visit{visitor, nullptr};
    const Status status =
        tcpkit_server_visit(server(), visit_one<std::remove_reference_t<F>>, &visit);
    if (visit.thrown) std::rethrow_exception(visit.thrown);
    status.or_throw();
  }
  // All open connections.
  [[nodiscard]] std::vector<Conn> list() const {
    std::vector<tcpkit_conn *> raw;
    std::vector<Conn> conns;
    std::size_t count = 0;
    do {
      conns.clear();
      raw.resize(count + 16);  // more may come before the call that fetches them
      conns.reserve(raw.size());
      Status(tcpkit_server_list(server(), raw.data(), raw.size(), &count)).or_throw();
      const std::size_t written = count < raw.size() ? count : raw.size();
      for (std::size_t index = 0; index < written; ++index) {
        conns.push_back(Conn::adopt(raw[index]));
      }
    } while (count > raw.size());
    return conns;
  }

  // Sends data to all open connections; out_receipt may be NULL.
  Status broadcast(Bytes data, const BroadcastOptions &options = BroadcastOptions(),
                   Receipt *out_receipt = nullptr) const {
    const tcpkit_broadcast_options raw = detail::raw_broadcast_options(options);
    return tcpkit_server_broadcast(server(), data.data(), data.size(), &raw, out_receipt);
  }

  [[nodiscard]] std::size_t loop_count() const { return tcpkit_server_loop_count(server()); }
  // Loop number index; empty if there is none.
  [[nodiscard]] LoopRef loop(std::size_t index = 0) const {
    return LoopRef(tcpkit_server_loop(server(), index));
  }

 private:
  template <class F>
  struct Visit {
    F &visitor;
    std::exception_ptr thrown;
  };
  template <class F>
  static void visit_one(tcpkit_conn *conn, void *user_data) noexcept {
    auto &visit = *static_cast<Visit<F> *>(user_data);
    if (visit.thrown) return;
    try {
      visit.visitor(ConnRef(conn));
    } catch (...) {
      visit.thrown = std::current_exception();
    }
  }

  tcpkit_server *server() const { return static_cast<const Self *>(this)->get(); }
};

// A borrowed server, as callbacks get it.
class ServerRef : public ServerCalls<ServerRef> {
 public:
  explicit ServerRef(tcpkit_server *server = nullptr) noexcept : server_(server) {}
  explicit operator bool() const noexcept { return server_ != nullptr; }
  [[nodiscard]] tcpkit_server *get() const noexcept { return server_; }

 private:
  tcpkit_server *server_;
};

inline void Strategy::on_start(ServerRef) {}
inline void Strategy::on_metrics(ServerRef, const Metrics &) {}
inline void Strategy::on_stop(ServerRef) {}

// ---- Client ------------------------------------------------------------------------------------

using ConnectInfo = tcpkit_connect_info;

// Settings of a client, as in tcpkit_client_options, where each is described; zero means the
// default.
struct ClientOptions {
  tcpkit_framing framing = TCPKIT_FRAMING_INIT;
  std::size_t max_packet_size = 0;
  tcpkit_oversize oversize = 0;
  tcpkit_switch deliver_tail = 0;
  std::size_t read_buffer_size = 0;
  std::uint64_t read_quantum_ms = 0;
  std::size_t high_watermark = 0;
  std::size_t low_watermark = 0;
  std::size_t max_queued_bytes = 0;
  std::uint64_t idle_timeout_ms = 0;
  std::uint64_t read_timeout_ms = 0;
  std::uint64_t write_timeout_ms = 0;
  std::uint64_t close_timeout_ms = 0;
  std::uint64_t keep_alive_ms = 0;
  std::uint64_t min_receive_rate = 0;
  std::uint64_t receive_rate_grace_ms = 0;
  tcpkit_switch pause_above_high = 0;
  tcpkit_switch no_delay = 0;
  std::size_t receive_buffer_size = 0;
  std::size_t send_buffer_size = 0;
  tcpkit_log_level log_level = 0;
  tcpkit_send_proxy send_proxy = 0;
  std::string proxy_source{};
  std::string proxy_destination{};
  std::shared_ptr<Tls> tls{};
  std::string server_name{};
  LoopRef loop{};  // empty: a thread of the client's own
  std::string local_address{};
  std::uint64_t connect_timeout_ms = 0;
  std::uint64_t attempt_delay_ms = 0;
  tcpkit_switch reconnect = 0;
  std::uint64_t reconnect_min_ms = 0;
  std::uint64_t reconnect_max_ms = 0;
  std::uint64_t max_attempts = 0;

  // Sets one option from text: options.set("reconnect", "on").
  inline void set(const std::string &key, const std::string &text);
};

// Descriptions of the options that ClientOptions::set knows.
inline std::vector<tcpkit_option_info> client_option_infos() {
  std::vector<tcpkit_option_info> infos(tcpkit_client_option_count());
  for (std::size_t index = 0; index < infos.size(); ++index) {
    infos[index] = TCPKIT_OPTION_INFO_INIT;
    Status(tcpkit_client_option_at(index, &infos[index])).or_throw();
  }
  return infos;
}

namespace detail {

class CoState;

// Copies the fields that the options of C and C++ have in the same form, in either direction.
template <class From, class To>
void copy_plain_client_options(const From &from, To &to) {
  to.framing = from.framing;
  to.max_packet_size = from.max_packet_size;
  to.oversize = from.oversize;
  to.deliver_tail = from.deliver_tail;
  to.read_buffer_size = from.read_buffer_size;
  to.read_quantum_ms = from.read_quantum_ms;
  to.high_watermark = from.high_watermark;
  to.low_watermark = from.low_watermark;
  to.max_queued_bytes = from.max_queued_bytes;
  to.idle_timeout_ms = from.idle_timeout_ms;
  to.read_timeout_ms = from.read_timeout_ms;
  to.write_timeout_ms = from.write_timeout_ms;
  to.close_timeout_ms = from.close_timeout_ms;
  to.keep_alive_ms = from.keep_alive_ms;
  to.min_receive_rate = from.min_receive_rate;
  to.receive_rate_grace_ms = from.receive_rate_grace_ms;
  to.pause_above_high = from.pause_above_high;
  to.no_delay = from.no_delay;
  to.receive_buffer_size = from.receive_buffer_size;
  to.send_buffer_size = from.send_buffer_size;
  to.log_level = from.log_level;
  to.send_proxy = from.send_proxy;
  to.connect_timeout_ms = from.connect_timeout_ms;
  to.attempt_delay_ms = from.attempt_delay_ms;
  to.reconnect = from.reconnect;
  to.reconnect_min_ms = from.reconnect_min_ms;
  to.reconnect_max_ms = from.reconnect_max_ms;
  to.max_attempts = from.max_attempts;
}

// Calls visit(std::string, const char *) for each option of text.
template <class Options, class Visit>
void visit_client_texts(Options &options, tcpkit_client_options &raw, Visit visit) {
  visit(options.proxy_source, raw.proxy_source);
  visit(options.proxy_destination, raw.proxy_destination);
  visit(options.server_name, raw.server_name);
  visit(options.local_address, raw.local_address);
}

}  // namespace detail

inline void ClientOptions::set(const std::string &key, const std::string &text) {
  tcpkit_client_options raw = TCPKIT_CLIENT_OPTIONS_INIT;
  detail::copy_plain_client_options(*this, raw);
  Status(tcpkit_client_options_set(&raw, key.c_str(), text.c_str())).or_throw();
  detail::copy_plain_client_options(raw, *this);
  detail::visit_client_texts(*this, raw, [](std::string &mine, const char *&given) {
    if (given != nullptr) mine = given;
  });
}

// The calls that ClientRef and Client have in common.
template <class Self>
class ClientCalls {
 public:
  // Begins to connect; the handlers tell how that goes.
  void connect(const std::string &address) const {
    Status(tcpkit_client_connect(client(), address.c_str())).or_throw();
  }
  // Connects and waits until that has succeeded; throws what it failed with.
  Conn dial(const std::string &address) const {
    tcpkit_conn *conn = nullptr;
    Status(tcpkit_client_dial(client(), address.c_str(), &conn)).or_throw();
    return Conn::adopt(conn);
  }
  // The open connection; empty if there is none.
  [[nodiscard]] Conn conn() const {
    tcpkit_conn *conn = nullptr;
    const Status status = tcpkit_client_conn(client(), &conn);
    if (status == TCPKIT_E_NOT_FOUND) return {};
    status.or_throw();
    return Conn::adopt(conn);
  }
  // Closes the connection, or gives up the attempt, and does not reconnect.
  void close() const { Status(tcpkit_client_close(client())).or_throw(); }
  [[nodiscard]] Metrics metrics() const {
    Metrics metrics = TCPKIT_METRICS_INIT;
    Status(tcpkit_client_metrics(client(), &metrics)).or_throw();
    return metrics;
  }
  [[nodiscard]] LoopRef loop() const { return LoopRef(tcpkit_client_loop(client())); }

 private:
  tcpkit_client *client() const { return static_cast<const Self *>(this)->get(); }
};

// A borrowed client, as callbacks get it.
class ClientRef : public ClientCalls<ClientRef> {
 public:
  explicit ClientRef(tcpkit_client *client = nullptr) noexcept : client_(client) {}
  explicit operator bool() const noexcept { return client_ != nullptr; }
  [[nodiscard]] tcpkit_client *get() const noexcept { return client_; }

 private:
  tcpkit_client *client_;
};

namespace detail {

// The handlers of a server or client: the user_data of its callbacks, freed by the library.
struct Handlers {
  Callable<ConnRef> on_open;
  Callable<ConnRef, Bytes> on_data;
  Callable<ConnRef, Bytes> on_packet;
  Callable<ConnRef> on_end;
  Callable<ConnRef, const CloseInfo &> on_close;
  Callable<ServerRef, const Metrics &> on_metrics;
  Callable<tcpkit_log_level, std::string_view> on_log;
  Callable<ConnRef> on_writable;
  Callable<ConnRef> on_drain;
  Callable<ConnRef> on_tls;
  // What on_connection and dial set: the callable, how it is started, and what puts the callbacks
  // of coroutines into the table. There for C++17 too, where nobody sets it: all parts of a program
  // see the same struct.
  std::shared_ptr<void> on_connection;
  void (*start_coroutine)(CoState &state) = nullptr;
  void (*add_coroutines)(tcpkit_handlers &table) = nullptr;
  bool has_framing = false;

  // Throws if what on_connection takes the place of is set besides it.
  void check() const {
    if (on_connection == nullptr) return;
    if (!on_open && !on_data && !on_packet && !on_end && !on_writable) return;
    throw Error(TCPKIT_E_INVALID_ARGUMENT,
                "on_connection takes the place of on_open, on_data, on_packet, on_end and "
                "on_writable");
  }
  Callable<ClientRef, const ConnectInfo &> on_connect_failed;
  Callable<ClientRef, const ConnectInfo &> on_reconnect;
  Callable<ConnRef> on_blocking_connection;

  // The C table for what is set. What is not stays NULL, which means something for on_end.
  tcpkit_handlers table() noexcept {
    tcpkit_handlers table = TCPKIT_HANDLERS_INIT;
    if (on_open) table.on_open = call_open;
    if (on_data) table.on_data = call_data;
    if (on_packet) table.on_packet = call_packet;
    if (on_end) table.on_end = call_end;
    if (on_close) table.on_close = call_close;
    if (on_metrics) table.on_metrics = call_metrics;
    if (on_log) table.on_log = call_log;
    if (on_writable) table.on_writable = call_writable;
    if (on_drain) table.on_drain = call_drain;
    if (on_tls) table.on_tls = call_tls;
    if (add_coroutines != nullptr) add_coroutines(table);
    if (on_connect_failed) table.on_connect_failed = call_connect_failed;
    if (on_reconnect) table.on_reconnect = call_reconnect;
    if (on_blocking_connection) table.on_connection = call_connection;
    table.user_data = this;
    table.user_data_free = free_box<Handlers>;
    return table;
  }

  static const Handlers &of(void *user_data) noexcept {
    return *static_cast<Handlers *>(user_data);
  }

 private:
  static void call_open(tcpkit_conn *conn, void *user_data) {
    of(user_data).on_open(ConnRef(conn));
  }
  static void call_data(tcpkit_conn *conn, const std::uint8_t *data, std::size_t data_size,
                        void *user_data) {
    of(user_data).on_data(ConnRef(conn), Bytes(data, data_size));
  }
  static void call_packet(tcpkit_conn *conn, const std::uint8_t *data, std::size_t data_size,
                          void *user_data) {
    of(user_data).on_packet(ConnRef(conn), Bytes(data, data_size));
  }
  static void call_end(tcpkit_conn *conn, void *user_data) { of(user_data).on_end(ConnRef(conn)); }
  static void call_close(tcpkit_conn *conn, const tcpkit_close_info *info, void *user_data) {
    of(user_data).on_close(ConnRef(conn), *info);
  }
  static void call_metrics(tcpkit_server *server, const tcpkit_metrics *metrics, void *user_data) {
    of(user_data).on_metrics(ServerRef(server), *metrics);
  }
  static void call_writable(tcpkit_conn *conn, void *user_data) {
    of(user_data).on_writable(ConnRef(conn));
  }
  static void call_drain(tcpkit_conn *conn, void *user_data) {
    of(user_data).on_drain(ConnRef(conn));
  }
  static void call_tls(tcpkit_conn *conn, void *user_data) { of(user_data).on_tls(ConnRef(conn)); }
  static void call_connect_failed(tcpkit_client *client, const tcpkit_connect_info *info,
                                  void *user_data) {
    of(user_data).on_connect_failed(ClientRef(client), *info);
  }
  static void call_reconnect(tcpkit_client *client, const tcpkit_connect_info *info,
                             void *user_data) {
    of(user_data).on_reconnect(ClientRef(client), *info);
  }
  static void call_connection(tcpkit_conn *conn, void *user_data) {
    of(user_data).on_blocking_connection(ConnRef(conn));
  }
  // Runs in the middle of any call, where nobody could catch: a line that cannot be logged is lost.
  static void call_log(tcpkit_log_level level, const char *message, void *user_data) noexcept try {
    of(user_data).on_log(level, message);
  } catch (...) {
  }
};

// The hooks of a Strategy; user_data is a shared_ptr to it.
struct StrategyHooks {
  using Pointer = std::shared_ptr<Strategy>;

  static tcpkit_strategy table(const Pointer &strategy) {
    tcpkit_strategy table = TCPKIT_STRATEGY_INIT;
    table.on_start = call_start;
    table.on_accept = call_accept;
    table.on_metrics = call_metrics;
    table.on_stop = call_stop;
    table.user_data = new Pointer(strategy);
    table.user_data_free = free_box<Pointer>;
    return table;
  }

 private:
  static Strategy &of(void *user_data) noexcept { return **static_cast<Pointer *>(user_data); }
  static void call_start(tcpkit_server *server, void *user_data) {
    of(user_data).on_start(ServerRef(server));
  }
  static void call_accept(tcpkit_conn *conn, void *user_data) {
    of(user_data).on_accept(ConnRef(conn));
  }
  static void call_metrics(tcpkit_server *server, const tcpkit_metrics *metrics, void *user_data) {
    of(user_data).on_metrics(ServerRef(server), *metrics);
  }
  static void call_stop(tcpkit_server *server, void *user_data) {
    of(user_data).on_stop(ServerRef(server));
  }
};

// The handlers about connections, which Server and Client have alike.
template <class Self>
class ConnHandlers {
 public:
  template <class F>
  void on_open(F &&handler) {
    handlers().on_open.set(std::forward<F>(handler));
  }
  template <class F>
  void on_data(F &&handler) {
    handlers().on_data.set(std::forward<F>(handler));
  }
  template <class F>
  void on_packet(F &&handler) {
    handlers().on_packet.set(std::forward<F>(handler));
  }
  template <class F>
  void on_end(F &&handler) {
    handlers().on_end.set(std::forward<F>(handler));
  }
  template <class F>
  void on_close(F &&handler) {
    handlers().on_close.set(std::forward<F>(handler));
  }
  template <class F>
  void on_log(F &&handler) {
    handlers().on_log.set(std::forward<F>(handler));
  }
  // After a send was above_high(): enough has left, sending may go on.
  template <class F>
  void on_writable(F &&handler) {
    handlers().on_writable.set(std::forward<F>(handler));
  }
  // The handshake that ConnRef::start_tls began is done.
  template <class F>
  void on_tls(F &&handler) {
    handlers().on_tls.set(std::forward<F>(handler));
  }
#if defined(TCPKIT_HPP_COROUTINES)
  // Runs handler(CoConn), which is a coroutine and returns a Task<>, for each connection. When it
  // returns, what was written still leaves and the connection closes. The handler is one object for
  // all connections, on all loops and after each reconnect, and lives until the last of its coroutines
  // has ended. A coroutine that dials by itself takes tcpkit::dial.
  template <class F>
  void on_connection(F &&handler);
#endif

 private:
  Handlers &handlers() {
    return static_cast<Self *>(this)->lazy_->handlers();
  }
};

inline Status create_c(const ServerOptions &from, std::unique_ptr<Handlers> &handlers,
                       tcpkit_server *&server);
inline Status create_c(const ClientOptions &from, std::unique_ptr<Handlers> &handlers,
                       tcpkit_client *&client);
inline void free_c(tcpkit_server *server) noexcept {
  tcpkit_server_free(server);
}
inline void free_c(tcpkit_client *client) noexcept {
  tcpkit_client_free(client);
}

// What a Server or a Client points to. The create calls of C take the handlers, so the C object is
// created at the first call that needs it, when the handlers are known; until then options and
// handlers wait here. create_c(options, handlers, out) creates it, free_c frees it.
template <class C, class Options>
class Lazy {
 public:
  explicit Lazy(const Options &options)
      : options_(options), handlers_(std::make_unique<Handlers>()) {
    if (options.framing.separator == nullptr) return;
    separator_.assign(static_cast<const char *>(options.framing.separator),
                      options.framing.separator_size);
    options_.framing.separator = separator_.data();
  }
  ~Lazy() {
    free_c(object_.load());
    // Only one that tried to be created has seen to the framing's user_data.
    const tcpkit_framing &framing = options_.framing;
    if (handlers_ && framing.user_data_free != nullptr) framing.user_data_free(framing.user_data);
  }
  Lazy(const Lazy &) = delete;
  Lazy &operator=(const Lazy &) = delete;

  C *get() {
    C *object = object_.load(std::memory_order_acquire);
    if (object != nullptr) return object;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (failure_) throw Error(*failure_);
    if (handlers_) create();
    return object_.load(std::memory_order_relaxed);
  }

  Handlers &handlers() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (handlers_) return *handlers_;
    throw Error(TCPKIT_E_ALREADY_RUNNING,
                "handlers are set before any other call of a server or client");
  }

 private:
  void create() {
    handlers_->check();
    handlers_->has_framing = options_.framing.kind != TCPKIT_FRAMING_NONE;
    C *object = nullptr;
    const Status status = create_c(options_, handlers_, object);
    if (!status.ok()) throw Error(failure_.emplace(status));
    object_.store(object, std::memory_order_release);  // pairs with the acquire in get
  }

  std::mutex mutex_;  // create against the other calls, which may come from any thread
  std::atomic<C *> object_{nullptr};
  Options options_;
  std::string separator_;
  std::unique_ptr<Handlers> handlers_;  // empty once creating the C object was tried
  std::optional<Error> failure_;        // why that failed; further calls fail in the same way
};

using LazyServer = Lazy<tcpkit_server, ServerOptions>;
using LazyClient = Lazy<tcpkit_client, ClientOptions>;

// Gives the handlers to the library, like the next one.
inline Status create_c(const ServerOptions &from, std::unique_ptr<Handlers> &handlers,
                       tcpkit_server *&server) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  copy_plain_options(from, options);
  if (!from.listen.empty()) options.listen = from.listen.c_str();
  if (!from.proxy_trusted.empty()) options.proxy_trusted = from.proxy_trusted.c_str();
  if (from.tls) options.tls = from.tls->get();
  tcpkit_strategy strategy = TCPKIT_STRATEGY_INIT;
  if (from.strategy) {
    strategy = StrategyHooks::table(from.strategy);
    options.strategy = &strategy;
  }
  std::vector<tcpkit_filter> filters;
  std::vector<const tcpkit_filter *> pointers;
  filters.reserve(from.filters.size());
  pointers.reserve(from.filters.size());
  for (const Filter &filter : from.filters) {
    pointers.push_back(&filters.emplace_back(filter.table()));
  }
  options.filters = pointers.data();
  options.filter_count = pointers.size();
  const tcpkit_handlers table = handlers.release()->table();
  return tcpkit_server_create(&options, &table, &server);
}
}  // namespace detail

// A server. Set the handlers first: the first other call fixes them, and reports wrong options.
// The handlers take
//   on_open(ConnRef)   on_data(ConnRef, Bytes)   on_packet(ConnRef, Bytes)   on_end(ConnRef)
//   on_close(ConnRef, const CloseInfo &)   on_metrics(ServerRef, const Metrics &)
//   on_writable(ConnRef)   on_drain(ConnRef)   on_tls(ConnRef)
//   on_log(tcpkit_log_level, std::string_view)   exceptions of this one are dropped
// With C++20 on_connection(CoConn) -> Task<> may take the place of those about opening, input and
// writing: a coroutine per connection, see below.
class Server : public ServerCalls<Server>, public detail::ConnHandlers<Server> {
 public:
  explicit Server(const ServerOptions &options = ServerOptions())
      : lazy_(std::make_unique<detail::LazyServer>(options)) {}

  template <class F>
  void on_metrics(F &&handler) {
    lazy_->handlers().on_metrics.set(std::forward<F>(handler));
  }
  // The server drains: say goodbye; the connection closes once it is idle.
  template <class F>
  void on_drain(F &&handler) {
    lazy_->handlers().on_drain.set(std::forward<F>(handler));
  }
  // Thread per connection: handler(ConnRef) runs on a handler thread and uses the blocking calls;
  // the connection closes when it returns.
  template <class F>
  void on_blocking_connection(F &&handler) {
    lazy_->handlers().on_blocking_connection.set(std::forward<F>(handler));
  }

  // The C handle, for calls of tcpkit.h.
  [[nodiscard]] tcpkit_server *get() const { return lazy_->get(); }
  [[nodiscard]] ServerRef ref() const { return ServerRef(get()); }

 private:
  friend class detail::ConnHandlers<Server>;
  std::unique_ptr<detail::LazyServer> lazy_;
};
static_assert(sizeof(Server) == sizeof(void *), "an owner is one pointer");

namespace detail {

inline Status create_c(const ClientOptions &from, std::unique_ptr<Handlers> &handlers,
                       tcpkit_client *&client) {
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  copy_plain_client_options(from, options);
  visit_client_texts(from, options, [](const std::string &mine, const char *&given) {
    given = text_or_null(mine);
  });
  if (from.tls) options.tls = from.tls->get();
  options.loop = from.loop.get();
  const tcpkit_handlers table = handlers.release()->table();
  return tcpkit_client_create(&options, &table, &client);
}
}  // namespace detail

// A client. Set the handlers first: the first other call fixes them, and reports wrong options.
// Besides those of Server that are about connections, the handlers take
//   on_connect_failed(ClientRef, const ConnectInfo &)   on_reconnect(ClientRef, const ConnectInfo &)
// on_connection too is as it is there.
class Client : public ClientCalls<Client>, public detail::ConnHandlers<Client> {
 public:
  explicit Client(const ClientOptions &options = ClientOptions())
      : lazy_(std::make_unique<detail::LazyClient>(options)) {}

  // An attempt failed; none follows by itself if info.retry_in_ms is TCPKIT_UNLIMITED.
  template <class F>
  void on_connect_failed(F &&handler) {
    lazy_->handlers().on_connect_failed.set(std::forward<F>(handler));
  }
  // The connection was lost, and an attempt follows.
  template <class F>
  void on_reconnect(F &&handler) {
    lazy_->handlers().on_reconnect.set(std::forward<F>(handler));
  }

  // The C handle, for calls of tcpkit.h.
  [[nodiscard]] tcpkit_client *get() const { return lazy_->get(); }
  [[nodiscard]] ClientRef ref() const { return ClientRef(get()); }

 private:
  friend class detail::ConnHandlers<Client>;
  std::unique_ptr<detail::LazyClient> lazy_;
};
static_assert(sizeof(Client) == sizeof(void *), "an owner is one pointer");

// A loop of your own, for clients, tasks and timers; see tcpkit_loop_create. It must be freed after
// what runs on it no longer needs it.
class Loop {
 public:
  explicit Loop(std::size_t read_buffer_size = 0) {
    tcpkit_loop_options options = TCPKIT_LOOP_OPTIONS_INIT;
    options.read_buffer_size = read_buffer_size;
    tcpkit_loop *loop = nullptr;
    Status(tcpkit_loop_create(&options, &loop)).or_throw();
    loop_.reset(loop);
  }

  void start() const { Status(tcpkit_loop_start(get())).or_throw(); }
  // On this thread, until stop.
  void run() const { Status(tcpkit_loop_run(get())).or_throw(); }
  void stop() const { Status(tcpkit_loop_stop(get())).or_throw(); }

  operator LoopRef() const noexcept { return LoopRef(get()); }
  [[nodiscard]] LoopRef ref() const noexcept { return LoopRef(get()); }
  [[nodiscard]] tcpkit_loop *get() const noexcept { return loop_.get(); }

 private:
  struct Free {
    void operator()(tcpkit_loop *loop) const noexcept { tcpkit_loop_free(loop); }
  };
  std::unique_ptr<tcpkit_loop, Free> loop_;
};
static_assert(sizeof(Loop) == sizeof(void *), "an owner is one pointer");

// ---- Services ----------------------------------------------------------------------------------
//
//   tcpkit::run_services({&server, &admin, {&client, "tcp://127.0.0.1:7000"}});

// One of those that run_services runs. It borrows the server or client, and owns the address.
class Service {
 public:
  Service(const Server *server) : server_(server->get()) {}
  Service(ServerRef server) noexcept : server_(server.get()) {}
  Service(const Client *client, std::string address)
      : client_(client->get()), address_(std::move(address)) {}
  Service(ClientRef client, std::string address) noexcept
      : client_(client.get()), address_(std::move(address)) {}

  // Borrowed from this.
  [[nodiscard]] tcpkit_service raw() const noexcept {
    tcpkit_service service = TCPKIT_SERVICE_INIT;
    service.server = server_;
    service.client = client_;
    if (client_ != nullptr) service.address = address_.c_str();
    return service;
  }

 private:
  tcpkit_server *server_ = nullptr;
  tcpkit_client *client_ = nullptr;
  std::string address_;
};

struct RunOptions {
  tcpkit_switch handle_signals = TCPKIT_DEFAULT;
  std::uint64_t drain_timeout_ms = 0;
};

// Runs them until a signal, the first error, which is thrown, or the end of them all; see
// tcpkit_run_services.
inline void run_services(const std::vector<Service> &services,
                         const RunOptions &options = RunOptions()) {
  std::vector<tcpkit_service> raw;
  raw.reserve(services.size());
  for (const Service &service : services) raw.push_back(service.raw());
  tcpkit_run_options raw_options = TCPKIT_RUN_OPTIONS_INIT;
  raw_options.handle_signals = options.handle_signals;
  raw_options.drain_timeout_ms = options.drain_timeout_ms;
  Status(tcpkit_run_services(raw.data(), raw.size(), &raw_options)).or_throw();
}

#if defined(TCPKIT_HPP_COROUTINES)

// ---- Coroutines (C++20) ------------------------------------------------------------------------
//
//   server.on_connection([](tcpkit::CoConn conn) -> tcpkit::Task<> {
//     while (auto packet = co_await conn.read_packet()) co_await conn.write_packet(*packet);
//   });
//
// Where coroutines run, and why that is safe:
//  - Each await of a CoConn is resumed on the loop of its connection, inside a callback of that
//    connection or of one of its timers, and never inside a call that somebody made. So awaits are
//    made there too. A coroutine that awaited something of another library may find itself on
//    another thread; from there only calls marked "Thread: any", notify() and resume_on_loop() are
//    allowed, and it may end there.
//  - What a connection has for its coroutines, the CoState, is counted: by the connection until
//    on_close has returned, by each CoConn, and by each task until it has ended. A callback uses
//    only the connection's count, which cannot go away inside it: on_close is a callback itself, and
//    callbacks of one connection do not nest. So a coroutine may end, and close, abort or even
//    free its server, inside the resumption that a callback made: what the callback looks at
//    afterwards is still there.
//  - What a coroutine waits with lies in its own frame and is in a list of the CoState. It is taken
//    out before the coroutine is resumed, and takes itself out when the frame is destroyed.
//  - When the connection ends, on_close resumes all that wait, each with its status; whoever awaits
//    after that is answered at once.
//  - A dial goes on inside a callback of the new connection, or of its client, on the same loop.

// A value, or the status that says why there is none: true with a value, which * and -> give.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) noexcept : value_(std::move(value)) {}
  Result(Status why_none) noexcept : status_(why_none) {}

  [[nodiscard]] bool ok() const noexcept { return status_.ok(); }
  explicit operator bool() const noexcept { return ok(); }
  // TCPKIT_OK with a value. At the end of the peer's stream it is TCPKIT_E_END.
  [[nodiscard]] Status status() const noexcept { return status_; }
  [[nodiscard]] T &operator*() noexcept { return value_; }
  [[nodiscard]] const T &operator*() const noexcept { return value_; }
  [[nodiscard]] T *operator->() noexcept { return &value_; }
  [[nodiscard]] const T *operator->() const noexcept { return &value_; }
  // The value; throws Error if there is none.
  T or_throw() && {
    if (!ok()) throw Error(status_, status_.text());
    return std::move(value_);
  }

 private:
  T value_{};
  Status status_;
};

namespace detail {

// What the promises of all tasks have in common.
class PromiseBase {
 public:
  // Called with its owner once a task that nobody awaits has ended and its frame is gone.
  using Ended = void (*)(CoState *owner, const std::exception_ptr &thrown) noexcept;

  PromiseBase() = default;
  PromiseBase(const PromiseBase &) = delete;
  PromiseBase &operator=(const PromiseBase &) = delete;

  void belong_to(CoState *owner, Ended ended) noexcept {
    owner_ = owner;
    ended_ = ended;
  }
  void go_on_with(std::coroutine_handle<> awaiter) noexcept { awaiter_ = awaiter; }

  static std::suspend_always initial_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { thrown_ = std::current_exception(); }

  struct Final {
    static bool await_ready() noexcept { return false; }
    // Not inline, since what it uses after the destruction must not be in the frame.
    template <class Promise>
    [[gnu::noinline]] std::coroutine_handle<> await_suspend(
        std::coroutine_handle<Promise> task) const noexcept {
      PromiseBase &promise = task.promise();
      if (promise.ended_ == nullptr) return promise.awaiter_;
      const Ended ended = promise.ended_;
      CoState *const owner = promise.owner_;
      const std::exception_ptr thrown = std::move(promise.thrown_);
      task.destroy();  // and this with it
      ended(owner, thrown);
      return std::noop_coroutine();
    }
    static void await_resume() noexcept {}
  };
  static Final final_suspend() noexcept { return {}; }

 protected:
  void rethrow() const {
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  std::coroutine_handle<> awaiter_ = nullptr;
  CoState *owner_ = nullptr;
  Ended ended_ = nullptr;
  std::exception_ptr thrown_;
};

template <class T>
class Promise : public PromiseBase {
 public:
  std::coroutine_handle<Promise> get_return_object() noexcept {
    return std::coroutine_handle<Promise>::from_promise(*this);
  }
  template <class U>
  void return_value(U &&value) {
    value_.emplace(std::forward<U>(value));
  }
  T take() {
    rethrow();
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class Promise<void> : public PromiseBase {
 public:
  std::coroutine_handle<Promise> get_return_object() noexcept {
    return std::coroutine_handle<Promise>::from_promise(*this);
  }
  static void return_void() noexcept {}
  void take() const { rethrow(); }
};

}  // namespace detail

// A coroutine that has not begun: co_await std::move(task), or co_await call(), runs it and gives
// what it returns, or throws what it throws. Owns the frame; a task that is destroyed before its
// end is given up, with all that it awaits.
template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task(Handle handle) noexcept : handle_(handle) {}
  Task(Task &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task &operator=(Task &&other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  // What co_await works with: a borrowed frame.
  class Awaiter {
   public:
    explicit Awaiter(Handle handle) noexcept : handle_(handle) {}
    static bool await_ready() noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) const noexcept {
      handle_.promise().go_on_with(awaiter);
      return handle_;
    }
    T await_resume() const { return handle_.promise().take(); }

   private:
    Handle handle_;
  };
  Awaiter operator co_await() &&noexcept {
    assert(handle_ && !handle_.done());
    return Awaiter(handle_);
  }
  // Gives up the frame; for those who start it.
  [[nodiscard]] Handle release() noexcept { return std::exchange(handle_, nullptr); }

 private:
  Handle handle_;
};

namespace detail {

// One await that is not over: it lies in the frame of the coroutine, and at most in one list.
class CoWait {
 public:
  CoWait() noexcept {}  // leaves alone what only a wait needs: most awaits do not wait
  CoWait(const CoWait &) = delete;
  CoWait &operator=(const CoWait &) = delete;
  ~CoWait() { unlink(); }

  void unlink() noexcept {
    if (link_ == nullptr) return;
    *link_ = next_;
    if (next_ != nullptr) next_->link_ = link_;
    link_ = nullptr;
  }
  [[nodiscard]] bool is_waiting() const noexcept { return link_ != nullptr; }
  // It is over; nothing of this may be touched after that.
  void resume(tcpkit_status status) noexcept {
    unlink();
    status_ = status;
    std::coroutine_handle<>::from_address(frame_).resume();
  }

 protected:
  void wait_in(CoWait *&list, std::coroutine_handle<> coroutine) noexcept {
    frame_ = coroutine.address();
    next_ = list;
    if (next_ != nullptr) next_->link_ = &next_;
    link_ = &list;
    list = this;
  }

  tcpkit_status status_ = TCPKIT_OK;

 private:
  friend class CoWaits;
  void *frame_;
  CoWait *next_;
  CoWait **link_ = nullptr;  // what points at this; null: not in a list
};

// The one that reads, if it waits: in a place of its own instead of a list, since it goes in and
// out with every packet.
class CoRead {
 public:
  explicit CoRead(CoState &state) noexcept : state_(state) {}
  CoRead(const CoRead &) = delete;
  CoRead &operator=(const CoRead &) = delete;
  inline ~CoRead();

  // It is over and out of its place; nothing of this may be touched after that.
  void resume(tcpkit_status status) noexcept {
    status_ = status;
    std::coroutine_handle<>::from_address(frame_).resume();
  }

 protected:
  inline void wait(std::coroutine_handle<> coroutine) noexcept;

  CoState &state_;
  tcpkit_status status_ = TCPKIT_OK;

 private:
  void *frame_;  // of a wait
};

// Resumes all that are in list now, and none that comes meanwhile.
class CoWaits {
 public:
  static void resume_all(CoWait *&list, tcpkit_status status) noexcept {
    CoWait *now = std::exchange(list, nullptr);
    if (now != nullptr) now->link_ = &now;
    while (now != nullptr) now->resume(status);
  }
};

// Bytes kept for a coroutine, in memory that is used again and again.
class CoBytes {
 public:
  void assign(Bytes bytes) {
    const std::size_t size = bytes.size();
    if (size > capacity_) grow(size);
    size_ = size;
    if (size > 64 || size < 16) return copy(bytes);
    // A small packet in four pieces that overlap: a call of memcpy costs more than that.
    const std::size_t half = size >= 32 ? 16 : 0;
    std::uint8_t *const to = memory_.get();
    const std::uint8_t *const from = bytes.data();
    copy_16(to, from);
    copy_16(to + half, from + half);
    copy_16(to + size - half - 16, from + size - half - 16);
    copy_16(to + size - 16, from + size - 16);
  }
  [[nodiscard]] Bytes bytes() const noexcept { return {memory_.get(), size_}; }
  // While a connection is quiet it does not hold on to much memory.
  void trim() noexcept {
    if (capacity_ <= kKept) return;
    memory_.reset();
    size_ = capacity_ = 0;
  }

 private:
  static constexpr std::size_t kKept = 16u << 10;

  static void copy_16(std::uint8_t *to, const std::uint8_t *from) noexcept {
    std::memcpy(to, from, 16);
  }
  void copy(Bytes bytes) noexcept {
    if (!bytes.empty()) std::memcpy(memory_.get(), bytes.data(), bytes.size());
  }
  [[gnu::noinline]] void grow(std::size_t size) {
    const std::size_t capacity = size > 2 * capacity_ ? size : 2 * capacity_;
    memory_.reset(new std::uint8_t[capacity]);
    capacity_ = capacity;
  }

  std::unique_ptr<std::uint8_t[]> memory_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// What a connection has for its coroutines. Home thread: that of the loop, but for retain, release,
// close, fail, notify and post.
class CoState {
 public:
  CoState(tcpkit_conn *conn, const Handlers &handlers)
      : handler_(handlers.on_connection),
        conn_(tcpkit_conn_retain(conn)),
        packets_(handlers.has_framing ? 0 : kNoFraming) {}
  CoState(const CoState &) = delete;
  CoState &operator=(const CoState &) = delete;

  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (closes_when_dropped_) return drop();
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  // Once only the connection itself keeps this, nobody can ever use it: it is closed then. For
  // those that no main task closes; set before anybody else has a reference.
  void close_when_dropped() noexcept { closes_when_dropped_ = true; }

  [[nodiscard]] tcpkit_conn *conn() const noexcept { return conn_; }
  [[nodiscard]] void *handler() const noexcept { return handler_.get(); }
  [[nodiscard]] bool is_on_loop() const noexcept {
    return tcpkit_loop_is_current(tcpkit_conn_loop(conn_)) != 0;
  }

  // Runs a task that nobody awaits; ended gets this, retained.
  void start(Task<> task, PromiseBase::Ended ended) noexcept {
    const Task<>::Handle handle = task.release();
    retain();
    handle.promise().belong_to(this, ended);
    handle.resume();
  }
  static void main_ended(CoState *state, const std::exception_ptr &thrown) noexcept {
    if (thrown) {
      state->fail(thrown);
    } else {
      state->close();
    }
    state->release();
  }
  static void helper_ended(CoState *state, const std::exception_ptr &thrown) noexcept {
    if (thrown) state->fail(thrown);
    state->release();
  }

  // Any thread. Closes, and lets those that wait know soon, not only once the peer has ended its
  // stream too. If that cannot be posted, on_close tells them.
  Status close() noexcept {
    const Status status = tcpkit_conn_close(conn_);
    if (is_on_loop()) {
      refuse_waits(TCPKIT_E_CLOSED);
      packets_ &= ~kKept;
      input_ = Bytes();
      if (!has_waits()) return status;
    }
    (void)post(cancel_posted);
    return status;
  }
  // Any thread. An exception has left a task: the connection learns of it as of one that leaves a
  // callback.
  void fail(const std::exception_ptr &thrown) noexcept {
    auto *copy = new (std::nothrow) std::exception_ptr(thrown);
    const auto free = [](void *user_data) { delete static_cast<std::exception_ptr *>(user_data); };
    const auto task = [](tcpkit_conn *, void *user_data) {
      std::rethrow_exception(*static_cast<std::exception_ptr *>(user_data));
    };
    if (copy == nullptr || tcpkit_conn_post(conn_, task, copy, free) != TCPKIT_OK) {
      (void)tcpkit_conn_abort(conn_);
      return;
    }
    (void)post(cancel_posted);  // behind it, so that this is the reason of the close
  }
  // Any thread.
  Status post(tcpkit_conn_fn task, void *user_data = nullptr) const noexcept {
    return tcpkit_conn_post(conn_, task, user_data, nullptr);
  }
  // Any thread. One notification that nobody has taken is as good as many.
  Status notify() noexcept {
    if (is_notified_.exchange(true, std::memory_order_acq_rel)) return TCPKIT_OK;
    const Status status = post(notified_posted);
    if (!status.ok()) is_notified_.store(false, std::memory_order_relaxed);
    return status;
  }
  bool take_notification() noexcept {
    return is_notified_.exchange(false, std::memory_order_acq_rel);
  }

  // The same bytes as the library knows them, if they are those of the packet that it has in hand, or
  // its beginning: it need not look for a separator in there when they are sent.
  [[nodiscard]] Bytes as_in_hand(const Bytes &bytes) const noexcept {
    const Bytes packet = packet_.bytes();
    const bool is_of_it = bytes.data() == packet.data() && bytes.size() <= packet.size();
    return is_of_it && packet_in_hand_ != nullptr ? Bytes(packet_in_hand_, bytes.size()) : bytes;
  }
  // Whether bytes have arrived that no coroutine has read.
  [[nodiscard]] bool has_unread() const noexcept {
    return (packets_ & kKept) != 0 || !input_.empty();
  }

  static void call_open(tcpkit_conn *conn, void *user_data) {
    const Handlers &handlers = Handlers::of(user_data);
    auto *state = new CoState(conn, handlers);
    Status(tcpkit_conn_set_user_data(conn, state, [](void *owned) {
      static_cast<CoState *>(owned)->release();
    })).or_throw();
    handlers.start_coroutine(*state);
  }
  static void call_data(tcpkit_conn *conn, const std::uint8_t *data, std::size_t data_size, void *);
  static void call_packet(tcpkit_conn *conn, const std::uint8_t *data, std::size_t data_size,
                          void *) {
    CoState &state = *of(conn);
    CoRead *const reader = state.reader_;
    if (reader == nullptr) return state.keep({data, data_size});
    state.packet_.assign({data, data_size});
    state.packet_in_hand_ = data;
    state.reader_ = nullptr;
    reader->resume(TCPKIT_OK);
    state.packet_in_hand_ = nullptr;
  }
  static void call_end(tcpkit_conn *conn, void *) {
    CoState &state = *of(conn);
    state.no_more_input(TCPKIT_E_END);
    state.resume_reader(TCPKIT_E_END);
  }
  static void call_writable(tcpkit_conn *conn, void *) {
    CoWaits::resume_all(of(conn)->writers_, TCPKIT_OK);
  }
  static void call_close(tcpkit_conn *conn, const tcpkit_close_info *info, void *user_data) {
    CoState *state = of(conn);
    if (state != nullptr) {  // it has none if it ended before on_open
      state->cancel(info->status != TCPKIT_OK ? info->status : TCPKIT_E_CLOSED);
    }
    const Handlers &handlers = Handlers::of(user_data);
    if (handlers.on_close) handlers.on_close(ConnRef(conn), *info);
  }

 private:
  friend class CoRead;
  friend class CoPacketRead;
  friend class CoByteRead;
  friend class CoWrite;
  friend class CoSleep;
  friend class CoNotified;
  friend class CoDial;

  // Why read_packet cannot just wait; bits of packets_.
  static constexpr std::uint32_t kKept = 1;       // something is here already
  static constexpr std::uint32_t kOver = 2;       // nothing comes any more
  static constexpr std::uint32_t kNoFraming = 4;  // there are no packets

  ~CoState() { tcpkit_conn_release(conn_); }

  // Of two references one is ours and the other the connection's, unless that has ended; then a
  // close does nothing. It comes before the count goes down, as this may be gone afterwards.
  [[gnu::noinline]] void drop() noexcept {
    std::uint32_t count = references_.load(std::memory_order_acquire);
    do {
      if (count == 2) (void)tcpkit_conn_close(conn_);
    } while (!references_.compare_exchange_weak(count, count - 1, std::memory_order_acq_rel));
    if (count == 1) delete this;
  }

  // Null after on_close.
  static CoState *of(tcpkit_conn *conn) noexcept {
    return static_cast<CoState *>(tcpkit_conn_user_data(conn));
  }
  static void cancel_posted(tcpkit_conn *conn, void *) {
    CoState *state = of(conn);
    if (state != nullptr) state->cancel(TCPKIT_E_CLOSED);
  }
  static void notified_posted(tcpkit_conn *conn, void *) {
    CoState *state = of(conn);
    if (state == nullptr || state->listeners_ == nullptr || !state->take_notification()) return;
    CoWaits::resume_all(state->listeners_, TCPKIT_OK);
  }

  [[nodiscard]] bool has_waits() const noexcept {
    return reader_ != nullptr || writers_ != nullptr || sleepers_ != nullptr ||
           listeners_ != nullptr;
  }
  // No await suspends any more.
  void refuse_waits(tcpkit_status status) noexcept {
    if (read_status_ == TCPKIT_OK) no_more_input(status);
    is_over_ = true;
  }
  void no_more_input(tcpkit_status status) noexcept {
    read_status_ = status;
    packets_ |= kOver;
  }
  void resume_reader(tcpkit_status status) noexcept {
    CoRead *const reader = std::exchange(reader_, nullptr);
    if (reader != nullptr) reader->resume(status);
  }
  void cancel(tcpkit_status status) noexcept {
    refuse_waits(status);
    resume_reader(read_status_);
    CoWaits::resume_all(writers_, status);
    CoWaits::resume_all(sleepers_, TCPKIT_E_CANCELLED);
    CoWaits::resume_all(listeners_, TCPKIT_E_CANCELLED);
  }

  // Nobody reads what has arrived: it is copied, and nothing more is to come until it is read. So
  // at most one packet, or what one call of on_data gave, is kept here.
  [[gnu::noinline]] void keep(Bytes bytes) {
    assert((packets_ & kKept) == 0);
    kept_.assign(bytes);
    packets_ |= kKept;
    (void)tcpkit_conn_pause_reading(conn_);
  }
  void nothing_kept() noexcept {
    packets_ &= ~kKept;
    (void)tcpkit_conn_resume_reading(conn_);
  }
  // Why a read can neither be answered from what is here nor wait; TCPKIT_OK: it waits.
  [[nodiscard]] tcpkit_status why_no_wait() const noexcept {
    if (read_status_ != TCPKIT_OK) return read_status_;
    return reader_ == nullptr ? TCPKIT_OK : TCPKIT_E_INVALID_ARGUMENT;
  }

  CoRead *reader_ = nullptr;
  CoWait *writers_ = nullptr;
  CoWait *sleepers_ = nullptr;
  CoWait *listeners_ = nullptr;
  CoBytes packet_;  // the one that the coroutine has
  CoBytes kept_;    // one that it has not, or bytes
  Bytes input_;     // unread bytes: in kept_, or, inside on_data, the caller's
  const std::uint8_t *packet_in_hand_ = nullptr;  // inside on_packet, what packet_ is a copy of
  const std::shared_ptr<void> handler_;
  tcpkit_conn *const conn_;
  std::atomic<std::uint32_t> references_{1};
  tcpkit_status read_status_ = TCPKIT_OK;  // why nothing comes any more
  std::atomic<bool> is_notified_{false};
  std::uint32_t packets_;
  bool is_over_ = false;  // the connection is closing or closed
  bool closes_when_dropped_ = false;
};

CoRead::~CoRead() {
  if (state_.reader_ == this) state_.reader_ = nullptr;
}

void CoRead::wait(std::coroutine_handle<> coroutine) noexcept {
  frame_ = coroutine.address();
  state_.reader_ = this;
}

class CoPacketRead : public CoRead {
 public:
  using CoRead::CoRead;
  bool await_ready() noexcept {
    return (state_.packets_ != 0 || state_.reader_ != nullptr) && take_or_refuse();
  }
  void await_suspend(std::coroutine_handle<> coroutine) noexcept {
    assert(state_.is_on_loop());
    state_.packet_.trim();
    wait(coroutine);
  }
  Result<Bytes> await_resume() const noexcept {
    if (status_ != TCPKIT_OK) return Status(status_);
    return state_.packet_.bytes();
  }

 private:
  [[gnu::noinline]] bool take_or_refuse() noexcept {
    if ((state_.packets_ & CoState::kNoFraming) != 0) {
      status_ = TCPKIT_E_NOT_SUPPORTED;
    } else if ((state_.packets_ & CoState::kKept) != 0) {
      std::swap(state_.packet_, state_.kept_);
      state_.kept_.trim();
      state_.nothing_kept();
    } else {
      status_ = state_.why_no_wait();
    }
    return true;
  }
};

// Waits for at least so many bytes.
class CoByteRead : public CoRead {
 public:
  CoByteRead(CoState &state, std::span<std::uint8_t> target, std::size_t least) noexcept
      : CoRead(state), target_(target), least_(least) {}
  bool await_ready() noexcept {
    if (target_.empty() && least_ > 0) return refuse(TCPKIT_E_INVALID_ARGUMENT);
    if ((state_.packets_ & CoState::kNoFraming) == 0) return refuse(TCPKIT_E_NOT_SUPPORTED);
    if (least_ == 0 || take()) return true;
    return refuse(state_.why_no_wait());
  }
  void await_suspend(std::coroutine_handle<> coroutine) noexcept {
    assert(state_.is_on_loop());
    state_.kept_.trim();
    wait(coroutine);
  }
  Result<Bytes> await_resume() const noexcept {
    if (status_ == TCPKIT_OK) return filled();
    // TCPKIT_E_END means that nothing is missing.
    if (status_ == TCPKIT_E_END && filled_ > 0) return Status(TCPKIT_E_UNEXPECTED_EOF);
    return Status(status_);
  }

  // Takes what is there; true if that is enough.
  bool take() noexcept {
    Bytes &input = state_.input_;
    const std::size_t room = target_.size() - filled_;
    const std::size_t taken = input.size() < room ? input.size() : room;
    if (taken > 0) std::memcpy(target_.data() + filled_, input.data(), taken);
    filled_ += taken;
    input = Bytes(input.data() + taken, input.size() - taken);
    if (input.empty() && (state_.packets_ & CoState::kKept) != 0) state_.nothing_kept();
    return filled_ >= least_;
  }

 private:
  bool refuse(tcpkit_status status) noexcept {
    status_ = status;
    return status != TCPKIT_OK;
  }
  [[nodiscard]] Bytes filled() const noexcept { return {target_.data(), filled_}; }

  const std::span<std::uint8_t> target_;
  const std::size_t least_;
  std::size_t filled_ = 0;
};

// The bytes were sent when this was made; it waits for room.
class CoWrite : public CoWait {
 public:
  CoWrite(CoState &state, tcpkit_status sent) noexcept : state_(state) { status_ = sent; }
  bool await_ready() const noexcept { return status_ != TCPKIT_OK_ABOVE_HIGH || state_.is_over_; }
  void await_suspend(std::coroutine_handle<> coroutine) noexcept {
    assert(state_.is_on_loop());
    wait_in(state_.writers_, coroutine);
  }
  Status await_resume() const noexcept {
    return status_ == TCPKIT_OK_ABOVE_HIGH ? TCPKIT_OK : status_;
  }

 private:
  CoState &state_;
};

class CoSleep : public CoWait {
 public:
  CoSleep(CoState &state, std::uint64_t delay_ms) noexcept : state_(state), delay_ms_(delay_ms) {}
  ~CoSleep() {
    if (is_waiting()) stop();
  }
  CoSleep(const CoSleep &) = delete;
  CoSleep &operator=(const CoSleep &) = delete;

  bool await_ready() noexcept {
    if (state_.is_over_) status_ = TCPKIT_E_CANCELLED;
    return state_.is_over_;
  }
  bool await_suspend(std::coroutine_handle<> coroutine) noexcept {
    assert(state_.is_on_loop());
    tcpkit_timer_options options = TCPKIT_TIMER_OPTIONS_INIT;
    options.delay_ms = delay_ms_;
    options.on_timer = [](tcpkit_loop *, void *user_data) {
      static_cast<CoSleep *>(user_data)->resume(TCPKIT_OK);
    };
    options.user_data = this;
    status_ = tcpkit_loop_start_timer(tcpkit_conn_loop(state_.conn_), &options, &timer_id_);
    if (status_ != TCPKIT_OK) return false;
    wait_in(state_.sleepers_, coroutine);
    return true;
  }
  [[nodiscard]] Status await_resume() noexcept {
    if (status_ == TCPKIT_E_CANCELLED) stop();
    return status_;
  }

 private:
  void stop() noexcept {
    if (timer_id_ != 0) (void)tcpkit_loop_stop_timer(tcpkit_conn_loop(state_.conn_), timer_id_);
    timer_id_ = 0;
  }

  CoState &state_;
  const std::uint64_t delay_ms_;
  std::uint64_t timer_id_ = 0;
};

class CoNotified : public CoWait {
 public:
  explicit CoNotified(CoState &state) noexcept : state_(state) {}
  bool await_ready() noexcept {
    if (state_.is_over_) {
      status_ = TCPKIT_E_CANCELLED;
      return true;
    }
    return state_.take_notification();
  }
  void await_suspend(std::coroutine_handle<> coroutine) noexcept {
    assert(state_.is_on_loop());
    wait_in(state_.listeners_, coroutine);
  }
  [[nodiscard]] Status await_resume() const noexcept { return status_; }

 private:
  CoState &state_;
};

// Back to the loop; there it costs nothing.
class CoToLoop {
 public:
  explicit CoToLoop(CoState &state) noexcept : state_(state) {}
  bool await_ready() const noexcept { return state_.is_on_loop(); }
  // Once the task is posted the loop may have it, and this with it. Not inline: compilers before
  // clang 17 may put the variables of an inlined await_suspend into the frame that goes away.
  [[gnu::noinline]] bool await_suspend(std::coroutine_handle<> coroutine) noexcept {
    const auto task = [](tcpkit_conn *, void *address) {
      std::coroutine_handle<>::from_address(address).resume();
    };
    const Conn held{ConnRef(state_.conn())};  // until the call has returned
    const Status posted = tcpkit_conn_post(held.get(), task, coroutine.address(), nullptr);
    if (posted.ok()) return true;
    status_ = posted;
    return false;
  }
  [[nodiscard]] Status await_resume() const noexcept { return status_; }

 private:
  CoState &state_;
  Status status_;
};

inline void CoState::call_data(tcpkit_conn *conn, const std::uint8_t *data, std::size_t data_size,
                               void *) {
  CoState &state = *of(conn);
  state.input_ = Bytes(data, data_size);
  auto *reader = static_cast<CoByteRead *>(state.reader_);
  // Whoever still waits has taken everything.
  if (reader != nullptr && reader->take()) state.resume_reader(TCPKIT_OK);
  const Bytes unread = std::exchange(state.input_, Bytes());
  if (unread.empty()) return;
  state.keep(unread);
  state.input_ = state.kept_.bytes();
}

}  // namespace detail

namespace detail {
class CoDial;
}

// A connection in its coroutine, with all calls of a ConnRef. Copies refer to the same connection,
// and keep the handle valid after it has ended. An await that is not over when the connection ends
// completes at once: reads and writes with the status of the close if that has one, such as
// TCPKIT_E_RESET or TCPKIT_E_TIMED_OUT, else with TCPKIT_E_CLOSED, and the others with
// TCPKIT_E_CANCELLED. So does every await after that: a loop of a coroutine must look at one of
// them, or it never ends. The user data of the connection belongs to the coroutine.
class CoConn : public ConnCalls<CoConn> {
 public:
  CoConn() noexcept = default;
  explicit CoConn(detail::CoState &state) noexcept : state_(&state) { state.retain(); }
  CoConn(const CoConn &other) noexcept : state_(other.state_) {
    if (state_ != nullptr) state_->retain();
  }
  CoConn(CoConn &&other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  CoConn &operator=(CoConn other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~CoConn() {
    if (state_ != nullptr) state_->release();
  }

  // Waits for bytes and gives the part of buffer that they fill, at least one byte. Without framing
  // only, else TCPKIT_E_NOT_SUPPORTED. What was received is given before the end or the failure
  // that follows it. One coroutine reads at a time, another one is answered
  // TCPKIT_E_INVALID_ARGUMENT, like an empty buffer.
  template <class Byte, std::size_t Extent>
  [[nodiscard]] detail::CoByteRead read(std::span<Byte, Extent> buffer) const noexcept {
    return {*state_, writable(buffer), 1};
  }
  template <class Range>
  [[nodiscard]] detail::CoByteRead read(Range &buffer) const noexcept {
    return read(std::span(buffer));
  }
  // The same until buffer is full. TCPKIT_E_END if the stream ends before its first byte,
  // TCPKIT_E_UNEXPECTED_EOF if it ends later.
  template <class Byte, std::size_t Extent>
  [[nodiscard]] detail::CoByteRead read_exactly(std::span<Byte, Extent> buffer) const noexcept {
    return {*state_, writable(buffer), buffer.size()};
  }
  template <class Range>
  [[nodiscard]] detail::CoByteRead read_exactly(Range &buffer) const noexcept {
    return read_exactly(std::span(buffer));
  }
  // Waits for a packet, which is valid until the next read_packet of this connection. With framing
  // only, else TCPKIT_E_NOT_SUPPORTED; else like read.
  [[nodiscard]] detail::CoPacketRead read_packet() const noexcept {
    return detail::CoPacketRead(*state_);
  }
  // Sends a copy at once, in this call; what is awaited is room: if more than high_watermark bytes
  // are queued, it waits until no more than low_watermark are. TCPKIT_OK_ABOVE_HIGH is not told.
  [[nodiscard]] detail::CoWrite write(const Bytes &data) const noexcept {
    return {*state_, send(data).code()};
  }
  [[nodiscard]] detail::CoWrite write_packet(const Bytes &packet) const noexcept {
    return {*state_, send_packet(state_->as_in_hand(packet)).code()};
  }
  // Waits for a time, at least; TCPKIT_E_CANCELLED if the connection ends before.
  template <class Rep, class Period>
  [[nodiscard]] detail::CoSleep sleep_for(std::chrono::duration<Rep, Period> time) const noexcept {
    return {*state_, detail::to_ms(std::chrono::ceil<std::chrono::milliseconds>(time))};
  }

  // Waits for a notify(); at once if there was one that nobody has waited for. Several in a row may
  // be seen as one, so look at all that they could be about. TCPKIT_E_CANCELLED if the connection
  // ends before.
  [[nodiscard]] detail::CoNotified notified() const noexcept { return detail::CoNotified(*state_); }
  // Lets those go on that wait in notified(), soon, on the loop.
  // Thread: any.
  Status notify() const noexcept { return state_->notify(); }
  // Goes on on the loop of the connection; TCPKIT_E_NOT_RUNNING, and goes on here, if that has
  // stopped, and the connection with it.
  // Thread: any.
  [[nodiscard]] detail::CoToLoop resume_on_loop() const noexcept {
    return detail::CoToLoop(*state_);
  }
  // Runs one more task for this connection, beginning now, up to its first wait: a Task<>, or a
  // callable that makes one of a CoConn, and that is kept until its end. Its end closes nothing; an
  // exception that leaves it closes the connection.
  // Thread: loop.
  void spawn(Task<> task) const noexcept {
    assert(state_->is_on_loop());
    state_->start(std::move(task), detail::CoState::helper_ended);
  }
  template <class F, class = std::enable_if_t<std::is_invocable_v<F &, CoConn>>>
  void spawn(F callable) const {
    spawn(keep_and_run(std::move(callable), *this));
  }

  // Like ConnRef::close, and all that is awaited of this connection completes at once.
  // Thread: any.
  Status close() const noexcept { return state_->close(); }
  // Like ConnRef::start_tls. What has come in clear and was not read ends the connection, because
  // somebody may have put it there; the answer then is TCPKIT_E_CLOSED.
  [[nodiscard]] Status start_tls(const Tls &tls, tcpkit_tls_role role = TCPKIT_TLS_SERVER,
                                 const char *server_name = nullptr) const noexcept {
    if (!state_->has_unread()) return ConnCalls::start_tls(tls, role, server_name);
    (void)abort();
    return TCPKIT_E_CLOSED;
  }
  // The user data and the pausing are the coroutine's own: its variables, and its not reading.
  template <class T>
  Status set_user_data(std::unique_ptr<T> object) const = delete;
  template <class T>
  T *user_data() const = delete;
  Status pause_reading() const = delete;
  Status resume_reading() const = delete;

  operator ConnRef() const noexcept { return ConnRef(get()); }
  explicit operator bool() const noexcept { return state_ != nullptr; }
  [[nodiscard]] tcpkit_conn *get() const noexcept {
    return state_ != nullptr ? state_->conn() : nullptr;
  }
  friend bool operator==(const CoConn &a, const CoConn &b) noexcept { return a.state_ == b.state_; }
  friend inline detail::CoDial dial(const CoConn &conn, const std::string &address,
                                    const ClientOptions &options);

 private:
  template <class Byte, std::size_t Extent>
  static std::span<std::uint8_t> writable(std::span<Byte, Extent> buffer) noexcept {
    static_assert(sizeof(Byte) == 1 && !std::is_const_v<Byte>, "bytes that can be written");
    return {reinterpret_cast<std::uint8_t *>(buffer.data()), buffer.size()};
  }
  // The frame keeps the callable, whose captures its coroutine uses.
  template <class F>
  static Task<> keep_and_run(F callable, CoConn conn) {
    co_await callable(std::move(conn));
  }

  detail::CoState *state_ = nullptr;
};
static_assert(sizeof(CoConn) == sizeof(void *), "an owner is one pointer");

namespace detail {

inline void add_coroutine_callbacks(tcpkit_handlers &table) {
  table.on_open = CoState::call_open;
  table.on_data = CoState::call_data;
  table.on_packet = CoState::call_packet;
  table.on_end = CoState::call_end;
  table.on_writable = CoState::call_writable;
  table.on_close = CoState::call_close;
}

template <class F>
void set_connection_handler(Handlers &handlers, F &&handler) {
  using Handler = std::decay_t<F>;
  static_assert(std::is_same_v<std::invoke_result_t<Handler &, CoConn>, Task<>>,
                "the handler of a connection takes a CoConn and returns a Task<>");
  handlers.on_connection = std::make_shared<Handler>(std::forward<F>(handler));
  handlers.start_coroutine = [](CoState &state) {
    state.start((*static_cast<Handler *>(state.handler()))(CoConn(state)), CoState::main_ended);
  };
  handlers.add_coroutines = add_coroutine_callbacks;
}

// What the await of a dial shares with the callbacks of the client behind it. They know of the await
// only by dial, which is null once nobody waits. The client owns its handlers, those own this, and
// this owns the client, until it has ended or nobody wants it. Home thread: that of the loop.
struct CoDialled {
  explicit CoDialled(const ClientOptions &options)
      : client(std::make_unique<LazyClient>(options)) {}

  std::unique_ptr<LazyClient> client;
  CoDial *dial = nullptr;
};

// Waits for a connection, or for the status that says why there is none.
class CoDial : public CoWait {
 public:
  // state: of the connection whose end cancels this; may be null.
  CoDial(CoState *state, LoopRef loop, const std::string &address, ClientOptions options)
      : state_(state), loop_(loop), address_(address) {
    options.loop = loop;
    options.reconnect = TCPKIT_OFF;
    shared_ = std::make_shared<CoDialled>(options);
  }
  ~CoDial() { give_up(); }

  // A dial is rare enough for a look at the thread in all builds: elsewhere its client would run on
  // a thread of its own, or race with this.
  bool await_ready() noexcept {
    if (!loop_.is_current()) {
      status_ = TCPKIT_E_WRONG_THREAD;
    } else if (state_ != nullptr && state_->is_over_) {
      status_ = TCPKIT_E_CANCELLED;
    }
    return status_ != TCPKIT_OK;
  }
  bool await_suspend(std::coroutine_handle<> coroutine) {
    set_handlers(shared_);
    try {
      status_ = tcpkit_client_connect(shared_->client->get(), address_.c_str());
    } catch (const Error &error) {
      status_ = error.status().code();
    }
    if (status_ != TCPKIT_OK) return false;
    shared_->dial = this;
    wait_in(state_ != nullptr ? state_->sleepers_ : alone_, coroutine);
    return true;
  }
  Result<CoConn> await_resume() noexcept {
    if (status_ == TCPKIT_OK) return std::move(conn_);
    give_up();
    return Status(status_);
  }

 private:
  static void set_handlers(const std::shared_ptr<CoDialled> &shared) {
    Handlers &handlers = shared->client->handlers();
    handlers.on_connection = shared;
    handlers.start_coroutine = opened;
    handlers.add_coroutines = add_coroutine_callbacks;
    handlers.on_connect_failed.set(
        [shared](ClientRef, const ConnectInfo &info) { ended(*shared, info.status); });
    // Who still waits then is told that there was no memory for the state of the connection.
    handlers.on_close.set(
        [shared](ConnRef, const CloseInfo &) { ended(*shared, TCPKIT_E_NO_MEMORY); });
  }
  static void opened(CoState &state) {
    CoDialled &shared = *static_cast<CoDialled *>(state.handler());
    CoDial *const dial = std::exchange(shared.dial, nullptr);
    state.close_when_dropped();
    if (dial == nullptr) return;  // the client was freed meanwhile, and ends it
    dial->conn_ = CoConn(state);
    dial->is_handed_over_ = true;
    dial->resume(TCPKIT_OK);
  }
  // The client has nothing more to do, and goes after the callback that this is in.
  static void ended(CoDialled &shared, tcpkit_status status) noexcept {
    shared.client.reset();
    CoDial *const dial = std::exchange(shared.dial, nullptr);
    if (dial != nullptr) dial->resume(status);
  }
  // No callback knows of this any more, and a client without a connection goes.
  void give_up() noexcept {
    if (is_handed_over_) return;
    shared_->dial = nullptr;
    shared_->client.reset();
  }

  CoState *const state_;
  const LoopRef loop_;
  const std::string address_;
  CoWait *alone_ = nullptr;  // the list of one that no connection has
  std::shared_ptr<CoDialled> shared_;
  CoConn conn_;
  bool is_handed_over_ = false;
};

}  // namespace detail

template <class Self>
template <class F>
void detail::ConnHandlers<Self>::on_connection(F &&handler) {
  set_connection_handler(handlers(), std::forward<F>(handler));
}

// Connects to an address, on the loop of conn, and goes on there with the new connection once it is
// open, TLS included, or with the status of tcpkit_connect_info that says why there is none.
// TCPKIT_E_CANCELLED if conn ends before, and then the attempt ends too. Of the options, loop is that
// of conn and reconnect is off. TCPKIT_E_WRONG_THREAD elsewhere than on that loop. The new connection has a client of its own, which goes with it. It
// is closed, after all that was written has left, when the last CoConn and the last task of it are
// gone; nothing else ties it to conn, whose coroutines may use it as they use conn.
// Options with a custom framing are for one dial.
[[nodiscard]] inline detail::CoDial dial(const CoConn &conn, const std::string &address,
                                         const ClientOptions &options = ClientOptions()) {
  return {conn.state_, conn.loop(), address, options};
}
// The same on any loop, for a coroutine that runs there already: its own or a server's. Only the end
// of the loop ends an attempt early, with TCPKIT_E_NOT_RUNNING.
[[nodiscard]] inline detail::CoDial dial(LoopRef loop, const std::string &address,
                                         const ClientOptions &options = ClientOptions()) {
  return {nullptr, loop, address, options};
}

#endif  // TCPKIT_HPP_COROUTINES

}  // namespace wrapper
}  // namespace tcpkit

#endif
