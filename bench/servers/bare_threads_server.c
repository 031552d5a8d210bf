/* The yardstick of thread per connection: a thread that reads and writes on the descriptor. */
#include <pthread.h>
#include <unistd.h>

#include "bare_common.h"

enum { kBufferBytes = 64 * 1024, kStackBytes = 256 * 1024 };

static int write_all(int fd, const uint8_t* data, size_t size) {
  while (size > 0) {
    ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return -1;
    data += sent;
    size -= (size_t)sent;
  }
  return 0;
}

static void* serve(void* argument) {
  int fd = (int)(intptr_t)argument;
  uint8_t* buffer = malloc(kBufferBytes);
  if (buffer == NULL) bare_die("malloc");
  for (;;) {
    ssize_t received = recv(fd, buffer, kBufferBytes, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0 || write_all(fd, buffer, (size_t)received) != 0) break;
  }
  free(buffer);
  close(fd);
  return NULL;
}

int main(int argc, char** argv) {
  bare_options options = bare_parse_options(argc, argv);
  int listener = bare_listen_blocking(options.port);
  bare_announce(listener);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) continue;
    pthread_t thread;
    if (pthread_create(&thread, &attributes, serve, (void*)(intptr_t)fd) != 0) close(fd);
  }
}
