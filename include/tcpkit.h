/* tcpkit: TCP and TLS servers and clients with framing, back-pressure, limits and metrics on
 * libuv. The C interface.
 *
 * Rules that hold for every declaration (docs/abi.md has the reasons):
 *  - Whatever can fail returns a tcpkit_status: TCPKIT_OK (0) or a negative number; only sends have
 *    a second success, TCPKIT_OK_ABOVE_HIGH (1), so "< 0" means failed. A failed call changed
 *    nothing, and tcpkit_last_error_message() says what was wrong. Results come back through
 *    trailing out_ parameters.
 *  - An asynchronous call that returned TCPKIT_OK completes exactly once; one that returned an
 *    error never does.
 *  - "Thread: any" may be called from every thread, also inside callbacks. "Thread: loop" may only
 *    be called on the loop thread of its object, that is inside its callbacks. No callback ever
 *    runs inside a call that you made, unless its comment says so.
 *  - Callbacks of one connection run on one loop thread, one at a time; on other threads only with
 *    workers or on_connection. Bytes given to a callback are borrowed until it returns.
 *  - user_data_free may be NULL; else it is called exactly once with user_data, after the last
 *    callback that could see it, also when the call that took it fails; then inside that call.
 *  - A C++ callback may throw: a connection whose callback threw is closed with
 *    TCPKIT_CLOSE_CALLBACK; what other callbacks throw is logged and dropped.
 *  - In the child of a fork every call on an object of the parent that returns a status answers
 *    TCPKIT_E_FORKED, and the free and release functions do nothing.
 *  - Structs begin with struct_size. Set them up with their INIT macro or init function; zero in
 *    any other field means its default. Strings are UTF-8, NUL-terminated, and copied unless a
 *    comment says "borrowed".
 *  - Functions that fill a caller's text buffer return the length of the whole text without its
 *    NUL; a result >= buffer_size means that the text was cut. A NULL buffer of size 0 only asks
 *    for the length.
 */
#ifndef TCPKIT_H
#define TCPKIT_H

#include <stddef.h>
#include <stdint.h>

#if defined(TCPKIT_BUILDING) && defined(__GNUC__)
#define TCPKIT_API __attribute__((visibility("default")))
#else
#define TCPKIT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Version ------------------------------------------------------------------------------- */

#define TCPKIT_VERSION_MAJOR 0
#define TCPKIT_VERSION_MINOR 4
#define TCPKIT_VERSION_PATCH 0
/** Version of this header as one number: major * 1000000 + minor * 1000 + patch. */
#define TCPKIT_VERSION_NUMBER 4000u
#define TCPKIT_VERSION_TEXT "0.4.0"

/** Version of the library that is loaded, in the form of TCPKIT_VERSION_NUMBER.
 *  Thread: any. Since: 0.1. */
TCPKIT_API uint32_t tcpkit_version_number(void);

/** Version of the library that is loaded, as static text such as "0.2.0".
 *  Thread: any. Since: 0.1. */
TCPKIT_API const char *tcpkit_version_text(void);

/* ---- Status -------------------------------------------------------------------------------- */

/** Outcome of a call: TCPKIT_OK, for sends also TCPKIT_OK_ABOVE_HIGH, or one of the negative
 *  TCPKIT_E_ codes; the numbers are the same on every system. */
typedef int32_t tcpkit_status;
enum {
  TCPKIT_OK = 0,
  /** the send succeeded, and more than high_watermark bytes are queued: send no more until
   *  on_writable comes */
  TCPKIT_OK_ABOVE_HIGH = 1,

  TCPKIT_E_INVALID_ARGUMENT = -101, /* a NULL or a value outside its range; the message names it */
  /** struct_size was not set, or is smaller than the first release of that struct */
  TCPKIT_E_STRUCT_SIZE = -102,
  TCPKIT_E_UNKNOWN_OPTION = -103, /* no option has that key */
  TCPKIT_E_BAD_VALUE = -104,      /* the text is not a value that this option takes */
  TCPKIT_E_BAD_ADDRESS = -105,    /* the text is not an address that this call takes */
  /** the caller's buffer is too small; a call with an out_ size returned the needed one */
  TCPKIT_E_BUFFER_TOO_SMALL = -106,
  /** a "Thread: loop" call was made elsewhere, or a blocking call on a loop thread */
  TCPKIT_E_WRONG_THREAD = -107,
  TCPKIT_E_NOT_SUPPORTED = -108, /* this build or this system cannot do that */

  TCPKIT_E_CLOSED = -201, /* the connection is closing or closed, or its write side is shut down */
  /** the server or loop was started already and has not stopped, or the client is connected */
  TCPKIT_E_ALREADY_RUNNING = -202,
  TCPKIT_E_NOT_RUNNING = -203, /* the server or the loop is not running */
  TCPKIT_E_NOT_FOUND = -204,   /* there is no such thing, or no longer */
  TCPKIT_E_FORKED = -205,      /* the object belongs to the parent process */
  TCPKIT_E_END = -206,         /* the peer ended its stream; nothing more can be read */
  TCPKIT_E_CANCELLED = -207,   /* what was waited for was cancelled */

  TCPKIT_E_NO_MEMORY = -301,      /* an allocation failed */
  TCPKIT_E_TOO_MANY_FILES = -302, /* the process or the system is out of descriptors */
  TCPKIT_E_LIMIT = -303,          /* a configured limit was reached; the message names it */
  /** max_queued_bytes or max_buffered_bytes would be passed; nothing was queued */
  TCPKIT_E_QUEUE_FULL = -304,

  TCPKIT_E_ADDRESS_IN_USE = -401,        /* EADDRINUSE */
  TCPKIT_E_ADDRESS_NOT_AVAILABLE = -402, /* EADDRNOTAVAIL: no such address on this machine */
  TCPKIT_E_PERMISSION = -403,            /* EACCES or EPERM */
  TCPKIT_E_NO_SUCH_FILE = -404,          /* ENOENT or ENOTDIR: a folder of a unix path is missing */
  TCPKIT_E_RESOLVE = -405,               /* a host name could not be resolved */
  TCPKIT_E_RESET = -406,                 /* ECONNRESET or EPIPE: the peer reset the connection */
  TCPKIT_E_TIMED_OUT = -407,             /* ETIMEDOUT, or a deadline of ours passed */
  TCPKIT_E_UNREACHABLE = -408,           /* EHOSTUNREACH or ENETUNREACH */
  TCPKIT_E_REFUSED = -409,               /* ECONNREFUSED: nobody listens there */
  TCPKIT_E_IO = -499, /* any other failed system call; errno is in the message and the close info */

  /** a packet is larger than max_packet_size, or than its length field can say; a string or byte
   *  array is larger than the caller allows */
  TCPKIT_E_PACKET_TOO_BIG = -501,
  TCPKIT_E_BAD_FRAME = -502, /* the bytes break the rules of the framing */
  /** a variable-length integer has too many bytes or too large a value */
  TCPKIT_E_BAD_VARINT = -503,
  TCPKIT_E_UNEXPECTED_EOF = -504,   /* the stream ended inside a value or packet */
  TCPKIT_E_BAD_PROXY_HEADER = -505, /* the PROXY header is missing, malformed or not trusted */
  TCPKIT_E_FILTER = -506,           /* a filter refused the bytes */

  TCPKIT_E_TLS = -601, /* the TLS handshake or a record failed; the close info says how */
  /** the peer does not speak TLS: plain HTTP, or bytes that are no record */
  TCPKIT_E_TLS_NOT_TLS = -602,
  TCPKIT_E_TLS_NO_COMMON = -603, /* no version, cipher or group that both sides take */
  TCPKIT_E_TLS_ALERT = -604,     /* the peer refused with an alert; the close info names it */
  /** the stream ended without close_notify: the end of the data may be missing */
  TCPKIT_E_TLS_TRUNCATED = -605,
  /** a certificate, key, response or setting cannot be used; the message names file and cause */
  TCPKIT_E_TLS_CREDENTIALS = -606,
  TCPKIT_E_TLS_NO_CERTIFICATE = -611,  /* the peer sent no certificate and has to */
  TCPKIT_E_TLS_UNTRUSTED = -612,       /* the peer's chain ends at no trusted certificate */
  TCPKIT_E_TLS_SELF_SIGNED = -613,     /* the same, and it is self-signed */
  TCPKIT_E_TLS_EXPIRED = -614,         /* a certificate of the peer has expired */
  TCPKIT_E_TLS_NOT_YET_VALID = -615,   /* a certificate of the peer is not valid yet */
  TCPKIT_E_TLS_WRONG_HOST = -616,      /* the certificate is for another host name */
  TCPKIT_E_TLS_WRONG_PURPOSE = -617,   /* the certificate is not for this use */
  TCPKIT_E_TLS_BAD_CERTIFICATE = -618, /* anything else that is wrong with the peer's chain */

  TCPKIT_E_CALLBACK = -901, /* a callback failed or threw */
  TCPKIT_E_INTERNAL = -999  /* a defect of tcpkit; please report it */
};

/** Class of a status. */
typedef int32_t tcpkit_status_class;
enum {
  TCPKIT_CLASS_OK = 0,
  TCPKIT_CLASS_USAGE = 1,    /* the call itself was wrong: -1xx */
  TCPKIT_CLASS_STATE = 2,    /* right call, wrong moment: -2xx */
  TCPKIT_CLASS_RESOURCE = 3, /* out of something: -3xx */
  TCPKIT_CLASS_NETWORK = 4,  /* the system or the network: -4xx */
  TCPKIT_CLASS_PROTOCOL = 5, /* what the peer sent: -5xx */
  TCPKIT_CLASS_TLS = 6,      /* TLS, certificates: -6xx */
  TCPKIT_CLASS_INTERNAL = 9  /* callbacks and defects: -9xx */
};

/** Name of a status, such as "TCPKIT_E_CLOSED", as static text; "TCPKIT_E_UNKNOWN" for a number
 *  that is none.
 *  Thread: any. Since: 0.1. */
TCPKIT_API const char *tcpkit_status_name(tcpkit_status status);

/** One short sentence for a status, as static text.
 *  Thread: any. Since: 0.1. */
TCPKIT_API const char *tcpkit_status_text(tcpkit_status status);

/** Class of a status; TCPKIT_CLASS_INTERNAL for a number that is none.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status_class tcpkit_status_class_of(tcpkit_status status);

/** Status of the last call that failed on this thread; TCPKIT_OK if none has.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_last_error_status(void);

/** What was wrong with the last call that failed on this thread, naming the argument, address or
 *  cause; "" if none has. Borrowed until the next failing call on this thread.
 *  Thread: any. Since: 0.1. */
TCPKIT_API const char *tcpkit_last_error_message(void);

/** errno behind the last call that failed on this thread; 0 if the system was not the cause.
 *  Thread: any. Since: 0.1. */
TCPKIT_API int32_t tcpkit_last_error_errno(void);

/* ---- Common types -------------------------------------------------------------------------- */

typedef struct tcpkit_server tcpkit_server; /* a server: loops, listeners and their connections */
typedef struct tcpkit_conn tcpkit_conn;     /* one connection; reference counted */
typedef struct tcpkit_buffer tcpkit_buffer; /* bytes that many sends may share; reference counted */
typedef struct tcpkit_client tcpkit_client; /* a client: one connection at a time, and the next */
typedef struct tcpkit_loop tcpkit_loop;     /* one event loop: a server's, a client's or your own */
typedef struct tcpkit_framer tcpkit_framer; /* cuts a byte stream into packets, without any I/O */
typedef struct tcpkit_tls tcpkit_tls;       /* certificates, keys, trust and settings of TLS */
typedef struct tcpkit_group tcpkit_group; /* connections that broadcasts go to, with their rules */

/** Frees what user_data owns. */
typedef void (*tcpkit_free_fn)(void *user_data);

/** A switch whose zero means "the default of that option". */
typedef int32_t tcpkit_switch;
enum { TCPKIT_DEFAULT = 0, TCPKIT_ON = 1, TCPKIT_OFF = 2 };

/** "No limit" for a field of type size_t. */
#define TCPKIT_UNLIMITED_SIZE SIZE_MAX
/** "No limit" for a count, "never" for a time. */
#define TCPKIT_UNLIMITED UINT64_MAX

/** Borrowed bytes. */
typedef struct tcpkit_slice {
  const void *data; /* may be NULL if size is 0 */
  size_t size;      /* bytes */
} tcpkit_slice;

/** How much is logged; each level includes those before it. */
typedef int32_t tcpkit_log_level;
enum {
  TCPKIT_LOG_DEFAULT = 0, /* TCPKIT_LOG_WARNING */
  TCPKIT_LOG_OFF = 1,
  TCPKIT_LOG_ERROR = 2,
  TCPKIT_LOG_WARNING = 3,
  TCPKIT_LOG_INFO = 4,
  TCPKIT_LOG_DEBUG = 5
};

/* ---- Address ------------------------------------------------------------------------------- */

/** Kind of an address. */
typedef int32_t tcpkit_network;
enum {
  TCPKIT_NETWORK_TCP = 1,  /* tcp://HOST:PORT; IPv4 or IPv6, whatever HOST is */
  TCPKIT_NETWORK_TCP4 = 2, /* tcp4://HOST:PORT; IPv4 only */
  TCPKIT_NETWORK_TCP6 = 3, /* tcp6://HOST:PORT; IPv6 only */
  TCPKIT_NETWORK_UNIX = 4, /* unix:///PATH, or unix://@NAME for the abstract namespace of Linux */
  TCPKIT_NETWORK_FD = 5    /* fd://N: a listening socket that this process inherited */
};

/** An address taken apart. */
typedef struct tcpkit_address {
  uint32_t struct_size;
  tcpkit_network network;
  uint32_t port;     /* 0 to 65535; the descriptor for TCPKIT_NETWORK_FD; 0 for unix */
  uint32_t reserved; /* zero */
  char
      host[256]; /* name, IP address without brackets, or unix path; "" means every local address */
} tcpkit_address;
#define TCPKIT_ADDRESS_INIT            \
  {                                    \
    sizeof(tcpkit_address), 0, 0, 0, { \
      0                                \
    }                                  \
  }

/** Sets up an address like TCPKIT_ADDRESS_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.1. */
TCPKIT_API void tcpkit_address_init(tcpkit_address *address);

/** Takes an address apart: "tcp://127.0.0.1:7000", "tcp6://[::1]:0", "tcp://:7000",
 *  "unix:///run/x.sock", "fd://3". Names are not resolved here. Returns TCPKIT_E_BAD_ADDRESS,
 *  whose message names the part that is wrong, TCPKIT_E_INVALID_ARGUMENT or TCPKIT_E_STRUCT_SIZE.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_address_parse(const char *text, tcpkit_address *out_address);

/** Writes an address as text that tcpkit_address_parse takes; returns its length, 0 if the address
 *  is not valid.
 *  Thread: any. Since: 0.1. */
TCPKIT_API size_t tcpkit_address_format(const tcpkit_address *address, char *buffer,
                                        size_t buffer_size);

/* ---- Framing ------------------------------------------------------------------------------- */

/** How a byte stream is cut into packets. */
typedef int32_t tcpkit_framing_kind;
enum {
  TCPKIT_FRAMING_NONE = 0,      /* no packets: on_data gets the bytes as they come */
  TCPKIT_FRAMING_SEPARATOR = 1, /* packets end with a separator */
  TCPKIT_FRAMING_LENGTH = 2,    /* a binary length of length_size bytes */
  /** a length in base 128, low groups first, 32 bits in at most 5 bytes */
  TCPKIT_FRAMING_VARINT = 3,
  TCPKIT_FRAMING_VARLONG = 4, /* the same, 64 bits in at most 10 bytes */
  TCPKIT_FRAMING_FIXED = 5,   /* every packet has fixed_size bytes */
  TCPKIT_FRAMING_CUSTOM = 6   /* your callbacks */
};

/** Order of the bytes of a binary number. */
typedef int32_t tcpkit_byte_order;
enum {
  TCPKIT_BYTE_ORDER_DEFAULT = 0, /* TCPKIT_BIG_ENDIAN */
  TCPKIT_BIG_ENDIAN = 1,         /* network order */
  TCPKIT_LITTLE_ENDIAN = 2
};

/** What happens to a packet that is larger than max_packet_size. */
typedef int32_t tcpkit_oversize;
enum {
  TCPKIT_OVERSIZE_DEFAULT = 0, /* TCPKIT_OVERSIZE_CLOSE */
  TCPKIT_OVERSIZE_CLOSE = 1,   /* the connection closes with TCPKIT_CLOSE_FRAME_TOO_BIG */
  /** exactly that packet is skipped and counted; the next one is delivered */
  TCPKIT_OVERSIZE_DISCARD = 2
};

/** For strip_size: deliver packets with their header. */
#define TCPKIT_STRIP_NONE UINT32_MAX

/** Answer of tcpkit_framing_callbacks.next. */
typedef int32_t tcpkit_frame_result;
enum {
  TCPKIT_FRAME_MORE = 0,   /* no whole frame yet; declared_size is set if it is known */
  TCPKIT_FRAME_PACKET = 1, /* one frame: all fields are set */
  TCPKIT_FRAME_SKIP = 2 /* frame_size bytes hold no packet (a heartbeat, padding) and are dropped */
};

