/* What the servers of this folder share: their command line, their listening socket, and the
 * hand-written framing that turns received bytes into the bytes to answer. They are the yardstick
 * for tcpkit, so there is nothing in here that a careful user would not write. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

typedef enum bare_mode {
  BARE_ECHO,
  BARE_LEN4BE,
  BARE_LINE,
  BARE_BROADCAST, /* each 64 bytes to everybody; only bare_broadcast_server and tcpkit_server */
  BARE_SENDS      /* the same with a send to each one; only tcpkit_server */
} bare_mode;
typedef enum bare_timeouts {
  BARE_TIMEOUTS_IDLE, /* the idle timeout, and the defaults of the server for the others */
  BARE_TIMEOUTS_NONE,
  BARE_TIMEOUTS_ALL /* idle, read and write */
} bare_timeouts;

typedef struct bare_options {
  bare_mode mode;
  size_t buffer_size;     /* bytes of the shared receive buffer; 0: the default of the server */
  uint16_t port;          /* 0 takes a free one */
  unsigned loops;         /* only tcpkit_server has more than one */
  bare_timeouts timeouts; /* only tcpkit_server has any */
  const char* cert_file;  /* certificate in PEM; NULL: no TLS. Only servers that speak it */
  const char* key_file;
  bool blocking;        /* only tcpkit_server: a thread per connection */
  bool release_buffers; /* only bare_openssl_server: give an idle connection's buffers back */
  bool shared_pair;     /* only bare_bio_pair_server: one pair for all connections */
} bare_options;

/* Buffers that all connections of one server share: it has one thread. */
typedef struct bare_buffers {
  uint8_t* in;
  uint8_t* out; /* answers of one event, gathered */
  size_t size;  /* bytes of each */
} bare_buffers;

/* The beginning of a frame whose end has not come yet; owned by the connection, NULL if none. */
typedef struct bare_tail {
  uint8_t* data;
  size_t size;
} bare_tail;

static inline void bare_die(const char* what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static inline bare_mode bare_parse_mode(const char* text) {
  if (strcmp(text, "echo") == 0) return BARE_ECHO;
  if (strcmp(text, "len4be") == 0) return BARE_LEN4BE;
  if (strcmp(text, "line") == 0) return BARE_LINE;
  if (strcmp(text, "broadcast") == 0) return BARE_BROADCAST;
  if (strcmp(text, "sends") == 0) return BARE_SENDS;
  fprintf(stderr, "--mode is echo, len4be, line, broadcast or sends, not %s\n", text);
  exit(2);
}

static inline bare_timeouts bare_parse_timeouts(const char* text) {
  if (strcmp(text, "idle") == 0) return BARE_TIMEOUTS_IDLE;
  if (strcmp(text, "none") == 0) return BARE_TIMEOUTS_NONE;
  if (strcmp(text, "all") == 0) return BARE_TIMEOUTS_ALL;
  fprintf(stderr, "--timeouts is idle, none or all, not %s\n", text);
  exit(2);
}

static inline bare_options bare_parse_options(int argc, char** argv) {
  bare_options options = {BARE_ECHO, 0, 0, 1, BARE_TIMEOUTS_IDLE, NULL, NULL, false, false, false};
  for (int i = 1; i + 1 < argc; i += 2) {
    const char* value = argv[i + 1];
    if (strcmp(argv[i], "--mode") == 0) {
      options.mode = bare_parse_mode(value);
    } else if (strcmp(argv[i], "--buffer") == 0) {
      options.buffer_size = (size_t)strtoull(value, NULL, 10);
    } else if (strcmp(argv[i], "--port") == 0) {
      options.port = (uint16_t)strtoul(value, NULL, 10);
    } else if (strcmp(argv[i], "--loops") == 0) {
      options.loops = (unsigned)strtoul(value, NULL, 10);
    } else if (strcmp(argv[i], "--timeouts") == 0) {
      options.timeouts = bare_parse_timeouts(value);
    } else if (strcmp(argv[i], "--cert") == 0) {
      options.cert_file = value;
    } else if (strcmp(argv[i], "--key") == 0) {
      options.key_file = value;
    } else if (strcmp(argv[i], "--blocking") == 0) {
      options.blocking = strcmp(value, "yes") == 0;
    } else if (strcmp(argv[i], "--release-buffers") == 0) {
      options.release_buffers = strcmp(value, "yes") == 0;
    } else if (strcmp(argv[i], "--shared-pair") == 0) {
      options.shared_pair = strcmp(value, "yes") == 0;
    } else {
      fprintf(stderr, "unknown option %s\n", argv[i]);
      exit(2);
    }
  }
  return options;
}

static inline struct sockaddr_in bare_loopback(uint16_t port) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

static inline void bare_announce(int listener) {
  struct sockaddr_in address;
  socklen_t address_size = sizeof address;
  if (getsockname(listener, (struct sockaddr*)&address, &address_size) != 0) {
    bare_die("getsockname");
  }
  printf("listening %u\n", (unsigned)ntohs(address.sin_port));
  fflush(stdout);
}

/* Accepted sockets inherit TCP_NODELAY from the listener. */
static inline int bare_listen_with(uint16_t port, int flags) {
  int on = 1;
  struct sockaddr_in address = bare_loopback(port);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (listener < 0) bare_die("socket");
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0) bare_die("bind");
  if (listen(listener, 4096) != 0) bare_die("listen");
  return listener;
}

