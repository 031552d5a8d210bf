/* Variant: the yardstick's own epoll descriptor, watched by one uv_poll_t of a libuv loop. Shows
 * what it costs to live in a libuv loop without a libuv handle per connection. */
#include <uv.h>

#include "bare_epoll_core.h"

static void on_ready(uv_poll_t* poll, int status, int events) {
  (void)status;
  (void)events;
  serve_ready(poll->data, 0);
}

int main(int argc, char** argv) {
  bare_options options = bare_parse_options(argc, argv);
  server self = make_server(&options);
  uv_loop_t* loop = uv_default_loop();
  uv_poll_t poll = {.data = &self};
  if (uv_poll_init(loop, &poll, self.epoll_fd) != 0) bare_die("uv_poll_init");
  uv_poll_start(&poll, UV_READABLE, on_ready);
  bare_announce(self.listener);
  return uv_run(loop, UV_RUN_DEFAULT);
}