/** One frame at the start of the bytes that a custom framer was shown. */
typedef struct tcpkit_frame {
  size_t frame_size;    /* bytes of the whole frame, header and trailer included; at least 1 */
  size_t packet_offset; /* where the packet starts in the frame */
  size_t packet_size;   /* bytes of the packet; packet_offset + packet_size <= frame_size */
  /** with TCPKIT_FRAME_MORE: bytes of the packet if the header tells, else 0; more than
   *  max_packet_size is TCPKIT_E_PACKET_TOO_BIG with either policy, since the end of the frame is
   *  not known */
  size_t declared_size;
} tcpkit_frame;

/** What a custom encoder puts around one packet. */
typedef struct tcpkit_frame_envelope {
  uint32_t header_size;  /* bytes of header, at most 64 */
  uint32_t trailer_size; /* bytes of trailer, at most 64 */
  uint8_t header[64];
  uint8_t trailer[64];
} tcpkit_frame_envelope;

/** A framer of your own. The table is borrowed and must outlive every object that was created with
 *  it. */
typedef struct tcpkit_framing_callbacks {
  uint32_t struct_size;
  uint32_t reserved; /* zero */
  /** Makes the state of one connection; may be NULL (state is then NULL). A NULL result closes the
   *  connection. user_data is that of the framing.
   *  Thread: loop. */
  void *(*state_create)(void *user_data);
  /** Frees what state_create made; may be NULL.
   *  Thread: loop. */
  void (*state_free)(void *state);
  /** Looks for a frame at the start of data, which always begins where the last frame ended and is
   *  never empty. Fills out_frame and returns a tcpkit_frame_result, or a negative tcpkit_status,
   *  which closes the connection with TCPKIT_CLOSE_FRAME_ERROR. Required.
   *  Thread: loop, or the one that reads packets from a detached connection. */
  int32_t (*next)(void *state, const uint8_t *data, size_t data_size, tcpkit_frame *out_frame);
  /** Fills in what goes before and after one packet, or returns a negative tcpkit_status, which
   *  the send returns. NULL: packets cannot be sent (TCPKIT_E_NOT_SUPPORTED).
   *  Thread: any, several at a time. */
  tcpkit_status (*encode)(const void *packet, size_t packet_size,
                          tcpkit_frame_envelope *out_envelope, void *user_data);
} tcpkit_framing_callbacks;
#define TCPKIT_FRAMING_CALLBACKS_INIT \
  { sizeof(tcpkit_framing_callbacks), 0, NULL, NULL, NULL, NULL }

/** Sets up a table like TCPKIT_FRAMING_CALLBACKS_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.1. */
TCPKIT_API void tcpkit_framing_callbacks_init(tcpkit_framing_callbacks *callbacks);

/** Settings of a framing, passed by value inside options. The ready-made ones below fit most
 *  protocols.
 *
 *  With a length field a frame is: length_offset bytes, the length field, then as many bytes as
 *  the field says plus length_adjustment. The packet that is delivered is the frame without its
 *  first strip_size bytes. The encoder is the twin of that: whatever it makes comes out of the
 *  framer as the packet that went in. It fills stripped bytes before and after the length field
 *  with zeros; where the packet keeps its length field (strip_size <= length_offset), it refuses a
 *  packet whose field does not fit its size (TCPKIT_E_BAD_FRAME). */
typedef struct tcpkit_framing {
  uint32_t struct_size;
  tcpkit_framing_kind kind;
  tcpkit_byte_order byte_order; /* LENGTH: default big endian */
  /** LENGTH: 1, 2, 3, 4 or 8. VARINT, VARLONG: most bytes of the field, default 5 and 10 */
  uint32_t length_size;
  /** LENGTH, VARINT, VARLONG: bytes before the length field, at most 64; default 0 */
  uint32_t length_offset;
  /** bytes dropped from the front; default: up to the end of the length field. At most
   *  length_offset, or at least length_offset + length_size and at most 128 */
  uint32_t strip_size;
  int64_t length_adjustment; /* added to the declared length; default 0 */
  size_t fixed_size;         /* FIXED: bytes per packet, at least 1 */
  /** SEPARATOR: its bytes; borrowed until the create call copies them. NULL: separator_bytes */
  const void *separator;
  size_t separator_size;                     /* SEPARATOR: at least 1 */
  uint8_t separator_bytes[32];               /* SEPARATOR: its bytes if separator is NULL */
  const tcpkit_framing_callbacks *callbacks; /* CUSTOM */
  void *user_data;                           /* CUSTOM: given to state_create and encode */
  tcpkit_free_fn user_data_free; /* CUSTOM: called once by each object created with this framing */
  uint64_t reserved[4];          /* zero */
} tcpkit_framing;
#define TCPKIT_FRAMING_INIT                                                        \
  {                                                                                \
    sizeof(tcpkit_framing), 0, 0, 0, 0, 0, 0, 0, NULL, 0, {0}, NULL, NULL, NULL, { \
      0                                                                            \
    }                                                                              \
  }

/** Sets up a framing like TCPKIT_FRAMING_INIT does: TCPKIT_FRAMING_NONE. NULL is ignored.
 *  Thread: any. Since: 0.1. */
TCPKIT_API void tcpkit_framing_init(tcpkit_framing *framing);

/** Lines that end with LF; the LF is not part of the packet.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_framing tcpkit_framing_line(void);

/** Lines that end with CR LF (SMTP, IMAP, RESP, HTTP header fields).
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_framing tcpkit_framing_crlf(void);

/** Texts that end with a NUL byte (XMLSocket, STOMP).
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_framing tcpkit_framing_nul(void);

/** Packets that end with a separator of any length >= 1; separator is borrowed until the create
 *  call copies it.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_framing tcpkit_framing_separator(const void *separator, size_t separator_size);

/** Packets behind an unsigned length of 1, 2, 3, 4 or 8 bytes. (2, TCPKIT_BIG_ENDIAN) is DNS over
 *  TCP and Erlang's {packet, 2}; (4, TCPKIT_BIG_ENDIAN) is Kafka, gRPC-like and Erlang's {packet,
 *  4}.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_framing tcpkit_framing_length(uint32_t length_size, tcpkit_byte_order byte_order);

/** Packets behind a VarInt of at most 5 bytes (Minecraft, delimited protobuf).
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_framing tcpkit_framing_varint(void);

/** Packets behind a VarLong of at most 10 bytes.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_framing tcpkit_framing_varlong(void);

/** Packets of fixed_size bytes each, at least 1.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_framing tcpkit_framing_fixed(size_t fixed_size);

/** Kafka requests and responses: packets behind 4 bytes of big-endian length.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_framing tcpkit_framing_kafka(void);

/** Minecraft packets: behind a VarInt of at most 3 bytes.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_framing tcpkit_framing_minecraft(void);

/** MQTT control packets, delivered and sent whole: type byte, remaining length of at most 4 bytes,
 *  rest.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_framing tcpkit_framing_mqtt(void);

/** Framing from its text name: none, line, crlf, nul, len1, len2be, len2le, len3be, len3le, len4be,
 *  len4le, len8be, len8le, varint, varlong, kafka, minecraft, mqtt, fixed:N or separator:TEXT, at
 *  most 32 bytes, in which \r \n \t \0 \\ and \xHH stand for bytes.
 *  Returns TCPKIT_E_BAD_VALUE or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_framing_parse(const char *text, tcpkit_framing *out_framing);

/* ---- Framer -------------------------------------------------------------------------------- */

/** Settings of a framer that works without a connection. */
typedef struct tcpkit_framer_options {
  uint32_t struct_size;
  tcpkit_oversize oversize;   /* default TCPKIT_OVERSIZE_CLOSE: tcpkit_framer_next fails */
  size_t max_packet_size;     /* bytes of one packet; default 1 MiB; TCPKIT_UNLIMITED_SIZE */
  tcpkit_switch deliver_tail; /* default off */
  uint32_t reserved;          /* zero */
  tcpkit_framing framing;     /* required: not TCPKIT_FRAMING_NONE */
} tcpkit_framer_options;
#define TCPKIT_FRAMER_OPTIONS_INIT \
  { sizeof(tcpkit_framer_options), 0, 0, 0, 0, TCPKIT_FRAMING_INIT }

/** Sets up options like TCPKIT_FRAMER_OPTIONS_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.1. */
TCPKIT_API void tcpkit_framer_options_init(tcpkit_framer_options *options);

/** Creates a framer: the same cutting and encoding that connections use, for tests, files and
 *  transports of your own. A framer is used by one thread at a time. Free it with
 *  tcpkit_framer_free. Returns TCPKIT_E_INVALID_ARGUMENT, TCPKIT_E_STRUCT_SIZE,
 *  TCPKIT_E_CALLBACK if a custom framing makes no state, or TCPKIT_E_NO_MEMORY.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_framer_create(const tcpkit_framer_options *options,
                                              tcpkit_framer **out_framer);

/** Frees a framer. NULL is ignored.
 *  Thread: any. Since: 0.1. */
TCPKIT_API void tcpkit_framer_free(tcpkit_framer *framer);

/** Adds received bytes; they are copied. Returns TCPKIT_E_NO_MEMORY, TCPKIT_E_INVALID_ARGUMENT, or
 *  the status with which the stream failed before.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_framer_push(tcpkit_framer *framer, const void *data,
                                            size_t data_size);

/** Takes the next whole packet: out_packet is NULL when more bytes are needed, else borrowed until
 *  the next call on this framer (an empty packet is not NULL). Returns TCPKIT_E_PACKET_TOO_BIG,
 *  TCPKIT_E_BAD_FRAME, TCPKIT_E_BAD_VARINT, TCPKIT_E_CALLBACK if a custom framer threw, or its
 *  status, again at every call after that.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_framer_next(tcpkit_framer *framer, const uint8_t **out_packet,
                                            size_t *out_packet_size);

/** Takes what is left after the last whole packet when the stream has ended: with deliver_tail a
 *  last packet, unless it is larger than max_packet_size, else out_packet is NULL; out_packet_size
 *  is the number of bytes either way, 0 in a packet that is being discarded. out_packet is borrowed
 *  like a packet. Returns the status with which the stream failed before, or
 *  TCPKIT_E_INVALID_ARGUMENT, also while whole packets have not been taken.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_framer_finish(tcpkit_framer *framer, const uint8_t **out_packet,
                                              size_t *out_packet_size);

/** Writes the frame of one packet to buffer; out_frame_size is its size, also with
 *  TCPKIT_E_BUFFER_TOO_SMALL. Returns TCPKIT_E_PACKET_TOO_BIG if the packet is larger than
 *  max_packet_size or than the length field can say, TCPKIT_E_BAD_FRAME if the packet does not fit
 *  the framing (wrong fixed size, holds the separator), TCPKIT_E_BUFFER_TOO_SMALL,
 *  TCPKIT_E_NOT_SUPPORTED, TCPKIT_E_INVALID_ARGUMENT, or what a custom encoder returns.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_framer_encode(tcpkit_framer *framer, tcpkit_slice packet,
                                              void *buffer, size_t buffer_size,
                                              size_t *out_frame_size);

/** Number of packets that were skipped because they were too big.
 *  Thread: any. Since: 0.1. */
TCPKIT_API uint64_t tcpkit_framer_discarded(const tcpkit_framer *framer);

/* ---- Codec --------------------------------------------------------------------------------- */

/** Gives at least 1 and at most buffer_size bytes of a stream, and may block until it can. Sets
 *  out_size and returns TCPKIT_OK, or TCPKIT_E_END at the end of the stream, or another negative
 *  status. */
typedef tcpkit_status (*tcpkit_read_fn)(void *buffer, size_t buffer_size, size_t *out_size,
                                        void *user_data);

/** Takes all of data, which is borrowed until it returns: TCPKIT_OK, a positive status, which
 *  counts as TCPKIT_OK, or a negative status, which the write then returns. */
typedef tcpkit_status (*tcpkit_write_fn)(const void *data, size_t data_size, void *user_data);

/** Reads values one after the other: from memory, such as a packet, or from a stream. It owns
 *  nothing, needs no freeing, and allocates nothing. One thread uses it at a time.
 *
 *  The first failure stays: every read after it returns the same status and changes nothing, so
 *  many reads may be made before status is looked at once. A failed read from memory has taken
 *  nothing. Where a value is not whole the read returns TCPKIT_E_UNEXPECTED_EOF; only if a stream
 *  ends before the first byte of a value, it returns TCPKIT_E_END. Reads of a stream ask for the
 *  bytes of the value and for none behind it; those of a VarInt come one by one. */
typedef struct tcpkit_reader {
  uint32_t struct_size;
  tcpkit_byte_order byte_order; /* of Int16 to Float64; may be changed at any time */
  const uint8_t *data;          /* memory: borrowed */
  size_t size;                  /* memory: bytes of data */
  size_t position;              /* bytes read so far; in memory it may be moved */
  tcpkit_read_fn read;          /* stream; NULL: memory */
  void *user_data;              /* given to read */
  tcpkit_status status;         /* the first failure; TCPKIT_OK clears it */
  uint32_t inside_value; /* of the library: what comes next belongs to a value begun before */
  uint64_t reserved[2];  /* zero */
} tcpkit_reader;
#define TCPKIT_READER_INIT                                    \
  {                                                           \
    sizeof(tcpkit_reader), 0, NULL, 0, 0, NULL, NULL, 0, 0, { \
      0                                                       \
    }                                                         \
  }

/** Sets up a reader like TCPKIT_READER_INIT does: of no bytes at all. NULL is ignored.
 *  Thread: any. Since: 0.4. */
TCPKIT_API void tcpkit_reader_init(tcpkit_reader *reader);

/** Reader of data_size bytes, which are borrowed. NULL data with a size gives a reader whose status
 *  is TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_reader tcpkit_reader_over_memory(const void *data, size_t data_size);

/** Reader of a stream. It calls read inside of the tcpkit_read_ functions only. If read is NULL its
 *  status is TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_reader tcpkit_reader_over_stream(tcpkit_read_fn read, void *user_data);

/** Reads size bytes into buffer. Returns TCPKIT_E_UNEXPECTED_EOF, TCPKIT_E_END, what the read
 *  function of a stream returned, TCPKIT_E_CALLBACK if that threw or gave no bytes or too many,
 *  TCPKIT_E_INVALID_ARGUMENT or TCPKIT_E_STRUCT_SIZE, or the first failure of the reader again.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_read_bytes(tcpkit_reader *reader, void *buffer, size_t size);

/** Reads one byte: 0 is false, every other value is true; out_value is 0 or 1. Returns what
 *  tcpkit_read_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_read_bool(tcpkit_reader *reader, uint8_t *out_value);

/** Reads one byte. Returns what tcpkit_read_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_read_byte(tcpkit_reader *reader, uint8_t *out_value);

/** Reads an integer of 2 bytes, two's complement; cast it where the protocol means an unsigned one.
 *  Returns what tcpkit_read_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_read_int16(tcpkit_reader *reader, int16_t *out_value);

/** Reads an integer of 4 bytes. Returns what tcpkit_read_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_read_int32(tcpkit_reader *reader, int32_t *out_value);

/** Reads an integer of 8 bytes. Returns what tcpkit_read_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_read_int64(tcpkit_reader *reader, int64_t *out_value);

/** Reads a number of IEEE 754 in 4 bytes, whose bits are kept, also those of a NaN. Returns what
 *  tcpkit_read_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_read_float32(tcpkit_reader *reader, float *out_value);

/** Reads a number of IEEE 754 in 8 bytes, whose bits are kept, also those of a NaN. Returns what
 *  tcpkit_read_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_read_float64(tcpkit_reader *reader, double *out_value);

/** Reads a VarInt: base 128, low groups first, 32 bits of two's complement in at most 5 bytes;
 *  longer forms than needed are taken. Returns TCPKIT_E_BAD_VARINT at the fifth byte if more would
 *  follow or if it has bits beyond the 32nd, or what tcpkit_read_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_read_var_int(tcpkit_reader *reader, int32_t *out_value);

/** Reads a VarLong: the same with 64 bits in at most 10 bytes. A negative int32 of protobuf is one,
 *  not a VarInt. Returns what tcpkit_read_var_int does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_read_var_long(tcpkit_reader *reader, int64_t *out_value);

/** Reads the VarInt in front of a byte array or string, for callers that first make room and then
 *  call tcpkit_read_bytes or tcpkit_read_bytes_view for that many bytes: the two calls read one
 *  value. Returns TCPKIT_E_PACKET_TOO_BIG if it is negative or larger than max_size, or else
 *  TCPKIT_E_UNEXPECTED_EOF if the memory does not hold that many, or what tcpkit_read_var_int does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_read_length(tcpkit_reader *reader, size_t max_size,
                                            size_t *out_size);

/** Reads a byte array, a VarInt length and that many bytes, into buffer, which may be NULL if
 *  buffer_size is 0. Returns TCPKIT_E_PACKET_TOO_BIG if the length is negative or larger than
 *  buffer_size, before any byte of the array is read, or what tcpkit_read_var_int does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_read_byte_array(tcpkit_reader *reader, void *buffer,
                                                size_t buffer_size, size_t *out_size);

/** Reads a string, which is encoded like a byte array, of at most buffer_size - 1 bytes and adds a
 *  NUL; out_length is without it. Whether it is UTF-8, or has a NUL inside, is not looked at.
 *  Returns what tcpkit_read_byte_array does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_read_string(tcpkit_reader *reader, char *buffer, size_t buffer_size,
                                            size_t *out_length);

/** Passes over size bytes of memory and points out_data to them, without a copy; they live as long
 *  as the memory. Returns TCPKIT_E_NOT_SUPPORTED if the reader is of a stream, or what
 *  tcpkit_read_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_read_bytes_view(tcpkit_reader *reader, size_t size,
                                                const uint8_t **out_data);

/** Reads a byte array or a string of at most max_size bytes without a copy; it lives as long as the
 *  memory and has no NUL. Returns TCPKIT_E_NOT_SUPPORTED if the reader is of a stream, or what
 *  tcpkit_read_byte_array does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_read_byte_array_view(tcpkit_reader *reader, size_t max_size,
                                                     tcpkit_slice *out_bytes);

/** Writes values one after the other: to memory that grows as needed, to memory of the caller, or
 *  to a stream. One thread uses it at a time. Do not copy one that owns memory.
 *
 *  The first failure stays: every write after it returns the same status and changes nothing, so
 *  many writes may be made before status is looked at once. A failed write to memory has written
 *  nothing. To a stream each value is one call of write. */