static inline int bare_listen(uint16_t port) {
  return bare_listen_with(port, SOCK_NONBLOCK);
}

static inline int bare_listen_blocking(uint16_t port) {
  return bare_listen_with(port, 0);
}

static inline bare_buffers bare_make_buffers(const bare_options* options) {
  size_t size = options->buffer_size != 0 ? options->buffer_size : 64 * 1024;
  bare_buffers buffers = {malloc(size), NULL, size};
  if (options->mode != BARE_ECHO) buffers.out = malloc(size);
  if (buffers.in == NULL || (options->mode != BARE_ECHO && buffers.out == NULL)) {
    bare_die("malloc");
  }
  return buffers;
}

/* Puts the tail at the front of the shared buffer, where the next bytes join it, and returns its
 * size. */
static inline size_t bare_take_tail(bare_tail* tail, uint8_t* in) {
  size_t size = tail->size;
  if (size == 0) return 0;
  memcpy(in, tail->data, size);
  free(tail->data);
  tail->data = NULL;
  tail->size = 0;
  return size;
}

/* Returns 0, or -1 if a frame does not fit into the shared buffer. */
static inline int bare_keep_tail(bare_tail* tail, const uint8_t* data, size_t size, size_t limit) {
  if (size == 0) return 0;
  if (size >= limit) return -1;
  tail->data = malloc(size);
  if (tail->data == NULL) return -1;
  memcpy(tail->data, data, size);
  tail->size = size;
  return 0;
}

/* Size of the first frame of data, header or newline included; 0 if it is not whole yet. */
static inline size_t bare_frame_size(bare_mode mode, const uint8_t* data, size_t size) {
  if (mode == BARE_LINE) {
    const uint8_t* end = memchr(data, '\n', size);
    return end == NULL ? 0 : (size_t)(end - data) + 1;
  }
  uint32_t declared;
  if (size < sizeof declared) return 0;
  memcpy(&declared, data, sizeof declared);
  size_t frame_size = sizeof declared + (size_t)ntohl(declared);
  return frame_size <= size ? frame_size : 0;
}

typedef struct bare_answer {
  const uint8_t* data; /* NULL: close the connection */
  size_t size;
} bare_answer;

/* Answers size bytes at the front of the shared buffer: each whole frame is built anew in the
 * output buffer, as a user's handler would, and what is left over becomes the tail. */
static inline bare_answer bare_respond(bare_mode mode, const bare_buffers* buffers, size_t size,
                                       bare_tail* tail) {
  bare_answer answer = {buffers->in, size};
  if (mode == BARE_ECHO) return answer;
  size_t used = 0;
  for (;;) {
    size_t frame_size = bare_frame_size(mode, buffers->in + used, size - used);
    if (frame_size == 0) break;
    memcpy(buffers->out + used, buffers->in + used, frame_size);
    used += frame_size;
  }
  answer.size = used;
  answer.data = buffers->out;
  if (bare_keep_tail(tail, buffers->in + used, size - used, buffers->size) != 0) {
    answer.data = NULL;
  }
  return answer;
}

/* Bytes that the kernel did not take yet; reading stops until they are gone. */
typedef struct bare_backlog {
  uint8_t* data;
  size_t size;
  size_t sent;
} bare_backlog;

static inline int bare_backlog_fill(bare_backlog* backlog, const uint8_t* data, size_t size) {
  backlog->data = malloc(size);
  if (backlog->data == NULL) return -1;
  memcpy(backlog->data, data, size);
  backlog->size = size;
  backlog->sent = 0;
  return 0;
}

static inline void bare_backlog_clear(bare_backlog* backlog) {
  free(backlog->data);
  memset(backlog, 0, sizeof *backlog);
}

/* Sends what the kernel takes; returns the number of bytes, or -1 if the connection is broken. */
static inline ssize_t bare_send(int fd, const uint8_t* data, size_t size) {
  ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
  if (sent >= 0) return sent;
  return errno == EAGAIN || errno == EINTR ? 0 : -1;
}
