/* Uses the library without linking it, as a plug-in host or another language does: dlopen, dlsym,
 * one echo, dlclose. */
#define _POSIX_C_SOURCE 200809L

#include <dlfcn.h>

#include "echo_client.h"
#include "tcpkit.h"

typedef struct library {
  void (*options_init)(tcpkit_server_options*);
  void (*handlers_init)(tcpkit_handlers*);
  tcpkit_status (*create)(const tcpkit_server_options*, const tcpkit_handlers*, tcpkit_server**);
  tcpkit_status (*listen)(tcpkit_server*, const char*, const tcpkit_listen_options*);
  tcpkit_status (*start)(tcpkit_server*);
  size_t (*address)(const tcpkit_server*, size_t, char*, size_t);
  tcpkit_status (*stop)(tcpkit_server*);
  void (*free)(tcpkit_server*);
  tcpkit_status (*send)(tcpkit_conn*, const void*, size_t);
} library;

/* C has no conversion from an object pointer to a function pointer; POSIX wants this to work. */
static int find(void* handle, const char* name, void* out_function) {
  void* symbol = dlsym(handle, name);
  memcpy(out_function, &symbol, sizeof symbol);
  if (!symbol) fprintf(stderr, "%s\n", dlerror());
  return symbol == NULL;
}

static int find_all(void* handle, library* lib) {
  return find(handle, "tcpkit_server_options_init", &lib->options_init) ||
         find(handle, "tcpkit_handlers_init", &lib->handlers_init) ||
         find(handle, "tcpkit_server_create", &lib->create) ||
         find(handle, "tcpkit_server_listen", &lib->listen) ||
         find(handle, "tcpkit_server_start", &lib->start) ||
         find(handle, "tcpkit_server_listener_address", &lib->address) ||
         find(handle, "tcpkit_server_stop", &lib->stop) ||
         find(handle, "tcpkit_server_free", &lib->free) ||
         find(handle, "tcpkit_conn_send", &lib->send);
}

static void on_data(tcpkit_conn* conn, const uint8_t* data, size_t data_size, void* user_data) {
  const library* lib = user_data;
  lib->send(conn, data, data_size);
}

static int serve_one_echo(library* lib) {
  char address[128];
  int failed = 1;
  tcpkit_server* server = NULL;
  tcpkit_server_options options;
  tcpkit_handlers handlers;
  lib->options_init(&options);
  lib->handlers_init(&handlers);
  options.loops = 1;
  handlers.on_data = on_data;
  handlers.user_data = lib;
  if (lib->create(&options, &handlers, &server) == TCPKIT_OK &&
      lib->listen(server, "tcp://127.0.0.1:0", NULL) == TCPKIT_OK &&
      lib->start(server) == TCPKIT_OK && lib->address(server, 0, address, sizeof address) > 0) {
    failed = echo_over_socket(address, "through dlopen");
  }
  if (lib->stop(server) != TCPKIT_OK) failed = 1;
  lib->free(server);
  return failed;
}

int main(int argument_count, char** arguments) {
  library lib;
  int failed;
  void* handle = argument_count == 2 ? dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  if (!handle) {
    fprintf(stderr, "usage: dlopen_consumer LIBRARY; %s\n", argument_count == 2 ? dlerror() : "");
    return 2;
  }
  failed = find_all(handle, &lib) || serve_one_echo(&lib);
  if (dlclose(handle) != 0) failed = 1;
  return failed;
}