typedef struct tcpkit_writer {
  uint32_t struct_size;
  tcpkit_byte_order byte_order; /* of Int16 to Float64; may be changed at any time */
  uint8_t *data;                /* memory: what was written; a write may move it */
  size_t capacity;              /* memory: bytes that data has room for */
  size_t size;                  /* bytes written so far; in memory it may be set back, also to 0 */
  tcpkit_write_fn write;        /* stream; NULL: memory */
  void *user_data;              /* given to write */
  tcpkit_status status;         /* the first failure; TCPKIT_OK clears it */
  uint32_t is_borrowed;         /* of the library: 1 if data belongs to the caller */
  uint64_t reserved[2];         /* zero */
} tcpkit_writer;
#define TCPKIT_WRITER_INIT                                    \
  {                                                           \
    sizeof(tcpkit_writer), 0, NULL, 0, 0, NULL, NULL, 0, 0, { \
      0                                                       \
    }                                                         \
  }

/** Sets up a writer like TCPKIT_WRITER_INIT does: empty, with memory of its own that grows; free it
 *  with tcpkit_writer_free. NULL is ignored.
 *  Thread: any. Since: 0.4. */
TCPKIT_API void tcpkit_writer_init(tcpkit_writer *writer);

/** Writer to buffer_size bytes at buffer, which is borrowed; what does not fit is
 *  TCPKIT_E_BUFFER_TOO_SMALL. It needs no freeing. A NULL buffer with a size gives a writer whose
 *  status is TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_writer tcpkit_writer_over_memory(void *buffer, size_t buffer_size);

/** Writer to a stream. It calls write inside of the tcpkit_write_ functions only, and needs no
 *  freeing. If write is NULL its status is TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_writer tcpkit_writer_over_stream(tcpkit_write_fn write, void *user_data);

/** Frees the memory that a writer owns and empties it, status included; it may be used again. NULL
 *  is ignored.
 *  Thread: any. Since: 0.4. */
TCPKIT_API void tcpkit_writer_free(tcpkit_writer *writer);

/** Makes a shared buffer of what a writer with memory of its own holds, without copying it, and
 *  empties the writer; one reference belongs to the caller. Returns TCPKIT_E_NOT_SUPPORTED for
 *  other writers, TCPKIT_E_NO_MEMORY, TCPKIT_E_INVALID_ARGUMENT, TCPKIT_E_STRUCT_SIZE, or the first
 *  failure of the writer again.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_writer_take_buffer(tcpkit_writer *writer,
                                                   tcpkit_buffer **out_buffer);

/** Writes size bytes, which are not those of the writer itself; none are no call of a stream.
 *  Returns TCPKIT_E_BUFFER_TOO_SMALL if memory of the caller has no room, TCPKIT_E_NO_MEMORY if
 *  own memory cannot grow, what the write function of a stream returned, TCPKIT_E_CALLBACK if that
 *  threw, TCPKIT_E_INVALID_ARGUMENT or TCPKIT_E_STRUCT_SIZE, or the first failure of the writer
 *  again.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_write_bytes(tcpkit_writer *writer, const void *data, size_t size);

/** Writes a byte: 0 for 0, 1 for every other value. Returns what tcpkit_write_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_write_bool(tcpkit_writer *writer, int32_t value);

/** Writes a byte. Returns what tcpkit_write_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_write_byte(tcpkit_writer *writer, uint8_t value);

/** Writes an integer of 2 bytes, two's complement. Returns what tcpkit_write_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_write_int16(tcpkit_writer *writer, int16_t value);

/** Writes an integer of 4 bytes. Returns what tcpkit_write_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_write_int32(tcpkit_writer *writer, int32_t value);

/** Writes an integer of 8 bytes. Returns what tcpkit_write_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_write_int64(tcpkit_writer *writer, int64_t value);

/** Writes a number of IEEE 754 in 4 bytes. Returns what tcpkit_write_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_write_float32(tcpkit_writer *writer, float value);

/** Writes a number of IEEE 754 in 8 bytes. Returns what tcpkit_write_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_write_float64(tcpkit_writer *writer, double value);

/** Writes a VarInt in 1 to 5 bytes, the fewest that hold it; negative ones take 5. Returns what
 *  tcpkit_write_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_write_var_int(tcpkit_writer *writer, int32_t value);

/** Writes a VarLong in 1 to 10 bytes, the fewest that hold it; negative ones take 10. Returns what
 *  tcpkit_write_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_write_var_long(tcpkit_writer *writer, int64_t value);

/** Writes a byte array: its size as a VarInt, then its bytes. A stream gets both in one call, for
 *  which one of more than about 1000 bytes is copied to the heap for a moment. Returns
 *  TCPKIT_E_PACKET_TOO_BIG if size is above 2^31 - 1, TCPKIT_E_NO_MEMORY, or what
 *  tcpkit_write_bytes does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_write_byte_array(tcpkit_writer *writer, const void *data,
                                                 size_t size);

/** Writes a string without its NUL, encoded like a byte array; tcpkit_write_byte_array does the
 *  same for text of known length. Returns what tcpkit_write_byte_array does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_write_string(tcpkit_writer *writer, const char *text);

/* ---- Filters ------------------------------------------------------------------------------- */

/** Where a filter puts the bytes that it makes; valid during the call that it is given to. */
typedef struct tcpkit_filter_output tcpkit_filter_output;

/** Puts bytes behind those that this filter made before; they are taken before it returns. Returns
 *  TCPKIT_E_LIMIT when one call would make more than 16 MiB, or than max_buffered_bytes, of the few
 *  bytes that it was shown (a decompression bomb), TCPKIT_E_NO_MEMORY, TCPKIT_E_INVALID_ARGUMENT, or
 *  the failure of the filter behind this one. After a failure the connection is closed, whatever
 *  the filter returns.
 *  Thread: loop, inside the callback. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_filter_write(tcpkit_filter_output *output, const void *data,
                                             size_t data_size);

/** A transformer of the byte stream, with a state per connection: compression, encryption of your
 *  own, counting. It stands between TLS and framing, sees a stream and no packets, and may keep
 *  bytes back. The calls of one connection come one at a time; the last one is state_free, before
 *  the close handlers. A negative status closes the connection with TCPKIT_CLOSE_FILTER_ERROR. A
 *  callback may use the connection, but not call tcpkit_conn_add_filter. */
typedef struct tcpkit_filter {
  uint32_t struct_size;
  uint32_t reserved; /* zero */
  const char *name;  /* for close info and log; required; 1 to 64 bytes; copied */
  /** Makes the state of one connection; may be NULL: user_data is the state then. A NULL result
   *  closes the connection, or lets tcpkit_conn_add_filter fail.
   *  Thread: loop. */
  void *(*state_create)(void *user_data);
  /** Frees what state_create made; may be NULL.
   *  Thread: loop. */
  void (*state_free)(void *state);
  /** Takes received bytes, all of them, a few hundred at a time, and writes what they mean. NULL:
   *  they pass unchanged.
   *  Thread: loop. */
  tcpkit_status (*decode)(void *state, const uint8_t *data, size_t data_size,
                          tcpkit_filter_output *output);
  /** The peer ended its stream: writes what was kept back, or returns TCPKIT_E_UNEXPECTED_EOF if
   *  something is missing; may be NULL.
   *  Thread: loop. */
  tcpkit_status (*decode_end)(void *state, tcpkit_filter_output *output);
  /** Takes bytes that were sent, all of them, and writes what leaves. NULL: they pass unchanged.
   *  Thread: loop. */
  tcpkit_status (*encode)(void *state, const uint8_t *data, size_t data_size,
                          tcpkit_filter_output *output);
  /** Nothing more is sent for now: writes what was kept back, so that the peer can decode all that
   *  was sent; may be NULL.
   *  Thread: loop. */
  tcpkit_status (*flush)(void *state, tcpkit_filter_output *output);
  /** Our stream ends, before close_notify of TLS and FIN: writes its end; may be NULL. It comes once,
   *  and not if the connection is reset.
   *  Thread: loop. */
  tcpkit_status (*encode_end)(void *state, tcpkit_filter_output *output);
  void *user_data;               /* given to state_create, or the state itself */
  tcpkit_free_fn user_data_free; /* called once by each call that is given this filter */
} tcpkit_filter;
#define TCPKIT_FILTER_INIT \
  { sizeof(tcpkit_filter), 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL }

/** Sets up a filter like TCPKIT_FILTER_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.4. */
TCPKIT_API void tcpkit_filter_init(tcpkit_filter *filter);

/* ---- Shared buffer ------------------------------------------------------------------------- */

/** Creates a buffer that holds a copy of data; one reference belongs to the caller. Returns
 *  TCPKIT_E_NO_MEMORY or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_buffer_create(const void *data, size_t data_size,
                                              tcpkit_buffer **out_buffer);

/** Creates a buffer around bytes of yours, without a copy. They must stay unchanged until
 *  user_data_free is called, once, on whichever thread releases the last reference. Returns
 *  TCPKIT_E_NO_MEMORY or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_buffer_wrap(tcpkit_slice bytes, void *user_data,
                                            tcpkit_free_fn user_data_free,
                                            tcpkit_buffer **out_buffer);

/** Adds a reference and returns buffer.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_buffer *tcpkit_buffer_retain(tcpkit_buffer *buffer);

/** Gives a reference back; the last one frees the buffer. NULL is ignored.
 *  Thread: any. Since: 0.1. */
TCPKIT_API void tcpkit_buffer_release(tcpkit_buffer *buffer);

/** Bytes of a buffer, valid while the caller holds a reference.
 *  Thread: any. Since: 0.1. */
TCPKIT_API const uint8_t *tcpkit_buffer_data(const tcpkit_buffer *buffer);

/** Size of a buffer in bytes.
 *  Thread: any. Since: 0.1. */
TCPKIT_API size_t tcpkit_buffer_size(const tcpkit_buffer *buffer);

/* ---- Metrics ------------------------------------------------------------------------------- */

/** What a server or client did since it was created. Totals are exact and live, and are kept across
 *  stop and start, connections and reconnects. Bytes are those that the kernel took or gave: of TLS
 *  those inside, with filters those that the filters take and make. */
typedef struct tcpkit_metrics {
  uint32_t struct_size;
  uint32_t reserved;      /* zero */
  uint64_t total_read;    /* bytes received */
  uint64_t total_written; /* bytes sent */
  /** bytes/s received during the last whole tick, over its measured time */
  uint64_t reads_per_second;
  uint64_t writes_per_second; /* bytes/s sent during the last whole tick, over its measured time */
  uint64_t connections;       /* open now */
  uint64_t max_connections;   /* most that were ever open at once */
  /** threads that run callbacks now: loops, and handler threads of a strategy */
  uint64_t handler_threads;
  uint64_t max_handler_threads; /* most that there ever were at once */
  uint64_t accepted;            /* connections accepted */
  uint64_t closed;              /* connections whose last callback has run */
  uint64_t packets_read;        /* packets given to on_packet */
  uint64_t packets_written;     /* packets given to a send_packet call */
  uint64_t packets_discarded;   /* packets skipped because they were too big */
  uint64_t tails;               /* streams that ended inside a packet */
  uint64_t tail_bytes;          /* bytes of those beginnings */
  /** connections closed for bytes that broke the framing, too big ones included */
  uint64_t frame_errors;
  uint64_t callback_errors;     /* connections closed because a callback threw */
  uint64_t accept_errors;       /* accept calls that failed for another reason than descriptors */
  uint64_t accept_out_of_files; /* times that accepting paused because descriptors ran out */
  uint64_t refused_connections; /* connections closed at once because max_connections was reached */
  /* since 0.2 */
  /** bytes that wait now: queued output, and beginnings of packets of more than 4 KiB */
  uint64_t buffered_bytes;
  uint64_t max_buffered_bytes; /* most of them that there ever were */
  uint64_t refused_sends;      /* sends that answered TCPKIT_E_QUEUE_FULL */
  uint64_t output_pauses;      /* times that reading paused because the output was above high */
  uint64_t idle_timeouts;      /* connections that ended with TCPKIT_CLOSE_IDLE_TIMEOUT */
  uint64_t read_timeouts;      /* connections that ended with TCPKIT_CLOSE_READ_TIMEOUT */
  uint64_t write_timeouts;     /* connections that ended with TCPKIT_CLOSE_WRITE_TIMEOUT */
  uint64_t drained;            /* connections that ended by themselves during a drain */
  uint64_t drained_by_force;   /* connections that were reset at the deadline of a drain */
  uint64_t drain_lost_bytes;   /* bytes that those had queued */
  uint64_t refused_by_address; /* connections refused for max_connections_per_address */
  uint64_t refused_by_prefix;  /* connections refused for max_connections_per_prefix */
  uint64_t refused_by_rate;    /* connections refused for max_accepts_per_second */
  uint64_t accept_waits;       /* times that accepting paused at a limit (TCPKIT_AT_LIMIT_WAIT) */
  uint64_t proxy_headers;      /* PROXY headers received */
  uint64_t proxy_errors;       /* connections closed for a PROXY header, timeouts included */
  uint64_t rate_timeouts;      /* connections that ended with TCPKIT_CLOSE_RATE_TIMEOUT */
  /** connections closed at once because no descriptor was left (TCPKIT_AT_LIMIT_RESET) */
  uint64_t refused_by_files;
  /* since 0.3 */
  uint64_t tls_handshakes;        /* handshakes that succeeded, resumed ones included */
  uint64_t tls_resumed;           /* those that resumed a session */
  uint64_t tls_failures;          /* handshakes that failed, timeouts included */
  uint64_t tls_handshakes_now;    /* under way now */
  uint64_t refused_by_handshakes; /* connections closed at once for max_handshakes */
  /* since 0.4 */
  uint64_t filter_errors;    /* connections that ended with TCPKIT_CLOSE_FILTER_ERROR */
  uint64_t connects;         /* of clients: connections opened, TLS handshake included */
  uint64_t connect_failures; /* of clients: attempts that failed or were given up */
  uint64_t reconnects;       /* of clients: times that a connection was lost and is dialled again */
  uint64_t broadcasts;       /* broadcasts that had to do with connections of this server */
  uint64_t frames_queued;    /* frames of them that were given to a connection */
  uint64_t frames_dropped;   /* frames of them that a slow-consumer policy dropped */
  uint64_t slow_consumers;   /* connections that ended with TCPKIT_CLOSE_SLOW_CONSUMER */
  /** connections reset because max_handler_threads were busy and max_waiting_connections waited */
  uint64_t refused_by_threads;
  uint64_t waiting_connections; /* open ones that wait for a handler thread now */
} tcpkit_metrics;
#define TCPKIT_METRICS_INIT                                                                       \
  {                                                                                               \
    sizeof(tcpkit_metrics), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  \
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
        0                                                                                         \
  }

/** Sets up a snapshot like TCPKIT_METRICS_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.1. */
TCPKIT_API void tcpkit_metrics_init(tcpkit_metrics *metrics);

/* ---- Closing ------------------------------------------------------------------------------- */

/** Why a connection ended. New reasons are only appended. */
typedef int32_t tcpkit_close_reason;
enum {
  TCPKIT_CLOSE_LOCAL = 1,         /* tcpkit_conn_close, and everything was sent */
  TCPKIT_CLOSE_ABORTED = 2,       /* tcpkit_conn_abort */
  TCPKIT_CLOSE_PEER_FIN = 3,      /* the peer ended its stream, and everything was sent */
  TCPKIT_CLOSE_PEER_RESET = 4,    /* the peer reset the connection */
  TCPKIT_CLOSE_FRAME_TOO_BIG = 5, /* a packet was larger than max_packet_size */
  TCPKIT_CLOSE_FRAME_ERROR = 6,   /* the bytes broke the rules of the framing */
  TCPKIT_CLOSE_CALLBACK = 7,      /* a callback of yours threw */
  TCPKIT_CLOSE_SHUTDOWN = 8,      /* the server or the loop was stopped, or the client freed */
                                  /** close_timeout_ms passed before everything was sent */
  TCPKIT_CLOSE_TIMEOUT = 9,
  TCPKIT_CLOSE_IO_ERROR = 10,     /* a system call failed; see sys_errno */
  TCPKIT_CLOSE_NO_MEMORY = 11,    /* an allocation for this connection failed */
  TCPKIT_CLOSE_IDLE_TIMEOUT = 12, /* idle_timeout_ms passed without a byte in or out */
  TCPKIT_CLOSE_READ_TIMEOUT = 13, /* read_timeout_ms passed without a byte from the peer */
  TCPKIT_CLOSE_WRITE_TIMEOUT =
      14, /* write_timeout_ms passed and the peer took none of the output */
  /** max_buffered_bytes of the server was reached, or a limit for the address in the PROXY header */
  TCPKIT_CLOSE_LIMIT = 15,
  TCPKIT_CLOSE_PROXY_ERROR = 16,   /* no PROXY header where one is required, or a malformed one */
  TCPKIT_CLOSE_PROXY_TIMEOUT = 17, /* proxy_timeout_ms passed before the PROXY header was whole */
  TCPKIT_CLOSE_RATE_TIMEOUT = 18,  /* the peer fell behind min_receive_rate */
  TCPKIT_CLOSE_TLS_ERROR = 19,     /* the handshake or a record failed; see status and detail */
  TCPKIT_CLOSE_TLS_TRUNCATED = 20, /* the peer ended its stream without close_notify */
  TCPKIT_CLOSE_HANDSHAKE_TIMEOUT =
      21,                         /* handshake_timeout_ms passed before the handshake was done */
  TCPKIT_CLOSE_FILTER_ERROR = 22, /* a filter failed; see status and detail */
  /** the connection took broadcasts too slowly, and its group has TCPKIT_SLOW_CLOSE */
  TCPKIT_CLOSE_SLOW_CONSUMER = 23
};

