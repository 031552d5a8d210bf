/* The yardstick: nothing but epoll. */
#include "bare_epoll_core.h"

int main(int argc, char** argv) {
  bare_options options = bare_parse_options(argc, argv);
  server self = make_server(&options);
  bare_announce(self.listener);
  for (;;) serve_ready(&self, -1);
}
