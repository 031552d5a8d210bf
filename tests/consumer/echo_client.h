/* A client on a plain blocking socket, for programs that use tcpkit as its users do. */
#ifndef TCPKIT_TESTS_ECHO_CLIENT_H
#define TCPKIT_TESTS_ECHO_CLIENT_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int connect_to_port(unsigned port) {
  struct sockaddr_in address;
  struct timeval patience = {10, 0};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return -1;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(fd, (struct sockaddr*)&address, sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

/* Sends text and reads as many bytes back; 0 if they are the same ones. address is in the form of
 * tcpkit_server_listener_address, on 127.0.0.1. */
static int echo_over_socket(const char* address, const char* text) {
  const char* port = strrchr(address, ':');
  char answer[256];
  size_t got = 0;
  size_t size = strlen(text);
  int fd = connect_to_port(port ? (unsigned)strtoul(port + 1, NULL, 10) : 0);
  if (fd < 0 || size > sizeof answer || write(fd, text, size) != (ssize_t)size) {
    perror(address);
    if (fd >= 0) close(fd);
    return 1;
  }
  while (got < size) {
    ssize_t count = read(fd, answer + got, size - got);
    if (count <= 0) break;
    got += (size_t)count;
  }
  close(fd);
  if (got == size && memcmp(answer, text, size) == 0) return 0;
  fprintf(stderr, "%s answered %zu of %zu bytes, or others\n", address, got, size);
  return 1;
}

#endif