/** Name of a reason, such as "PEER_FIN", as static text; "UNKNOWN" for a number that is none.
 *  Thread: any. Since: 0.1. */
TCPKIT_API const char *tcpkit_close_reason_name(tcpkit_close_reason reason);

/** How a connection ended. struct_size is that of the library, like in all structs that callbacks
 *  are given. */
typedef struct tcpkit_close_info {
  uint32_t struct_size;
  tcpkit_close_reason reason;
  tcpkit_status status;   /* TCPKIT_OK for an orderly end */
  int32_t sys_errno;      /* errno of the failed system call, else 0 */
  uint64_t unsent_bytes;  /* bytes that were queued and that the kernel did not take */
  uint64_t partial_bytes; /* bytes of a packet whose end never came */
  /* since 0.3 */
  /** more about a failure of TLS or of a filter, such as "alert 48: unknown CA (received)"; "" if
   *  there is none; borrowed like info */
  const char *detail;
  int32_t tls_alert; /* number of the alert that was received or sent (RFC 8446, 6), else -1 */
  uint32_t reserved; /* zero */
} tcpkit_close_info;

/* ---- Callbacks ----------------------------------------------------------------------------- */

/** Something happened to a connection. */
typedef void (*tcpkit_conn_fn)(tcpkit_conn *conn, void *user_data);
/** Bytes or a packet arrived; data is borrowed until the callback returns. */
typedef void (*tcpkit_data_fn)(tcpkit_conn *conn, const uint8_t *data, size_t data_size,
                               void *user_data);
/** A connection ended; info is borrowed until the callback returns. */
typedef void (*tcpkit_close_fn)(tcpkit_conn *conn, const tcpkit_close_info *info, void *user_data);
/** The metrics were updated; metrics is borrowed until the callback returns. */
typedef void (*tcpkit_metrics_fn)(tcpkit_server *server, const tcpkit_metrics *metrics,
                                  void *user_data);
/** Something is worth a line in the log; message is borrowed until the callback returns. */
typedef void (*tcpkit_log_fn)(tcpkit_log_level level, const char *message, void *user_data);
/** Something happened to a server. */
typedef void (*tcpkit_server_fn)(tcpkit_server *server, void *user_data);
/** A posted task, or a timer that came due. */
typedef void (*tcpkit_task_fn)(tcpkit_loop *loop, void *user_data);

/** Why a client is not connected, and when it tries again. struct_size is that of the library. */
typedef struct tcpkit_connect_info {
  uint32_t struct_size;
  /** why the attempt failed: TCPKIT_E_RESOLVE, _REFUSED, _TIMED_OUT, _UNREACHABLE, one of TLS...;
   *  TCPKIT_E_CANCELLED if the client was closed or freed, TCPKIT_E_NOT_RUNNING if its loop ends.
   *  In on_reconnect the status of the connection that was lost: TCPKIT_OK for an orderly end */
  tcpkit_status status;
  int32_t sys_errno; /* errno of the failed system call, else 0 */
  int32_t tls_alert; /* number of the alert that was received or sent, else -1 */
  /** names the address, everything that was tried, and what went wrong with it; never NULL */
  const char *message;
  uint64_t attempts;    /* that failed in a row, this one included; 0 in on_reconnect */
  uint64_t retry_in_ms; /* until the next attempt; TCPKIT_UNLIMITED: none follows by itself */
} tcpkit_connect_info;
/** A client could not connect, or has lost its connection; info is borrowed until the callback
 *  returns. */
typedef void (*tcpkit_connect_fn)(tcpkit_client *client, const tcpkit_connect_info *info,
                                  void *user_data);

/** What a server or a client calls. Every one may be NULL. The table is copied by the create call.
 *  The same table does for both ends of a protocol. */
typedef struct tcpkit_handlers {
  uint32_t struct_size;
  uint32_t reserved; /* zero */
  /** a connection was accepted or made, its PROXY header read and its TLS handshake done if there
   *  are such; first callback of a connection, except that one that a server accepted and whose
   *  header or handshake fails has on_close only */
  tcpkit_conn_fn on_open;
  tcpkit_data_fn on_data;   /* bytes arrived; only without framing */
  tcpkit_data_fn on_packet; /* a packet arrived; only with framing */
  /** the peer ended its stream (FIN). If NULL, the connection closes after what was sent by then
   *  has left. If set, it stays open for sending until you close it. */
  tcpkit_conn_fn on_end;
  tcpkit_close_fn on_close; /* the connection ended; last callback of a connection, exactly once */
  tcpkit_metrics_fn on_metrics; /* each tick, on the first loop, after the strategy's hook */
  tcpkit_log_fn on_log;         /* Thread: any, several at a time; must not call back into tcpkit */
  void *user_data;
  tcpkit_free_fn user_data_free;
  /* since 0.2 */
  /** no more than low_watermark bytes are queued, after more than high_watermark were: send on */
  tcpkit_conn_fn on_writable;
  /** the server drains: say goodbye; the connection closes once it is idle (tcpkit_server_drain) */
  tcpkit_conn_fn on_drain;
  /* since 0.3 */
  tcpkit_conn_fn on_tls; /* the handshake that tcpkit_conn_start_tls began is done */
  /* since 0.4 */
  /** thread per connection: runs for each connection, after on_open, on a handler thread, and uses
   *  the blocking calls on it; not for one that ends before a thread is free. When it returns, what
   *  was sent still leaves and the connection closes; on_close comes after that. If set, on_data,
   *  on_packet and on_end are not called. Thread: a handler thread, several at a time. */
  tcpkit_conn_fn on_connection;
  /* clients only; Thread: the loop of the client */
  /** an attempt failed before there was a connection, so no on_open and no on_close tell of it. If
   *  retry_in_ms is TCPKIT_UNLIMITED, it was the last one, and the client may connect again */
  tcpkit_connect_fn on_connect_failed;
  /** the connection, whose on_close has just returned, was lost, and the next attempt follows */
  tcpkit_connect_fn on_reconnect;
} tcpkit_handlers;
#define TCPKIT_HANDLERS_INIT                                                                      \
  {                                                                                               \
    sizeof(tcpkit_handlers), 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
        NULL, NULL, NULL, NULL                                                                    \
  }

/** Sets up a table like TCPKIT_HANDLERS_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.1. */
TCPKIT_API void tcpkit_handlers_init(tcpkit_handlers *handlers);

/** Hooks of a strategy, around the read pools that serve the connections. Every one may be NULL. */
typedef struct tcpkit_strategy {
  uint32_t struct_size;
  uint32_t reserved; /* zero */
  /** once after each start, before the first accept; Thread: the caller of start or run */
  tcpkit_server_fn on_start;
  /** for each connection, before on_open, which comes also if this closes it; Thread: loop */
  tcpkit_conn_fn on_accept;
  tcpkit_metrics_fn on_metrics; /* each tick, before the user's handler; Thread: the first loop */
  /** once after each stop, after the last callback of the last connection, and after a start that
   *  failed behind on_start; Thread: the caller of stop, wait, run or start that sees the end */
  tcpkit_server_fn on_stop;
  void *user_data;
  tcpkit_free_fn user_data_free;
} tcpkit_strategy;
#define TCPKIT_STRATEGY_INIT \
  { sizeof(tcpkit_strategy), 0, NULL, NULL, NULL, NULL, NULL, NULL }

/** Sets up a table like TCPKIT_STRATEGY_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.1. */
TCPKIT_API void tcpkit_strategy_init(tcpkit_strategy *strategy);

/* ---- Options as text ------------------------------------------------------------------------ */

/** Description of one option that can be set from text; all texts are static. */
typedef struct tcpkit_option_info {
  uint32_t struct_size;
  uint32_t reserved;        /* zero */
  const char *key;          /* "max_packet_size" */
  const char *value_syntax; /* "BYTES", "MS", "N", "on|off", "close|discard" */
  const char *default_text; /* "1m" */
  const char *help;         /* one sentence */
} tcpkit_option_info;
#define TCPKIT_OPTION_INFO_INIT \
  { sizeof(tcpkit_option_info), 0, NULL, NULL, NULL, NULL }

/** Sets up a description like TCPKIT_OPTION_INFO_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.1. */
TCPKIT_API void tcpkit_option_info_init(tcpkit_option_info *info);

/* ---- TLS ----------------------------------------------------------------------------------- */

/** A version of TLS. */
typedef int32_t tcpkit_tls_version;
enum {
  TCPKIT_TLS_DEFAULT = 0, /* least: TCPKIT_TLS_1_2; most: the newest that the library has */
  TCPKIT_TLS_1_2 = 0x0303,
  TCPKIT_TLS_1_3 = 0x0304
};

/** Whether clients must show a certificate. */
typedef int32_t tcpkit_tls_client_auth;
enum {
  TCPKIT_TLS_CLIENT_AUTH_DEFAULT = 0,  /* TCPKIT_TLS_CLIENT_AUTH_OFF */
  TCPKIT_TLS_CLIENT_AUTH_OFF = 1,      /* they are not asked */
  TCPKIT_TLS_CLIENT_AUTH_OPTIONAL = 2, /* they are asked; what they show must be valid */
  TCPKIT_TLS_CLIENT_AUTH_REQUIRED = 3  /* without a valid one the handshake fails */
};

/** How sessions are resumed. */
typedef int32_t tcpkit_tls_resumption;
enum {
  TCPKIT_TLS_RESUMPTION_DEFAULT = 0, /* TCPKIT_TLS_RESUMPTION_TICKETS */
  TCPKIT_TLS_RESUMPTION_TICKETS = 1, /* by tickets, which the clients keep */
  TCPKIT_TLS_RESUMPTION_CACHE = 2,   /* from a cache of session_cache_size sessions on the server */
  TCPKIT_TLS_RESUMPTION_OFF = 3      /* not at all; clients do not resume theirs either */
};

/** For tickets: none after a handshake. */
#define TCPKIT_TLS_NO_TICKETS UINT32_MAX

/** A certificate chain with its key, each in PEM, from a file or from memory. All of it is borrowed
 *  until the create call returns. */
typedef struct tcpkit_tls_certificate {
  uint32_t struct_size;
  uint32_t reserved;      /* zero */
  const char *chain_file; /* the certificate first, then the intermediate ones */
  const char *key_file;   /* default: chain_file, or chain_pem, holds the key too */
  tcpkit_slice chain_pem; /* in place of chain_file */
  tcpkit_slice key_pem;   /* in place of key_file */
  /** OCSP response in DER to staple; a missing file is an error, an outdated response is left out */
  const char *ocsp_file;
  /** host names that it is for, comma-separated, "*.example.org" for one label; default: those of
   *  its subject alternative names */
  const char *names;
} tcpkit_tls_certificate;
#define TCPKIT_TLS_CERTIFICATE_INIT \
  { sizeof(tcpkit_tls_certificate), 0, NULL, NULL, {NULL, 0}, {NULL, 0}, NULL, NULL }

/** Sets up a certificate like TCPKIT_TLS_CERTIFICATE_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.3. */
TCPKIT_API void tcpkit_tls_certificate_init(tcpkit_tls_certificate *certificate);

/** Writes the passphrase of an encrypted key to buffer and returns its length, 0 if there is none.
 *  file is the key's, "" for one in memory.
 *  Thread: the caller of the create or reload call. */
typedef size_t (*tcpkit_tls_passphrase_fn)(const char *file, char *buffer, size_t buffer_size,
                                           void *user_data);
/** One line of key material in the format of SSLKEYLOGFILE, borrowed until the callback returns.
 *  Thread: any, several at a time. */
typedef void (*tcpkit_tls_key_log_fn)(const char *line, void *user_data);
/** Chooses credentials for a host name that a client asks for (SNI); "" if it names none. NULL: those
 *  of the server. What it returns must live until the handshake is done.
 *  Thread: loop, several at a time. */
typedef tcpkit_tls *(*tcpkit_tls_choose_fn)(const char *server_name, void *user_data);

/** Credentials and settings of TLS; zero means the default. Texts and certificates are borrowed until
 *  tcpkit_tls_create returns; it copies them, and reload reads the same files again. The names of
 *  the fields of text and numbers are also the keys of tcpkit_tls_options_set. */
typedef struct tcpkit_tls_options {
  uint32_t struct_size;
  uint32_t certificate_count;
  /** several: an RSA and an ECDSA one for the same names, and others for other names (SNI); a client
   *  that names none of them gets the first */
  const tcpkit_tls_certificate *certificates;
  const char *cert_file; /* one more certificate, before those: its chain */
  const char *key_file;  /* its key; default: in cert_file */
  const char *ocsp_file; /* its OCSP response */
  /** host names, comma-separated, for which a throw-away certificate and key are made, in place of
   *  cert_file; for experiments and tests: nobody trusts it */
  const char *self_signed;
  const char *ca_file; /* certificates to trust, PEM */
  const char *ca_dir;  /* folder of them, named by hash (openssl rehash) */
  tcpkit_slice ca_pem; /* the same from memory */
  /** trust what the system trusts too; default: only for clients, and only without ca_ above */
  tcpkit_switch system_trust;
  tcpkit_tls_version min_version; /* default TCPKIT_TLS_1_2 */
  tcpkit_tls_version max_version; /* default: the newest */
  tcpkit_tls_client_auth client_auth;
  tcpkit_tls_resumption resumption;
  uint32_t tickets;    /* tickets after a handshake of TLS 1.3; default 1; at most 16 */
  const char *ciphers; /* TLS 1.2, in the notation of OpenSSL; default: forward secrecy, AEAD */
  const char *cipher_suites; /* TLS 1.3, colon-separated; default: those of OpenSSL */
  const char *groups;        /* key exchange, colon-separated; default X25519:P-256:P-384 */
  const char *alpn;          /* protocols, comma-separated, the preferred one first; default none */
  /** how long a session can be resumed; default 7200000; at most a week */
  uint64_t session_lifetime_ms;
  uint64_t session_cache_size; /* sessions with TCPKIT_TLS_RESUMPTION_CACHE; default 20480 */
  /** age at which ticket keys are replaced; those before are taken for session_lifetime_ms more;
   *  default 3600000; TCPKIT_UNLIMITED: only by tcpkit_tls_set_ticket_keys */
  uint64_t ticket_rotation_ms;
  /** clients take any certificate for any host, from anybody; default off. For experiments only */
  tcpkit_switch insecure_accept_any_certificate;
  uint32_t reserved;                   /* zero */
  tcpkit_tls_passphrase_fn passphrase; /* of encrypted keys; may be NULL */
  tcpkit_tls_key_log_fn on_key_log;    /* may be NULL; whoever has its lines can decrypt */
  tcpkit_tls_choose_fn choose;         /* may be NULL */
  void *user_data;
  tcpkit_free_fn user_data_free;
} tcpkit_tls_options;
#define TCPKIT_TLS_OPTIONS_INIT                                                                  \
  {                                                                                              \
    sizeof(tcpkit_tls_options), 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, {NULL, 0}, 0, 0, 0, \
        0, 0, 0, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL             \
  }

/** Sets up options like TCPKIT_TLS_OPTIONS_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.3. */
TCPKIT_API void tcpkit_tls_options_init(tcpkit_tls_options *options);

/** Sets one option from text, like tcpkit_server_options_set. text is borrowed until create for all
 *  options of text. Returns TCPKIT_E_UNKNOWN_OPTION or TCPKIT_E_BAD_VALUE, whose message names key and
 *  text, TCPKIT_E_INVALID_ARGUMENT or TCPKIT_E_STRUCT_SIZE.
 *  Thread: any. Since: 0.3. */
TCPKIT_API tcpkit_status tcpkit_tls_options_set(tcpkit_tls_options *options, const char *key,
                                                const char *text);

/** Number of options that tcpkit_tls_options_set knows.
 *  Thread: any. Since: 0.3. */
TCPKIT_API size_t tcpkit_tls_option_count(void);

/** Describes option number index, from 0. Returns TCPKIT_E_NOT_FOUND, TCPKIT_E_INVALID_ARGUMENT or
 *  TCPKIT_E_STRUCT_SIZE.
 *  Thread: any. Since: 0.3. */
TCPKIT_API tcpkit_status tcpkit_tls_option_at(size_t index, tcpkit_option_info *out_info);

/** Loads and checks everything: files, keys that fit their certificates, settings. options may be NULL;
 *  a certificate is required for servers only. Free it with tcpkit_tls_free; servers that use it keep
 *  it, and their last connection keeps user_data. Returns
 *  TCPKIT_E_TLS_CREDENTIALS, whose message names file and cause, TCPKIT_E_INVALID_ARGUMENT,
 *  TCPKIT_E_STRUCT_SIZE or TCPKIT_E_NO_MEMORY.
 *  Thread: any. Since: 0.3. */
