/* A market-data feed: prices of a few symbols, a thousand changes per second, to everybody who is
 * connected. A reader that keeps up gets every change; one that does not gets the latest price of
 * each symbol, and never an old one after a new one.
 *
 *   $ quotes tcp://127.0.0.1:7006 &
 *   $ nc 127.0.0.1 7006
 */
#include <stdio.h>
#include <stdlib.h>
#include <tcpkit.h>

enum { SYMBOL_COUNT = 4 };
static const char *const symbols[SYMBOL_COUNT] = {"AAA", "BBB", "CCC", "DDD"};

typedef struct market {
  tcpkit_server *server;
  tcpkit_group *rules;
  int prices[SYMBOL_COUNT];
  unsigned ticks;
} market;

/* On the first loop: one change of one price. */
static void on_tick(tcpkit_loop *loop, void *user_data) {
  market *quoted = user_data;
  unsigned symbol = quoted->ticks++ % SYMBOL_COUNT;
  tcpkit_broadcast_options options = TCPKIT_BROADCAST_OPTIONS_INIT;
  char line[32];
  (void)loop;
  quoted->prices[symbol] += rand() % 3 - 1;
  int size = snprintf(line, sizeof line, "%s %d", symbols[symbol], quoted->prices[symbol]);
  options.key = symbol;
  options.rules = quoted->rules;
  tcpkit_server_broadcast(quoted->server, line, (size_t)size, &options, NULL);
}

static void on_start(tcpkit_server *server, void *user_data) {
  tcpkit_timer_options timer = TCPKIT_TIMER_OPTIONS_INIT;
  timer.delay_ms = timer.repeat_ms = 1;
  timer.on_timer = on_tick;
  timer.user_data = user_data;
  tcpkit_loop_start_timer(tcpkit_server_loop(server, 0), &timer, NULL);
}

int main(int argc, char **argv) {
  market quoted = {NULL, NULL, {1000, 1000, 1000, 1000}, 0};
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  tcpkit_group_options rules = TCPKIT_GROUP_OPTIONS_INIT;
  tcpkit_strategy strategy = TCPKIT_STRATEGY_INIT;
  rules.slow_policy = TCPKIT_SLOW_LATEST;
  strategy.on_start = on_start;
  strategy.user_data = &quoted;
  options.framing = tcpkit_framing_line();
  options.strategy = &strategy;
  int failed =
      tcpkit_group_create(&rules, &quoted.rules) ||
      tcpkit_server_create(&options, NULL, &quoted.server) ||
      tcpkit_server_listen(quoted.server, argc > 1 ? argv[1] : "tcp://127.0.0.1:7006", NULL) ||
      tcpkit_server_run(quoted.server);
  if (failed) fprintf(stderr, "%s\n", tcpkit_last_error_message());
  tcpkit_server_free(quoted.server);
  tcpkit_group_free(quoted.rules);
  return failed;
}