TCPKIT_API tcpkit_status tcpkit_tls_create(const tcpkit_tls_options *options, tcpkit_tls **out_tls);

/** Gives up the caller's hold on credentials. NULL is ignored.
 *  Thread: any. Since: 0.3. */
TCPKIT_API void tcpkit_tls_free(tcpkit_tls *tls);

/** Reads all files again, checks everything, and only then lets new handshakes use it; open
 *  connections go on, ticket keys stay. Returns what tcpkit_tls_create does; then what was in force
 *  still is.
 *  Thread: any, one at a time. Since: 0.3. */
TCPKIT_API tcpkit_status tcpkit_tls_reload(tcpkit_tls *tls);

/** How often credentials were loaded: 1 after create, one more after each successful reload.
 *  Thread: any. Since: 0.3. */
TCPKIT_API uint64_t tcpkit_tls_generation(const tcpkit_tls *tls);

/** When the first certificate of ours expires, in milliseconds since 1970-01-01 UTC;
 *  TCPKIT_UNLIMITED without a certificate.
 *  Thread: any. Since: 0.3. */
TCPKIT_API uint64_t tcpkit_tls_expires_at_ms(const tcpkit_tls *tls);

/** Bytes of one ticket key. */
#define TCPKIT_TLS_TICKET_KEY_SIZE 80

/** Sets the keys of tickets, key_count times TCPKIT_TLS_TICKET_KEY_SIZE random bytes, so that all
 *  servers of a fleet take each other's: the first one makes new tickets, the others are still taken.
 *  At most 16. From then on they are not replaced by themselves. Returns TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.3. */
TCPKIT_API tcpkit_status tcpkit_tls_set_ticket_keys(tcpkit_tls *tls, const void *keys,
                                                    size_t key_count);

/** Which side of the handshake we are. */
typedef int32_t tcpkit_tls_role;
enum { TCPKIT_TLS_SERVER = 1, TCPKIT_TLS_CLIENT = 2 };

/** How a plain connection goes over to TLS. */
typedef struct tcpkit_start_tls_options {
  uint32_t struct_size;
  tcpkit_tls_role role; /* required */
  tcpkit_tls *tls;      /* required; kept until the connection has ended */
  /** client: host name or IP address that the peer's certificate must be for, sent as SNI if it is a
   *  name; required unless any certificate is accepted; copied */
  const char *server_name;
} tcpkit_start_tls_options;
#define TCPKIT_START_TLS_OPTIONS_INIT \
  { sizeof(tcpkit_start_tls_options), 0, NULL, NULL }

/** Sets up options like TCPKIT_START_TLS_OPTIONS_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.3. */
TCPKIT_API void tcpkit_start_tls_options_init(tcpkit_start_tls_options *options);

/** Goes over from plain to TLS (STARTTLS). What was sent before leaves in clear; what is sent from now
 *  on waits for the handshake. Bytes of the peer that came in clear behind the last packet or data
 *  delivered end the connection: somebody may have put them there. on_tls comes when the handshake is
 *  done. Returns TCPKIT_E_WRONG_THREAD, TCPKIT_E_CLOSED, TCPKIT_E_INVALID_ARGUMENT (also if it speaks
 *  TLS already), TCPKIT_E_STRUCT_SIZE or TCPKIT_E_NO_MEMORY.
 *  Thread: loop. Since: 0.3. */
TCPKIT_API tcpkit_status tcpkit_conn_start_tls(tcpkit_conn *conn,
                                               const tcpkit_start_tls_options *options);

/** What a handshake agreed on. Texts are borrowed until on_close returns, and never NULL. */
typedef struct tcpkit_tls_info {
  uint32_t struct_size;
  tcpkit_tls_version version;
  const char *cipher;       /* "TLS_AES_128_GCM_SHA256" */
  const char *group;        /* "x25519"; "" after a resumption without key exchange */
  const char *alpn;         /* "h2"; "" if none was agreed on */
  const char *server_name;  /* SNI; "" if none was sent */
  uint64_t handshake_us;    /* from its first byte to its end */
  int32_t resumed;          /* 1 if a session was resumed, else 0 */
  int32_t peer_verified;    /* 1 if the peer has shown a certificate and it is valid, else 0 */
  const char *peer_subject; /* "CN=client,O=Example"; "" without a certificate */
  /** subject alternative names, comma-separated: "DNS:a.example,IP:192.0.2.7"; "" without */
  const char *peer_names;
  uint8_t peer_sha256[32];    /* fingerprint of the peer's certificate; zero without */
  uint64_t peer_certificates; /* certificates in the peer's verified chain, 0 without */
} tcpkit_tls_info;
#define TCPKIT_TLS_INFO_INIT \
  { sizeof(tcpkit_tls_info), 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL, NULL, {0}, 0 }

/** Sets up an info like TCPKIT_TLS_INFO_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.3. */
TCPKIT_API void tcpkit_tls_info_init(tcpkit_tls_info *info);

/** Tells what the handshake of a connection agreed on. Returns TCPKIT_E_NOT_FOUND if it is plain or its
 *  handshake is not done, TCPKIT_E_WRONG_THREAD, TCPKIT_E_STRUCT_SIZE or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: loop. Since: 0.3. */
TCPKIT_API tcpkit_status tcpkit_conn_tls_info(const tcpkit_conn *conn, tcpkit_tls_info *out_info);

/** Certificate number index of the peer's verified chain in DER, its own being 0; borrowed until
 *  on_close returns. Returns TCPKIT_E_NOT_FOUND, TCPKIT_E_WRONG_THREAD or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: loop. Since: 0.3. */
TCPKIT_API tcpkit_status tcpkit_conn_tls_peer_certificate(const tcpkit_conn *conn, size_t index,
                                                          tcpkit_slice *out_der);

/** SSL object of OpenSSL of the connection, NULL if it is plain. An escape hatch: borrowed, to be
 *  asked, not to be read, written or shut down.
 *  Thread: loop. Since: 0.3. */
TCPKIT_API void *tcpkit_conn_native_tls(const tcpkit_conn *conn);

/* ---- Server options ------------------------------------------------------------------------ */

/** Whether connections begin with a PROXY protocol header, version 1 or 2. */
typedef int32_t tcpkit_proxy_protocol;
enum {
  TCPKIT_PROXY_DEFAULT = 0, /* TCPKIT_PROXY_OFF */
  TCPKIT_PROXY_OFF = 1,     /* no: such bytes are data */
  /** those from proxy_trusted may, all others never do; one that has sent nothing when
   *  proxy_timeout_ms has passed is taken to wait for the server to speak */
  TCPKIT_PROXY_OPTIONAL = 2,
  TCPKIT_PROXY_REQUIRED = 3 /* all must, and must come from proxy_trusted */
};

/** What happens to new connections while max_connections or max_accepts_per_second is reached, or
 *  while the process has no descriptor left. */
typedef int32_t tcpkit_at_limit;
enum {
  TCPKIT_AT_LIMIT_DEFAULT = 0, /* TCPKIT_AT_LIMIT_RESET */
  TCPKIT_AT_LIMIT_RESET = 1,   /* they are accepted and reset, so that the client knows at once */
  TCPKIT_AT_LIMIT_WAIT = 2     /* they wait in the backlog until there is room */
};

/** Settings of a server; zero means the default. The names are also the keys of
 *  tcpkit_server_options_set. */
typedef struct tcpkit_server_options {
  uint32_t struct_size;
  /** event loops, each a thread; default: processors this process may use; at most 255 */
  uint32_t loops;
  /** addresses to listen on, comma-separated, opened by start and run; borrowed until create
   *  copies it; default: none */
  const char *listen;
  tcpkit_framing framing;   /* how packets are cut; default TCPKIT_FRAMING_NONE */
  size_t max_packet_size;   /* bytes of one packet; default 1 MiB; TCPKIT_UNLIMITED_SIZE */
  tcpkit_oversize oversize; /* what happens to larger ones; default close */
  /** give what follows the last whole packet at end of stream to on_packet; default off */
  tcpkit_switch deliver_tail;
  /** most bytes per read, one buffer per loop; default 512 KiB; 1 KiB to 64 MiB */
  size_t read_buffer_size;
  /** connections per read pool (loop); when all are full another one starts, up to 255; default
   *  TCPKIT_UNLIMITED: the number of loops stays as it is */
  uint64_t pool_size;
  /** time a ready connection may use before the others of its loop have their turn; default 10;
   *  TCPKIT_UNLIMITED */
  uint64_t read_quantum_ms;
  /** open connections; see at_limit for more of them; default TCPKIT_UNLIMITED */
  uint64_t max_connections;
  uint64_t tick_interval_ms; /* time between metrics updates; default 1000 */
  /** longest time from close until everything was sent, then the connection is reset, and from
   *  then until the peer ends its stream, then it is dropped; default 5000; TCPKIT_UNLIMITED */
  uint64_t close_timeout_ms;
  /** idle time before TCP keep-alive probes; default 300000; TCPKIT_UNLIMITED: none */
  uint64_t keep_alive_ms;
  /** connections that may wait to be accepted; default 4096, cut by the system's maximum */
  uint32_t backlog;
  /** one SO_REUSEPORT listener per loop instead of handing connections to the least-loaded loop;
   *  tcp only; default off */
  tcpkit_switch reuse_port;
  /** an IPv6 wildcard listener takes IPv4 too; default on for tcp://, never for tcp6:// */
  tcpkit_switch dual_stack;
  tcpkit_switch no_delay;          /* TCP_NODELAY; default on */
  size_t receive_buffer_size;      /* SO_RCVBUF in bytes; default: the system's */
  size_t send_buffer_size;         /* SO_SNDBUF in bytes; default: the system's */
  tcpkit_switch handle_signals;    /* tcpkit_server_run ends at SIGINT and SIGTERM; default on */
  tcpkit_log_level log_level;      /* what reaches on_log; default warning */
  const tcpkit_strategy *strategy; /* hooks; copied by create; default: none */
  /* since 0.2 */
  /** queued bytes of a connection above which sends answer TCPKIT_OK_ABOVE_HIGH and reading pauses;
   *  default 1 MiB; TCPKIT_UNLIMITED_SIZE */
  size_t high_watermark;
  /** queued bytes at which on_writable comes and reading goes on; default a quarter of
   *  high_watermark; at most that */
  size_t low_watermark;
  /** queued bytes of a connection that no send may pass; default 64 MiB; TCPKIT_UNLIMITED_SIZE */
  size_t max_queued_bytes;
  /** bytes that all connections of the server may have waiting, in and out: sends that would pass
   *  it fail; a connection is closed with TCPKIT_CLOSE_LIMIT if its packet would, or what its own
   *  callbacks sent and the kernel did not take; default 1 GiB; TCPKIT_UNLIMITED_SIZE */
  size_t max_buffered_bytes;
  /** longest time without a byte in or out; default TCPKIT_UNLIMITED; at most 2^31 - 1, like the
   *  next two */
  uint64_t idle_timeout_ms;
  /** longest time without a byte from the peer while we read; default TCPKIT_UNLIMITED */
  uint64_t read_timeout_ms;
  /** longest time that the peer may take nothing while output waits; default 60000;
   *  TCPKIT_UNLIMITED */
  uint64_t write_timeout_ms;
  /** time that SIGINT and SIGTERM give connections to finish before they are reset; a second signal
   *  resets them at once; default 10000; TCPKIT_UNLIMITED */
  uint64_t drain_timeout_ms;
  /** reading pauses while the connection's own output is above high_watermark; default on */
  tcpkit_switch pause_above_high;
  tcpkit_proxy_protocol proxy_protocol; /* PROXY header, version 1 or 2; default off */
  /** networks that are believed when they send a PROXY header, comma-separated: "10.0.0.0/8", "::1",
   *  "unix", "all"; borrowed until create copies it; required unless proxy_protocol is off */
  const char *proxy_trusted;
  uint64_t proxy_timeout_ms; /* time for the PROXY header; default 5000; TCPKIT_UNLIMITED */
  /** open connections from one IP address; more are reset; default TCPKIT_UNLIMITED. For one with a
   *  PROXY header the address in it counts, here and in the next one; one from a proxy_trusted
   *  network without a header does not count */
  uint64_t max_connections_per_address;
  /** open connections from one network, see prefix_v4 and prefix_v6; more are reset; default
   *  TCPKIT_UNLIMITED */
  uint64_t max_connections_per_prefix;
  /** connections accepted per second, with bursts of as many; default TCPKIT_UNLIMITED */
  uint64_t max_accepts_per_second;
  uint32_t prefix_v4;       /* bits of an IPv4 network; default 24; 1 to 32 */
  uint32_t prefix_v6;       /* bits of an IPv6 network; default 64; 1 to 128 */
  tcpkit_at_limit at_limit; /* new connections at a limit; default reset */
  uint32_t reserved;        /* zero */
  /** bytes per second that a peer has to send while we read and it owes the rest of a packet, or,
   *  without framing, always; one that falls behind by what it had to send in receive_rate_grace_ms
   *  is closed with TCPKIT_CLOSE_RATE_TIMEOUT; default: none; at most 2^30 */
  uint64_t min_receive_rate;
  /** how far behind min_receive_rate a peer may fall, counted anew for each packet; default 5000; at
   *  most 1800000 */
  uint64_t receive_rate_grace_ms;
  /* since 0.3 */
  /** connections speak TLS with these credentials; create keeps a reference; default: plain */
  tcpkit_tls *tls;
  /** connections may also be plain: the first byte tells; one that has sent nothing when
   *  handshake_timeout_ms has passed is plain and waits for the server to speak; default off; needs
   *  tls */
  tcpkit_switch tls_or_plain;
  uint32_t reserved2;            /* zero */
  uint64_t handshake_timeout_ms; /* time for the TLS handshake; default 10000; TCPKIT_UNLIMITED */
  /** handshakes that may be under way at once; more connections are reset, or wait, by at_limit;
   *  default TCPKIT_UNLIMITED */
  uint64_t max_handshakes;
  /** time per turn of a loop that handshakes may use before open connections are served; default
   *  10; TCPKIT_UNLIMITED */
  uint64_t handshake_quantum_ms;
  /* since 0.4 */
  /** filters that each connection has from on_open on, the first one nearest to the network; pointers
   *  to filter_count tables, which create copies; default: none */
  const tcpkit_filter *const *filters;
  size_t filter_count; /* at most 16 */
  /** threads that run on_connection, started when they are needed; default 512; at most 65535 */
  uint64_t max_handler_threads;
  /** open connections that may wait for one of them; more are reset; default 1024 */
  uint64_t max_waiting_connections;
  /** stack of a handler thread in bytes; default: the system's; 64 KiB to 1 GiB */
  size_t handler_stack_size;
  /** worker pool: threads that run on_data, on_packet and on_end in place of the loops, so that these
   *  may take their time. Those of one connection come one at a time and in their order; the other
   *  callbacks stay on its loop, on_open before them and on_close after them. Default 0: none; at
   *  most 1024; not with on_connection */
  uint32_t workers;
  uint32_t reserved3; /* zero */
  /** bytes of a connection that may wait for a worker before reading from it pauses; default 256 KiB;
   *  TCPKIT_UNLIMITED_SIZE */
  size_t worker_queue_bytes;
} tcpkit_server_options;
#define TCPKIT_SERVER_OPTIONS_INIT                                                                \
  {                                                                                               \
    sizeof(tcpkit_server_options), 0, NULL, TCPKIT_FRAMING_INIT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
        0, 0, 0, 0, 0, 0, 0, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
        0, NULL, 0, 0, 0, 0, 0, NULL, 0, 0, 0, 0, 0, 0, 0                                         \
  }

/** Sets up options like TCPKIT_SERVER_OPTIONS_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.1. */
TCPKIT_API void tcpkit_server_options_init(tcpkit_server_options *options);

/** Sets one option from text, for config files, environment and command lines. key is the name of
 *  a field ('-' stands for '_' too). Sizes take the suffixes k, m and g (powers of 1024); sizes,
 *  counts and times take "unlimited" where the field does; switches take on and off; framing takes
 *  what tcpkit_framing_parse does. text is borrowed until create for listen.
 *  Returns TCPKIT_E_UNKNOWN_OPTION or TCPKIT_E_BAD_VALUE, whose message names key and text,
 *  TCPKIT_E_INVALID_ARGUMENT or TCPKIT_E_STRUCT_SIZE.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_server_options_set(tcpkit_server_options *options, const char *key,
                                                   const char *text);

/** Number of options that tcpkit_server_options_set knows.
 *  Thread: any. Since: 0.1. */
TCPKIT_API size_t tcpkit_server_option_count(void);

/** Describes option number index, from 0. Returns TCPKIT_E_NOT_FOUND, TCPKIT_E_INVALID_ARGUMENT or
 *  TCPKIT_E_STRUCT_SIZE.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_server_option_at(size_t index, tcpkit_option_info *out_info);

/* ---- Server -------------------------------------------------------------------------------- */

/** Creates a server that does nothing yet. options and handlers may be NULL. Free it with
 *  tcpkit_server_free. Returns TCPKIT_E_INVALID_ARGUMENT, TCPKIT_E_STRUCT_SIZE,
 *  TCPKIT_E_BAD_ADDRESS, TCPKIT_E_NO_MEMORY or TCPKIT_E_IO.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_server_create(const tcpkit_server_options *options,
                                              const tcpkit_handlers *handlers,
                                              tcpkit_server **out_server);

/** Stops the server if it runs and frees it; connections and buffers that you retained stay valid,
 *  and answer TCPKIT_E_CLOSED. Inside a callback of the server it returns at once, and the server
 *  frees itself when that can be done. NULL is ignored.
 *  Thread: any. Since: 0.1. */
TCPKIT_API void tcpkit_server_free(tcpkit_server *server);

/** Settings of one listener; zero means what the server options say. */
typedef struct tcpkit_listen_options {
  uint32_t struct_size;
  uint32_t backlog;
  tcpkit_switch reuse_port;
  tcpkit_switch dual_stack;
  /* since 0.3 */
  tcpkit_switch tls; /* whether connections from here speak TLS; default on if options.tls is set */
  uint32_t reserved; /* zero */
} tcpkit_listen_options;
#define TCPKIT_LISTEN_OPTIONS_INIT \
  { sizeof(tcpkit_listen_options), 0, 0, 0, 0, 0 }

/** Sets up options like TCPKIT_LISTEN_OPTIONS_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.1. */
TCPKIT_API void tcpkit_listen_options_init(tcpkit_listen_options *options);

/** Binds and listens on one address at once, on a running server or before it starts (connections
 *  then wait in the backlog). Port 0 takes a free port. A unix path of a socket nobody listens on
 *  any more is replaced, and removed at stop. fd://N takes over a listening socket, which is
 *  closed at stop. A host name listens on its first address. After stop and start the same text is
 *  listened on again. options may be NULL. Returns TCPKIT_E_BAD_ADDRESS, TCPKIT_E_ADDRESS_IN_USE,
 *  TCPKIT_E_ADDRESS_NOT_AVAILABLE, TCPKIT_E_PERMISSION, TCPKIT_E_NO_SUCH_FILE, TCPKIT_E_RESOLVE,
 *  TCPKIT_E_TOO_MANY_FILES, TCPKIT_E_IO, TCPKIT_E_NOT_RUNNING while the server stops, or
 *  TCPKIT_E_INVALID_ARGUMENT; the message names address and cause.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_server_listen(tcpkit_server *server, const char *address,
                                              const tcpkit_listen_options *options);

/** Listens on every socket that a service manager has opened for this process (systemd's LISTEN_PID
 *  and LISTEN_FDS), each like "fd://N"; out_count, which may be NULL, gets their number, 0 if there
 *  are none. The environment is left as it is, so call it once. Returns what tcpkit_server_listen
 *  does.
 *  Thread: any. Since: 0.2. */
TCPKIT_API tcpkit_status tcpkit_server_listen_inherited(tcpkit_server *server, size_t *out_count);

/** Descriptor of listener number index, for another process that is to go on listening there with
 *  "fd://N": a restart that hands it over refuses nobody. Borrowed, and close-on-exec: pass on a
 *  copy made with dup. From then on stop does not remove the path of a unix listener. -1 if there is
 *  no such listener, or it is closed.
 *  Thread: any. Since: 0.2. */
TCPKIT_API int32_t tcpkit_server_listener_fd(tcpkit_server *server, size_t index);

/** Number of listeners.
 *  Thread: any. Since: 0.1. */
TCPKIT_API size_t tcpkit_server_listener_count(const tcpkit_server *server);

/** Writes the address that listener number index is bound to, with its real port; returns its
 *  length, 0 if there is no such listener.
 *  Thread: any. Since: 0.1. */
TCPKIT_API size_t tcpkit_server_listener_address(const tcpkit_server *server, size_t index,
                                                 char *buffer, size_t buffer_size);

/** Starts the server on threads of its own and returns. A stopped server can be started again.
 *  Returns TCPKIT_E_ALREADY_RUNNING, TCPKIT_E_NO_MEMORY, TCPKIT_E_TOO_MANY_FILES, TCPKIT_E_IO, or
 *  what tcpkit_server_listen returns for options.listen.
 *  Thread: any but its loops. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_server_start(tcpkit_server *server);

/** Runs the server with its first loop on this thread, until tcpkit_server_stop or the end of a
 *  drain, which SIGINT or SIGTERM begins (see handle_signals and drain_timeout_ms), and returns
 *  after the last callback. Returns what tcpkit_server_start does.
 *  Thread: any but its loops. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_server_run(tcpkit_server *server);

/** Stops accepting, tries once to send what is queued, closes all connections with
 *  TCPKIT_CLOSE_SHUTDOWN and returns after their last callback. On a loop of this server it only
 *  begins all that and returns. Stopping a server that does not run does nothing. Returns
 *  TCPKIT_OK, or TCPKIT_E_INVALID_ARGUMENT for NULL.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_server_stop(tcpkit_server *server);

/** What became of the connections that were open when a drain began, or came during it. */
typedef struct tcpkit_drain_report {
  uint32_t struct_size;
  uint32_t reserved;   /* zero */
  uint64_t graceful;   /* connections that ended by themselves */
  uint64_t forced;     /* connections that were reset at the deadline, or by a stop before it */
  uint64_t lost_bytes; /* bytes that the forced ones had queued */
  uint64_t elapsed_ms; /* time from the call to the last callback */
} tcpkit_drain_report;
#define TCPKIT_DRAIN_REPORT_INIT \
  { sizeof(tcpkit_drain_report), 0, 0, 0, 0, 0 }

/** Sets up a report like TCPKIT_DRAIN_REPORT_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.2. */
TCPKIT_API void tcpkit_drain_report_init(tcpkit_drain_report *report);

/** Ends the server gently: stops accepting, calls on_drain for each connection, closes those that
 *  are idle (nothing queued, no packet begun; in its first second a connection that has sent nothing
 *  is not) at once and the others as soon as they are, with TCPKIT_CLOSE_SHUTDOWN, and resets what is left after deadline_ms (TCPKIT_UNLIMITED: never).
 *  Returns after the last callback; out_report, which may be NULL, tells how it went. On a loop of
 *  this server it only begins all that and returns, with an empty report. A server that does not
 *  run has nothing to drain. Returns TCPKIT_OK, TCPKIT_E_STRUCT_SIZE or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.2. */
TCPKIT_API tcpkit_status tcpkit_server_drain(tcpkit_server *server, uint64_t deadline_ms,
                                             tcpkit_drain_report *out_report);

/** Waits until a server that was started has stopped; returns at once if it does not run. Returns
 *  TCPKIT_E_WRONG_THREAD on a loop of this server.
 *  Thread: any but its loops. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_server_wait(tcpkit_server *server);

/** 1 from a successful start, or the begin of run, until the end of stop; else 0.
 *  Thread: any. Since: 0.1. */
TCPKIT_API int32_t tcpkit_server_is_running(const tcpkit_server *server);

/** Takes a snapshot of the metrics; out_metrics->struct_size must be set. Returns
 *  TCPKIT_E_INVALID_ARGUMENT or TCPKIT_E_STRUCT_SIZE.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_server_metrics(const tcpkit_server *server,
                                               tcpkit_metrics *out_metrics);

/** Finds an open connection by its id; out_conn is retained for the caller. Returns
 *  TCPKIT_E_NOT_FOUND or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_server_find(tcpkit_server *server, uint64_t conn_id,
                                            tcpkit_conn **out_conn);

/** Calls visitor inside this call, on this thread, for each connection that is open when the call
 *  begins; they may come and go meanwhile. Returns TCPKIT_E_NO_MEMORY or
 *  TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_server_visit(tcpkit_server *server, tcpkit_conn_fn visitor,
                                             void *user_data);

/** Writes up to capacity open connections to out_conns, each retained for the caller, and the
 *  number of all that are open to out_count. Returns TCPKIT_E_NO_MEMORY or
 *  TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_server_list(tcpkit_server *server, tcpkit_conn **out_conns,
                                            size_t capacity, size_t *out_count);

/** Number of loops that the server has or will start with; it grows with pool_size.
 *  Thread: any. Since: 0.1. */
TCPKIT_API size_t tcpkit_server_loop_count(const tcpkit_server *server);

/** Loop number index, from 0; NULL if there is none. Valid as long as the server.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_loop *tcpkit_server_loop(tcpkit_server *server, size_t index);

/* ---- Client -------------------------------------------------------------------------------- */

/** Whether a client begins its connections with a PROXY protocol header. */
typedef int32_t tcpkit_send_proxy;
enum {
  TCPKIT_SEND_PROXY_DEFAULT = 0, /* TCPKIT_SEND_PROXY_OFF */
  TCPKIT_SEND_PROXY_OFF = 1,
  TCPKIT_SEND_PROXY_V1 = 2, /* a line of text */
  TCPKIT_SEND_PROXY_V2 = 3  /* binary */
};

/** Settings of a client; zero means the default. The names of the fields of text, numbers and
 *  switches are also the keys of tcpkit_client_options_set. What has the name of a server's option
 *  means the same. Texts are borrowed until create copies them. */
typedef struct tcpkit_client_options {
  uint32_t struct_size;
  /** after an attempt that failed, or a connection that ended, the next attempt follows; default
   *  off */
  tcpkit_switch reconnect;
  tcpkit_framing framing;   /* how packets are cut; default TCPKIT_FRAMING_NONE */
  size_t max_packet_size;   /* bytes of one packet; default 1 MiB; TCPKIT_UNLIMITED_SIZE */
  tcpkit_oversize oversize; /* what happens to larger ones; default close */
  tcpkit_switch
      deliver_tail; /* give what follows the last whole packet to on_packet; default off */
  /** most bytes per read; default 512 KiB; at most what the loop has */
  size_t read_buffer_size;
  uint64_t read_quantum_ms;  /* default 10; TCPKIT_UNLIMITED */
  size_t high_watermark;     /* default 1 MiB; TCPKIT_UNLIMITED_SIZE */
  size_t low_watermark;      /* default a quarter of high_watermark; at most that */
  size_t max_queued_bytes;   /* default 64 MiB; TCPKIT_UNLIMITED_SIZE */
  uint64_t idle_timeout_ms;  /* default TCPKIT_UNLIMITED; at most 2^31 - 1, like the next two */
  uint64_t read_timeout_ms;  /* default TCPKIT_UNLIMITED */
  uint64_t write_timeout_ms; /* default 60000; TCPKIT_UNLIMITED */
  uint64_t close_timeout_ms; /* default 5000; TCPKIT_UNLIMITED */
  uint64_t keep_alive_ms;    /* default 300000; TCPKIT_UNLIMITED: none */
  uint64_t min_receive_rate; /* bytes per second; default: none; at most 2^30 */
  uint64_t receive_rate_grace_ms; /* default 5000; at most 1800000 */
  tcpkit_switch pause_above_high; /* default on */
  tcpkit_switch no_delay;         /* TCP_NODELAY; default on */
  size_t receive_buffer_size;     /* SO_RCVBUF in bytes; default: the system's */
  size_t send_buffer_size;        /* SO_SNDBUF in bytes; default: the system's */
  tcpkit_log_level log_level;     /* what reaches on_log; default warning */
  tcpkit_send_proxy send_proxy;   /* PROXY header before everything else; default off */
  /** who is said to connect, and to whom: "192.0.2.7:5000", "[2001:db8::7]:5000", as
   *  tcpkit_conn_remote_address and tcpkit_conn_local_address write it, or "unix", which is told as
   *  unknown; default: the two ends of the connection itself. Both or none */
  const char *proxy_source;
  const char *proxy_destination;
  /** connections speak TLS with these credentials; create keeps a reference; default: plain */
  tcpkit_tls *tls;
  /** host name or IP address that the certificate must be for, sent as SNI if it is a name;
   *  default: the host of the address */
  const char *server_name;
  /** where it runs: a loop of tcpkit_loop_create, or a running server's, such as the loop of the
   *  connection that a proxy dials for; default: a thread of the client's own */
  tcpkit_loop *loop;
  const char *local_address; /* to connect from: "192.0.2.1:0", "[2001:db8::1]:0"; default: any */
  /** for a whole attempt: resolution, every address, PROXY header and TLS; default 10000;
   *  TCPKIT_UNLIMITED */
  uint64_t connect_timeout_ms;
  /** time that one address of a host is given before the next is tried besides it (RFC 8305);
   *  default 250; 10 to 10000 */
  uint64_t attempt_delay_ms;
  /** reconnect: delay before the next attempt at first; it doubles with each, a random part of up
   *  to half is taken off, and it begins anew after a connection that lasted reconnect_max_ms;
   *  default 500 */
  uint64_t reconnect_min_ms;
  uint64_t reconnect_max_ms; /* the longest delay; default 30000; at least reconnect_min_ms */
  uint64_t max_attempts;     /* that may fail in a row; default TCPKIT_UNLIMITED */
} tcpkit_client_options;
#define TCPKIT_CLIENT_OPTIONS_INIT                                                                \
  {                                                                                               \
    sizeof(tcpkit_client_options), 0, TCPKIT_FRAMING_INIT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
        0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0                 \
  }

/** Sets up options like TCPKIT_CLIENT_OPTIONS_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.4. */
TCPKIT_API void tcpkit_client_options_init(tcpkit_client_options *options);

/** Sets one option from text, like tcpkit_server_options_set. text is borrowed until create for all
 *  options of text. Returns TCPKIT_E_UNKNOWN_OPTION or TCPKIT_E_BAD_VALUE, whose message names key
 *  and text, TCPKIT_E_INVALID_ARGUMENT or TCPKIT_E_STRUCT_SIZE.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_client_options_set(tcpkit_client_options *options, const char *key,
                                                   const char *text);

/** Number of options that tcpkit_client_options_set knows.
 *  Thread: any. Since: 0.4. */
TCPKIT_API size_t tcpkit_client_option_count(void);

/** Describes option number index, from 0. Returns TCPKIT_E_NOT_FOUND, TCPKIT_E_INVALID_ARGUMENT or
 *  TCPKIT_E_STRUCT_SIZE.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_client_option_at(size_t index, tcpkit_option_info *out_info);

/** Creates a client that is not connected yet; without options.loop its thread begins. options and
 *  handlers may be NULL; of the handlers on_metrics and on_drain are the server's alone. Free it
 *  with tcpkit_client_free. Returns TCPKIT_E_INVALID_ARGUMENT, TCPKIT_E_STRUCT_SIZE,
 *  TCPKIT_E_BAD_ADDRESS, TCPKIT_E_NO_MEMORY, TCPKIT_E_TOO_MANY_FILES or TCPKIT_E_IO.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_client_create(const tcpkit_client_options *options,
                                              const tcpkit_handlers *handlers,
                                              tcpkit_client **out_client);

/** Ends the connection or the attempt at once, gives up, and frees the client, after its last
 *  callback: on_close with TCPKIT_CLOSE_SHUTDOWN, or on_connect_failed with TCPKIT_E_CANCELLED. What
 *  the kernel has not taken is lost: to send all of it, call tcpkit_client_close and wait for
 *  on_close before. Inside a callback of its loop it returns at once, and the client frees itself
 *  when that can be done. NULL is ignored.
 *  Thread: any. Since: 0.4. */
TCPKIT_API void tcpkit_client_free(tcpkit_client *client);

/** Begins to connect to "tcp://HOST:PORT", "tcp4://", "tcp6://", "unix:///PATH" or "unix://@NAME".
 *  Exactly one of on_open and an on_connect_failed without a next attempt follows. Every address of
 *  a host is tried, IPv6 and IPv4 in turn, the next one besides those under way; the first that
 *  connects is taken. Returns TCPKIT_E_BAD_ADDRESS, TCPKIT_E_ALREADY_RUNNING while it is connected,
 *  connecting or about to (until on_close or the last on_connect_failed begins, in which it may
 *  connect again), TCPKIT_E_NOT_RUNNING if its loop does not run, TCPKIT_E_INVALID_ARGUMENT (also if
 *  TLS has no name to verify), or TCPKIT_E_NO_MEMORY.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_client_connect(tcpkit_client *client, const char *address);

/** Connects like tcpkit_client_connect and waits until that has succeeded, after on_open, or failed
 *  for the last time. out_conn, which may be NULL, is retained for the caller. If the client has
 *  neither on_data nor on_packet, the connection is detached, and the caller drives it with the
 *  blocking calls (tcpkit_conn_read and the others) until tcpkit_conn_close. Returns what
 *  tcpkit_client_connect does, the status of the failure, whose message names the address, what was
 *  tried and the cause, or TCPKIT_E_WRONG_THREAD on the loop of the client.
 *  Thread: any but its loop. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_client_dial(tcpkit_client *client, const char *address,
                                            tcpkit_conn **out_conn);

/** The open connection of a client, retained for the caller. Returns TCPKIT_E_NOT_FOUND while there
 *  is none, or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_client_conn(tcpkit_client *client, tcpkit_conn **out_conn);

/** Closes the connection like tcpkit_conn_close, or gives up the attempt (on_connect_failed tells
 *  TCPKIT_E_CANCELLED), and does not reconnect. Returns TCPKIT_OK also if there is nothing to close,
 *  or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_client_close(tcpkit_client *client);

/** Takes a snapshot of the metrics; out_metrics->struct_size must be set. Returns
 *  TCPKIT_E_INVALID_ARGUMENT or TCPKIT_E_STRUCT_SIZE.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_client_metrics(const tcpkit_client *client,
                                               tcpkit_metrics *out_metrics);

/** Loop that the callbacks of a client run on, for tasks and timers; valid as long as the client.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_loop *tcpkit_client_loop(tcpkit_client *client);

/* ---- Services ------------------------------------------------------------------------------ */

/** One of those that tcpkit_run_services runs: either a server, or a client with its address. */
typedef struct tcpkit_service {
  uint32_t struct_size; /* the same in all elements of an array */
  uint32_t reserved;    /* zero */
  tcpkit_server *server;
  tcpkit_client *client;
  const char *address; /* of client, as for tcpkit_client_connect; borrowed during the call */
} tcpkit_service;
#define TCPKIT_SERVICE_INIT \
  { sizeof(tcpkit_service), 0, NULL, NULL, NULL }

/** Sets up a service like TCPKIT_SERVICE_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.4. */
TCPKIT_API void tcpkit_service_init(tcpkit_service *service);

/** Settings of tcpkit_run_services; zero means the default. */
typedef struct tcpkit_run_options {
  uint32_t struct_size;
  /** default on: SIGINT and SIGTERM end all, in order; a second one at once; off: no signal is
   *  touched */
  tcpkit_switch handle_signals;
  /** for the gentle end: then servers reset what is open, and clients what is not sent; default
   *  10000; TCPKIT_UNLIMITED: never */
  uint64_t drain_timeout_ms;
} tcpkit_run_options;
#define TCPKIT_RUN_OPTIONS_INIT \
  { sizeof(tcpkit_run_options), 0, 0 }

/** Sets up options like TCPKIT_RUN_OPTIONS_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.4. */
TCPKIT_API void tcpkit_run_options_init(tcpkit_run_options *options);

/** Starts servers, and connects clients, in their order, and waits on this thread until a signal
 *  (then all end gently: servers drain, clients close), the first error (all others end in the same
 *  way), or until all have ended by themselves: a server that somebody stopped, a client that was
 *  closed, whose loop was stopped, or whose connection ended in order, and that was not connected
 *  again in its last callback.
 *  Returns after the last callback; nothing given may be freed before. options may be NULL, as may
 *  services if service_count is 0.
 *
 *  Returns TCPKIT_OK, or the first error, whose message begins with the service ("services[1]: "):
 *  what tcpkit_server_start or tcpkit_client_connect returned, and then those started before were
 *  stopped in reverse order (one with TCPKIT_E_ALREADY_RUNNING is left alone); TCPKIT_E_NOT_RUNNING
 *  for a client on a loop that was not started; the status of the last on_connect_failed of a
 *  client; or that of a connection that was lost and is not made again. Before anything is started
 *  it returns TCPKIT_E_WRONG_THREAD in a callback of one of them, TCPKIT_E_INVALID_ARGUMENT,
 *  TCPKIT_E_STRUCT_SIZE, TCPKIT_E_NO_MEMORY, TCPKIT_E_TOO_MANY_FILES or TCPKIT_E_IO.
 *  Thread: any but the loops of the services. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_run_services(const tcpkit_service *services, size_t service_count,
                                             const tcpkit_run_options *options);

/* ---- Connection ---------------------------------------------------------------------------- */

/** Adds a reference and returns conn: the handle stays valid after its callbacks, until
 *  tcpkit_conn_release.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_conn *tcpkit_conn_retain(tcpkit_conn *conn);

/** Gives a reference back. NULL is ignored.
 *  Thread: any. Since: 0.1. */
TCPKIT_API void tcpkit_conn_release(tcpkit_conn *conn);

/** Id of a connection, unique in its server or client and never used again; never 0.
 *  Thread: any. Since: 0.1. */
TCPKIT_API uint64_t tcpkit_conn_id(const tcpkit_conn *conn);

/** Loop on which the callbacks of this connection run; valid as long as the server, or as the loop
 *  of its client.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_loop *tcpkit_conn_loop(const tcpkit_conn *conn);

/** Writes the address of the peer: "192.0.2.7:5000", "[2001:db8::7]:5000", or the path of a unix
 *  socket ("unix" if the peer has none), or what the PROXY header says; returns its length.
 *  Thread: any. Since: 0.1. */
TCPKIT_API size_t tcpkit_conn_remote_address(const tcpkit_conn *conn, char *buffer,
                                             size_t buffer_size);

/** Writes the address of the proxy that the connection came from, in the same form; returns its
 *  length, 0 if no PROXY header replaced the address of the peer.
 *  Thread: any. Since: 0.2. */
TCPKIT_API size_t tcpkit_conn_proxy_address(const tcpkit_conn *conn, char *buffer,
                                            size_t buffer_size);

/** Finds the first TLV of a type in the PROXY header (version 2) of the connection; out_value is
 *  borrowed until on_close returns. type is 0 to 255. Returns TCPKIT_E_NOT_FOUND,
 *  TCPKIT_E_WRONG_THREAD or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: loop. Since: 0.2. */
TCPKIT_API tcpkit_status tcpkit_conn_proxy_tlv(const tcpkit_conn *conn, uint32_t type,
                                               tcpkit_slice *out_value);

/** Writes the local address of the connection in the same form; returns its length, 0 once it is
 *  closed.
 *  Thread: any. Since: 0.1. */
TCPKIT_API size_t tcpkit_conn_local_address(const tcpkit_conn *conn, char *buffer,
                                            size_t buffer_size);

/** When the connection was accepted or made, in milliseconds since 1970-01-01 UTC.
 *  Thread: any. Since: 0.1. */
TCPKIT_API uint64_t tcpkit_conn_connected_at_ms(const tcpkit_conn *conn);

/** 1 once the connection is closing or closed, else 0.
 *  Thread: any. Since: 0.1. */
TCPKIT_API int32_t tcpkit_conn_is_closed(const tcpkit_conn *conn);

/** Bytes received so far.
 *  Thread: any. Since: 0.1. */
TCPKIT_API uint64_t tcpkit_conn_total_read(const tcpkit_conn *conn);

/** Bytes sent so far.
 *  Thread: any. Since: 0.1. */
TCPKIT_API uint64_t tcpkit_conn_total_written(const tcpkit_conn *conn);

/** Bytes per second received of late, over a measured time of one tick or more.
 *  Thread: any. Since: 0.1. */
TCPKIT_API uint64_t tcpkit_conn_reads_per_second(const tcpkit_conn *conn);

/** Bytes per second sent of late, over a measured time of one tick or more.
 *  Thread: any. Since: 0.1. */
TCPKIT_API uint64_t tcpkit_conn_writes_per_second(const tcpkit_conn *conn);

/** Bytes that were sent and that the kernel has not taken yet.
 *  Thread: any. Since: 0.1. */
TCPKIT_API uint64_t tcpkit_conn_queued_bytes(const tcpkit_conn *conn);

/** Descriptor of the connection, -1 once it is closed. An escape hatch: it is borrowed; do not
 *  read, write or close it.
 *  Thread: loop. Since: 0.1. */
TCPKIT_API int32_t tcpkit_conn_fd(const tcpkit_conn *conn);

/** Keeps a pointer of yours with the connection, in place of the one before, which is freed. It is
 *  freed after on_close. Returns TCPKIT_E_WRONG_THREAD, TCPKIT_E_CLOSED after on_close, or
 *  TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: loop. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_conn_set_user_data(tcpkit_conn *conn, void *user_data,
                                                   tcpkit_free_fn user_data_free);

/** Pointer that tcpkit_conn_set_user_data kept; NULL if none.
 *  Thread: loop; what on_open has set also on_connection and workers. Since: 0.1. */
TCPKIT_API void *tcpkit_conn_user_data(const tcpkit_conn *conn);

/** Sends a copy of data. Sends of one thread leave in their order, and no two sends interleave.
 *  What callbacks of one event send leaves together at its end. What the kernel does not take is
 *  queued. Returns TCPKIT_OK, or TCPKIT_OK_ABOVE_HIGH if more than high_watermark bytes are queued:
 *  on_writable comes once no more than low_watermark are. Returns TCPKIT_E_QUEUE_FULL, with nothing
 *  queued, TCPKIT_E_CLOSED, TCPKIT_E_NO_MEMORY or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_conn_send(tcpkit_conn *conn, const void *data, size_t data_size);

/** Sends a copy of several pieces as one, at most 1024. Returns what tcpkit_conn_send does.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_conn_send_slices(tcpkit_conn *conn, const tcpkit_slice *slices,
                                                 size_t slice_count);

/** Sends a shared buffer without a copy; it is retained until the kernel has it or the connection
 *  has ended. Returns what tcpkit_conn_send does.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_conn_send_buffer(tcpkit_conn *conn, tcpkit_buffer *buffer);

/** Sends a copy of one packet in the framing of the connection. Returns what tcpkit_conn_send and
 *  tcpkit_framer_encode do; TCPKIT_E_NOT_SUPPORTED without framing.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_conn_send_packet(tcpkit_conn *conn, const void *packet,
                                                 size_t packet_size);

/** Writes what is queued now instead of at the end of the event or turn; elsewhere than on the
 *  loop it does nothing. Returns TCPKIT_E_CLOSED or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_conn_flush(tcpkit_conn *conn);

/** Stops reading from the peer. On the loop thread no on_data or on_packet comes after this call,
 *  not even for what is read already; elsewhere soon after it. Returns TCPKIT_E_CLOSED,
 *  TCPKIT_E_NO_MEMORY or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_conn_pause_reading(tcpkit_conn *conn);

/** Goes on reading, first with what was read already. Returns what tcpkit_conn_pause_reading does.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_conn_resume_reading(tcpkit_conn *conn);

/** One of the times that a connection may take; see the server option of the same name. */
typedef int32_t tcpkit_timeout;
enum {
  TCPKIT_TIMEOUT_IDLE = 1, /* idle_timeout_ms */
  TCPKIT_TIMEOUT_READ = 2, /* read_timeout_ms */
  TCPKIT_TIMEOUT_WRITE = 3 /* write_timeout_ms */
};

/** Sets a timeout of this connection in place of the server's; it counts from now. timeout_ms is 1
 *  to 2^31 - 1, or TCPKIT_UNLIMITED for none. Returns TCPKIT_E_WRONG_THREAD, TCPKIT_E_CLOSED or
 *  TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: loop. Since: 0.2. */
TCPKIT_API tcpkit_status tcpkit_conn_set_timeout(tcpkit_conn *conn, tcpkit_timeout timeout,
                                                 uint64_t timeout_ms);

/** Sets what this peer has to send, in place of min_receive_rate and receive_rate_grace_ms of the
 *  server; it counts from now. bytes_per_second is at most 2^30, 0 for none; grace_ms is 1 to
 *  1800000. Returns TCPKIT_E_WRONG_THREAD, TCPKIT_E_CLOSED or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: loop. Since: 0.2. */
TCPKIT_API tcpkit_status tcpkit_conn_set_min_receive_rate(tcpkit_conn *conn,
                                                          uint64_t bytes_per_second,
                                                          uint64_t grace_ms);

/** Ends our stream (FIN) once everything that was sent has left; receiving goes on. Sends after it
 *  answer TCPKIT_E_CLOSED. Returns TCPKIT_E_CLOSED, TCPKIT_E_NO_MEMORY or
 *  TCPKIT_E_INVALID_ARGUMENT; again is TCPKIT_OK.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_conn_shutdown(tcpkit_conn *conn);

/** Closes the connection once everything that was sent has left and the peer has ended its stream,
 *  for at most close_timeout_ms. Nothing more is delivered but on_close. Returns TCPKIT_OK also if
 *  it was closed already, TCPKIT_E_NO_MEMORY or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_conn_close(tcpkit_conn *conn);

/** Resets the connection (RST) and drops what is queued. Returns what tcpkit_conn_close does.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_conn_abort(tcpkit_conn *conn);

/** Registers one more close handler; any number may be. They run before on_close of the server,
 *  the last one registered first. If the connection has ended already, the handler runs at once,
 *  inside this call. Returns TCPKIT_E_NO_MEMORY or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_conn_add_close_handler(tcpkit_conn *conn, tcpkit_close_fn handler,
                                                       void *user_data,
                                                       tcpkit_free_fn user_data_free);

/** Adds a filter, nearest to the user, from now on: for protocols that switch compression on after a
 *  login. What was sent on the loop before leaves without it. What was received and not delivered
 *  yet goes through it: in on_packet, the bytes behind that packet; elsewhere also the beginning of a
 *  packet whose end has not come. Without framing, bytes that on_data has in hand are delivered. filter
 *  is copied; its user_data_free is called before the close handlers. Returns TCPKIT_E_WRONG_THREAD,
 *  TCPKIT_E_CLOSED, TCPKIT_E_STRUCT_SIZE, TCPKIT_E_INVALID_ARGUMENT (also inside a filter),
 *  TCPKIT_E_LIMIT for the 17th, TCPKIT_E_CALLBACK if it makes no state, TCPKIT_E_NO_MEMORY, or
 *  TCPKIT_E_FILTER if a filter before it fails, which closes the connection.
 *  Thread: loop. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_conn_add_filter(tcpkit_conn *conn, const tcpkit_filter *filter);

/** Runs task on the loop of the connection, soon and exactly once; also if the connection ends
 *  before. Returns TCPKIT_E_NOT_RUNNING, TCPKIT_E_NO_MEMORY or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_conn_post(tcpkit_conn *conn, tcpkit_conn_fn task, void *user_data,
                                          tcpkit_free_fn user_data_free);

/* ---- Blocking calls ------------------------------------------------------------------------ */

/* A connection can be driven by a thread of its own: on_connection gets it on a handler thread,
 * tcpkit_client_dial gives it to the caller, or tcpkit_conn_detach takes it from its loop for a thread
 * of yours. Then one thread at a time reads
 * from it and one at a time writes to it, the same or another, with the calls below; they wait. All
 * other calls work as before, sends too: what was sent before a write leaves before it, and no two
 * interleave. While it is detached, idle_timeout_ms, read_timeout_ms and write_timeout_ms count only
 * while such a call waits, and min_receive_rate does not count.
 *
 * All of them return TCPKIT_E_NOT_SUPPORTED on a connection that is not detached,
 * TCPKIT_E_WRONG_THREAD on its loop, or while another thread is in the same kind of call,
 * TCPKIT_E_INVALID_ARGUMENT, TCPKIT_E_CLOSED once it closes, TCPKIT_E_CANCELLED after
 * tcpkit_conn_cancel, and TCPKIT_E_TIMED_OUT when the deadline of tcpkit_conn_set_deadline has
 * passed, after which it can still be used; or when a timeout of the options has, which closes it.
 * Reading calls also return TCPKIT_E_CANCELLED in a drain when no byte of a packet is there;
 * TCPKIT_E_END at the end of the peer's stream, TCPKIT_E_TLS_TRUNCATED if TLS ended without
 * close_notify, the other TLS statuses, TCPKIT_E_RESET, TCPKIT_E_IO, TCPKIT_E_NO_MEMORY, and
 * TCPKIT_E_LIMIT if max_buffered_bytes has no room for a packet. */

/** Takes a connection from its loop, for blocking calls on a thread of yours: from now on no
 *  on_data, on_packet and on_end come, and what has come and was not delivered is read first. It
 *  stays open until tcpkit_conn_close or tcpkit_conn_abort, so retain it first. on_close comes when
 *  no blocking call is under way any more. Again is TCPKIT_OK. Returns TCPKIT_E_WRONG_THREAD,
 *  TCPKIT_E_CLOSED, TCPKIT_E_NOT_SUPPORTED during a handshake, TCPKIT_E_NO_MEMORY or
 *  TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: loop, typically in on_open. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_conn_detach(tcpkit_conn *conn);

/** Waits for bytes and takes at least one, at most buffer_size, which is at least 1; out_size is how
 *  many. Returns TCPKIT_E_END and what else reading calls return.
 *  Thread: any but the loop. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_conn_read(tcpkit_conn *conn, void *buffer, size_t buffer_size,
                                          size_t *out_size);

/** Waits for size bytes. Returns what reading calls do; TCPKIT_E_END only before the first byte, and
 *  TCPKIT_E_UNEXPECTED_EOF after it. What came before a timeout, a cancel or an end is not lost: the
 *  next read gets it.
 *  Thread: any but the loop. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_conn_read_exactly(tcpkit_conn *conn, void *buffer, size_t size);

/** Waits for a packet in the framing of the server; out_packet is borrowed until the next reading
 *  call on this connection. max_packet_size, oversize and deliver_tail hold as for on_packet.
 *  Returns what reading calls do, TCPKIT_E_UNEXPECTED_EOF if the stream ended inside a packet,
 *  TCPKIT_E_PACKET_TOO_BIG, TCPKIT_E_BAD_FRAME, TCPKIT_E_BAD_VARINT or the status of a custom
 *  framing, again at every later call; TCPKIT_E_NOT_SUPPORTED without framing.
 *  Thread: any but the loop. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_conn_read_packet(tcpkit_conn *conn, const uint8_t **out_packet,
                                                 size_t *out_size);

/** How a packet that tcpkit_conn_read_length_prefixed waits for begins. */
typedef struct tcpkit_length_prefix {
  uint32_t struct_size;
  uint32_t prefix_size; /* bytes of the unsigned length: 1, 2, 3, 4 or 8; default 4 */
  /** default here: TCPKIT_LITTLE_ENDIAN */
  tcpkit_byte_order byte_order;
  uint32_t reserved; /* zero */
  size_t max_size;   /* bytes of the packet; default 1 MiB; TCPKIT_UNLIMITED_SIZE */
} tcpkit_length_prefix;
#define TCPKIT_LENGTH_PREFIX_INIT \
  { sizeof(tcpkit_length_prefix), 0, 0, 0, 0 }

/** Sets up a prefix like TCPKIT_LENGTH_PREFIX_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.4. */
TCPKIT_API void tcpkit_length_prefix_init(tcpkit_length_prefix *prefix);

/** Waits for a packet behind a binary length, whatever the framing of the server is; out_packet is
 *  borrowed until the next reading call on this connection. prefix may be NULL. Returns what reading
 *  calls do, TCPKIT_E_UNEXPECTED_EOF inside a packet, TCPKIT_E_STRUCT_SIZE, and
 *  TCPKIT_E_PACKET_TOO_BIG as soon as the length is there; then nothing was taken.
 *  Thread: any but the loop. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_conn_read_length_prefixed(tcpkit_conn *conn,
                                                          const tcpkit_length_prefix *prefix,
                                                          const uint8_t **out_packet,
                                                          size_t *out_size);

/** Waits for a packet that ends with separator, of at least 1 byte, whatever the framing of the
 *  server is; out_packet does not include it and is borrowed until the next reading call on this
 *  connection. max_size is in bytes, without the separator; 0: 1 MiB. Returns what reading calls do,
 *  TCPKIT_E_UNEXPECTED_EOF if the stream ended inside a packet, and TCPKIT_E_PACKET_TOO_BIG as soon
 *  as no separator can follow within max_size; then nothing was taken.
 *  Thread: any but the loop. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_conn_read_separated(tcpkit_conn *conn, tcpkit_slice separator,
                                                    size_t max_size, const uint8_t **out_packet,
                                                    size_t *out_size);

/** Waits until the kernel has taken all of data. A failure, also TCPKIT_E_TIMED_OUT or
 *  TCPKIT_E_CANCELLED, after a part of it has left ends our stream: later writes and sends return
 *  TCPKIT_E_CLOSED. Returns TCPKIT_E_RESET, TCPKIT_E_IO and what all blocking calls return.
 *  Thread: any but the loop. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_conn_write(tcpkit_conn *conn, const void *data, size_t data_size);

/** Waits until the kernel has taken one packet in the framing of the server. Returns what
 *  tcpkit_conn_write and tcpkit_framer_encode do; TCPKIT_E_NOT_SUPPORTED without framing.
 *  Thread: any but the loop. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_conn_write_packet(tcpkit_conn *conn, const void *packet,
                                                  size_t packet_size);

/** Sets when waiting for reads (TCPKIT_TIMEOUT_READ) or writes (TCPKIT_TIMEOUT_WRITE) ends:
 *  timeout_ms from now, for all blocking calls that begin later, until it is set again; 0: they do
 *  not wait at all; TCPKIT_UNLIMITED: never, as in the beginning. Returns TCPKIT_E_NOT_SUPPORTED on a
 *  connection that is not detached or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_conn_set_deadline(tcpkit_conn *conn, tcpkit_timeout timeout,
                                                  uint64_t timeout_ms);

/** Ends the blocking calls that are under way, and all later ones, with TCPKIT_E_CANCELLED. The
 *  connection stays open, and sends still work. Returns TCPKIT_E_NOT_SUPPORTED on a connection that
 *  is not detached or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_conn_cancel(tcpkit_conn *conn);

/** Reader of the values that the peer of a detached connection sends; each read waits with
 *  tcpkit_conn_read for what its value needs, and its failure stays, also TCPKIT_E_TIMED_OUT. Other
 *  reading calls go on behind the last value. conn is borrowed. If it is NULL the status of the reader
 *  is TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any; reads: any but the loop. Since: 0.4. */
TCPKIT_API tcpkit_reader tcpkit_reader_over_conn(tcpkit_conn *conn);

/** Writer of values to the peer of a detached connection: each is one tcpkit_conn_write, so gather
 *  many small ones in memory. conn is borrowed, and there is nothing to free. If it is NULL the status
 *  of the writer is TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any; writes: any but the loop. Since: 0.4. */
TCPKIT_API tcpkit_writer tcpkit_writer_over_conn(tcpkit_conn *conn);

/* ---- Groups -------------------------------------------------------------------------------- */

/** What happens to the next frame of a broadcast for a target that is behind. */
typedef int32_t tcpkit_slow_policy;
enum {
  TCPKIT_SLOW_DEFAULT = 0,     /* TCPKIT_SLOW_DROP_NEW */
  TCPKIT_SLOW_DROP_NEW = 1,    /* the new frame is dropped */
  TCPKIT_SLOW_DROP_OLDEST = 2, /* the oldest frames that wait are dropped until it fits */
  /** it takes the place of the waiting frame with the same key, which is dropped; if there is none
   *  and it does not fit, the oldest frames are dropped until it does */
  TCPKIT_SLOW_LATEST = 3,
  TCPKIT_SLOW_CLOSE = 4 /* the target is reset, with TCPKIT_CLOSE_SLOW_CONSUMER */
};

/** How broadcasts reach their targets. A target is behind while frames wait for it that the kernel
 *  does not take. The policy applies to a new frame if there would be more of them than the two
 *  limits allow, or if the oldest has waited for too long; each target is judged by itself, and by
 *  the frames of the same group only. Only whole frames are dropped, so a stream is never cut. */
typedef struct tcpkit_group_options {
  uint32_t struct_size;
  tcpkit_slow_policy slow_policy;
  size_t max_behind_bytes;    /* most bytes of frames that wait per target; default 1 MiB */
  uint64_t max_behind_frames; /* most frames that wait per target; default 1024 */
  /** how long the oldest frame may wait before the policy applies; default: at once with
   *  TCPKIT_SLOW_LATEST, TCPKIT_UNLIMITED with the others */
  uint64_t write_quantum_ms;
  /** targets that a loop serves per turn; the others are written (and sealed) in the turns after
   *  it, so that reading goes on; default 256 */
  uint32_t pool_size;
  uint32_t reserved; /* zero */
  /** packets are encoded in it; TCPKIT_FRAMING_NONE: in the framing of each target */
  tcpkit_framing framing;
} tcpkit_group_options;
#define TCPKIT_GROUP_OPTIONS_INIT \
  { sizeof(tcpkit_group_options), 0, 0, 0, 0, 0, 0, TCPKIT_FRAMING_INIT }

/** Sets up options like TCPKIT_GROUP_OPTIONS_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.4. */
TCPKIT_API void tcpkit_group_options_init(tcpkit_group_options *options);

/** Creates a group without members; options may be NULL. Connections of several servers may be in
 *  one group, and one connection in many. Returns TCPKIT_E_INVALID_ARGUMENT, TCPKIT_E_STRUCT_SIZE
 *  or TCPKIT_E_NO_MEMORY.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_group_create(const tcpkit_group_options *options,
                                             tcpkit_group **out_group);

/** Frees a group and lets its members go. Frames that were queued still leave, and completions
 *  still come. No other call may use the group at the same time. NULL is ignored.
 *  Thread: any. Since: 0.4. */
TCPKIT_API void tcpkit_group_free(tcpkit_group *group);

/** Makes a connection a member until it leaves or ends: at once on its loop, else before anything
 *  that this thread asks of that loop afterwards. To join twice is to join. Returns
 *  TCPKIT_E_CLOSED, TCPKIT_E_NO_MEMORY or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_group_join(tcpkit_group *group, tcpkit_conn *conn);

/** Ends the membership of a connection, as promptly as tcpkit_group_join begins it; also returns
 *  TCPKIT_OK if it is no member. Frames that were queued still leave. Returns TCPKIT_E_NO_MEMORY or
 *  TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_group_leave(tcpkit_group *group, tcpkit_conn *conn);

/** Number of members; a join or leave that is on its way to a loop is not counted yet.
 *  Thread: any. Since: 0.4. */
TCPKIT_API uint64_t tcpkit_group_size(const tcpkit_group *group);

/** Runs task for each member, on the loop of the member, soon; user_data is shared by them and
 *  freed after the last. A loop calls those that are members when it comes to that. Returns
 *  TCPKIT_E_NO_MEMORY or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_group_post(tcpkit_group *group, tcpkit_conn_fn task,
                                           void *user_data, tcpkit_free_fn user_data_free);

/* ---- Broadcasts ---------------------------------------------------------------------------- */

/** What became of the targets of a broadcast. Each target is in exactly one of the counts from
 *  queued on.
 *
 *  The receipt of the call itself knows the targets on the calling thread's own loop; those of
 *  loops_left other loops are not in it. The receipt of on_done knows all. */
typedef struct tcpkit_receipt {
  uint32_t struct_size;
  uint32_t loops_left; /* loops that the frame is on its way to; 0 in on_done */
  uint64_t targets;    /* all that are counted here */
  uint64_t queued;     /* targets for which it waits; 0 in on_done */
  uint64_t sent;       /* targets whose kernel buffer has all of it, or whose TLS has sealed it */
  uint64_t dropped;    /* the policy dropped it, at once or later for a newer one */
  uint64_t closed;     /* the target was closed by the policy, or ended before the frame had left */
  /** the target was closing or shut down already, or memory ran out */
  uint64_t not_open;
} tcpkit_receipt;
#define TCPKIT_RECEIPT_INIT \
  { sizeof(tcpkit_receipt), 0, 0, 0, 0, 0, 0, 0 }

/** Sets up a receipt like TCPKIT_RECEIPT_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.4. */
TCPKIT_API void tcpkit_receipt_init(tcpkit_receipt *receipt);

/** A broadcast is done; receipt is borrowed until the callback returns. */
typedef void (*tcpkit_receipt_fn)(const tcpkit_receipt *receipt, void *user_data);

/** More about one broadcast. */
typedef struct tcpkit_broadcast_options {
  uint32_t struct_size;
  /** TCPKIT_ON: the bytes are sent as they are. Else they are one packet, in the framing of the
   *  group or, without one, of each target; a target without framing gets them as they are */
  tcpkit_switch raw;
  const tcpkit_conn *except; /* no target: the sender, as a rule; may be NULL */
  uint64_t key;              /* for TCPKIT_SLOW_LATEST: what the frame is about */
  /** sent in place of data, which is then NULL; without a copy if no framing is put around it */
  tcpkit_buffer *buffer;
  /** whose options hold, and whose frames these are; NULL: the defaults. A group's own broadcast
   *  takes the group */
  tcpkit_group *rules;
  /** Called once, when no target has the frame waiting any more: on the loop that was the last to
   *  have one, or inside the call if there is no loop to do it. A target that takes nothing delays
   *  it until the policy, a timeout or its end. May be NULL.
   *  Thread: any. */
  tcpkit_receipt_fn on_done;
  void *user_data;
  tcpkit_free_fn user_data_free;
} tcpkit_broadcast_options;
#define TCPKIT_BROADCAST_OPTIONS_INIT \
  { sizeof(tcpkit_broadcast_options), 0, NULL, 0, NULL, NULL, NULL, NULL, NULL }

/** Sets up options like TCPKIT_BROADCAST_OPTIONS_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.4. */
TCPKIT_API void tcpkit_broadcast_options_init(tcpkit_broadcast_options *options);

/** Sends data to all members of a group. It is encoded once, and shared: one reference per target,
 *  one task per loop. For each target it keeps its place among the sends and broadcasts of the same
 *  thread, and what is broadcast in one turn leaves in one write. options and out_receipt may be
 *  NULL. Returns what tcpkit_framer_encode does; TCPKIT_E_PACKET_TOO_BIG also for a frame larger
 *  than max_behind_bytes; TCPKIT_E_INVALID_ARGUMENT also if there are no bytes to send;
 *  TCPKIT_E_STRUCT_SIZE; TCPKIT_E_NO_MEMORY.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_group_broadcast(tcpkit_group *group, const void *data,
                                                size_t data_size,
                                                const tcpkit_broadcast_options *options,
                                                tcpkit_receipt *out_receipt);

/** Sends data to all open connections of a server, as each of its loops finds them. Returns what
 *  tcpkit_group_broadcast does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_server_broadcast(tcpkit_server *server, const void *data,
                                                 size_t data_size,
                                                 const tcpkit_broadcast_options *options,
                                                 tcpkit_receipt *out_receipt);

/** Sends data to conn_count connections, each of which should be named once; the list is copied.
 *  Returns what tcpkit_group_broadcast does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_conns_broadcast(tcpkit_conn *const *conns, size_t conn_count,
                                                tcpkit_slice data,
                                                const tcpkit_broadcast_options *options,
                                                tcpkit_receipt *out_receipt);

/* ---- Loop ---------------------------------------------------------------------------------- */

/** Settings of a loop of your own; zero means the default. */
typedef struct tcpkit_loop_options {
  uint32_t struct_size;
  tcpkit_log_level log_level; /* what reaches on_log; default warning */
  size_t read_buffer_size;    /* most bytes per read; default 512 KiB; 1 KiB to 64 MiB */
  tcpkit_log_fn on_log;       /* may be NULL; Thread: any; must not call back into tcpkit */
  void *user_data;            /* of on_log */
  tcpkit_free_fn user_data_free;
} tcpkit_loop_options;
#define TCPKIT_LOOP_OPTIONS_INIT \
  { sizeof(tcpkit_loop_options), 0, 0, NULL, NULL, NULL }

/** Sets up options like TCPKIT_LOOP_OPTIONS_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.4. */
TCPKIT_API void tcpkit_loop_options_init(tcpkit_loop_options *options);

/** Creates a loop for clients, tasks and timers. It takes them from now on and runs them once
 *  tcpkit_loop_start or tcpkit_loop_run is called. options may be NULL. Free it with
 *  tcpkit_loop_free. Returns TCPKIT_E_INVALID_ARGUMENT, TCPKIT_E_STRUCT_SIZE, TCPKIT_E_NO_MEMORY,
 *  TCPKIT_E_TOO_MANY_FILES or TCPKIT_E_IO.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_loop_create(const tcpkit_loop_options *options,
                                            tcpkit_loop **out_loop);

/** Runs a created loop on a thread of its own, and returns. It can be run once. Returns
 *  TCPKIT_E_ALREADY_RUNNING, TCPKIT_E_NOT_RUNNING after its stop, TCPKIT_E_NO_MEMORY,
 *  TCPKIT_E_IO, or TCPKIT_E_INVALID_ARGUMENT if it is the loop of a server or client.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_loop_start(tcpkit_loop *loop);

/** Runs a created loop on this thread until tcpkit_loop_stop, and returns after its last callback.
 *  Signals are left to the caller. Returns what tcpkit_loop_start does.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_loop_run(tcpkit_loop *loop);

/** Ends the run of a created loop, for good: connections of clients on it end with
 *  TCPKIT_CLOSE_SHUTDOWN, attempts with TCPKIT_E_NOT_RUNNING, its timers are freed. Returns after the
 *  last callback; on the loop itself it only begins all that. Returns TCPKIT_OK also if it has
 *  stopped already, or TCPKIT_E_INVALID_ARGUMENT if it is the loop of a server or client.
 *  Thread: any. Since: 0.4. */
TCPKIT_API tcpkit_status tcpkit_loop_stop(tcpkit_loop *loop);

/** Stops a created loop and frees it; clients on it stay valid and answer TCPKIT_E_NOT_RUNNING. On
 *  the loop itself it returns at once, and the loop frees itself when that can be done. NULL, and
 *  the loop of a server or client, are ignored.
 *  Thread: any. Since: 0.4. */
TCPKIT_API void tcpkit_loop_free(tcpkit_loop *loop);

/** Runs task on the thread of loop, soon and exactly once. Returns TCPKIT_E_NOT_RUNNING,
 *  TCPKIT_E_NO_MEMORY or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_loop_post(tcpkit_loop *loop, tcpkit_task_fn task, void *user_data,
                                          tcpkit_free_fn user_data_free);

/** 1 on the thread of loop, else 0.
 *  Thread: any. Since: 0.1. */
TCPKIT_API int32_t tcpkit_loop_is_current(const tcpkit_loop *loop);

/** A timer to start. */
typedef struct tcpkit_timer_options {
  uint32_t struct_size;
  uint32_t reserved;       /* zero */
  uint64_t delay_ms;       /* time to the first call, from now; never early */
  uint64_t repeat_ms;      /* time between later calls; 0: one-shot */
  tcpkit_task_fn on_timer; /* required */
  void *user_data;
  /** after the last call: the only one, the stop of the timer, or the stop of the loop */
  tcpkit_free_fn user_data_free;
} tcpkit_timer_options;
#define TCPKIT_TIMER_OPTIONS_INIT \
  { sizeof(tcpkit_timer_options), 0, 0, 0, NULL, NULL, NULL }

/** Sets up options like TCPKIT_TIMER_OPTIONS_INIT does. NULL is ignored.
 *  Thread: any. Since: 0.1. */
TCPKIT_API void tcpkit_timer_options_init(tcpkit_timer_options *options);

/** Starts a timer on loop; out_timer_id, which may be NULL, gets an id that is never used again.
 *  Returns TCPKIT_E_NOT_RUNNING, TCPKIT_E_NO_MEMORY, TCPKIT_E_STRUCT_SIZE or
 *  TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_loop_start_timer(tcpkit_loop *loop,
                                                 const tcpkit_timer_options *options,
                                                 uint64_t *out_timer_id);

/** Stops a timer. On its loop it does not come due any more and TCPKIT_E_NOT_FOUND tells that it
 *  was gone already; elsewhere it may still come due once. Returns TCPKIT_E_NOT_FOUND,
 *  TCPKIT_E_NOT_RUNNING, TCPKIT_E_NO_MEMORY or TCPKIT_E_INVALID_ARGUMENT.
 *  Thread: any. Since: 0.1. */
TCPKIT_API tcpkit_status tcpkit_loop_stop_timer(tcpkit_loop *loop, uint64_t timer_id);

#ifdef __cplusplus
}
#endif

#endif
