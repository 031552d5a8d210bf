// Servers and clients that run together: how they start, and signals.
#include <signal.h>

#include "child_process.h"
#include "services_support.h"

namespace {

using namespace testkit;

// ---- Starting ----

TEST(Services, ThatAreNoneHaveAllEnded) {
  EXPECT_EQ(TCPKIT_OK, tcpkit_run_services(nullptr, 0, nullptr));
}

TEST(Services, TheSecondThatDoesNotStartIsNamedAndTheFirstIsStopped) {
  const IdleServer first;
  const HomelessServer second;
  const IdleServer third;
  const Outcome outcome = run_here({of(first), of(second), of(third)});
  EXPECT_EQ(TCPKIT_E_ADDRESS_IN_USE, outcome.status);
  EXPECT_TRUE(begins_with(outcome.message, "services[1]: ")) << outcome.message;
  EXPECT_NE(std::string::npos, outcome.message.find(second.address())) << outcome.message;
  EXPECT_FALSE(first.is_running());
  EXPECT_FALSE(third.is_running());
}

TEST(Services, AClientBeforeTheOneThatDoesNotStartIsEnded) {
  const IdleServer peer;
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_start(peer.get()));
  TestClient client;
  const HomelessServer failing;
  const std::string address = peer.address();
  EXPECT_EQ(TCPKIT_E_ADDRESS_IN_USE, run_here({of(client, address.c_str()), of(failing)}).status);
  EXPECT_EQ(nullptr, client.conn().get());
  client.connect(address);
}

TEST(Services, AnErrorOfTheStartIsNotReplacedByThatOfAClientThatFailsToo) {
  const RefusingPort refusing;
  const TestClient client;
  const HomelessServer failing;
  const std::string address = refusing.address();
  const Outcome outcome = run_here({of(client, address.c_str()), of(failing)});
  EXPECT_EQ(TCPKIT_E_ADDRESS_IN_USE, outcome.status);
  EXPECT_TRUE(begins_with(outcome.message, "services[1]: ")) << outcome.message;
}

TEST(Services, OneThatRunsAlreadyIsLeftAlone) {
  const IdleServer first;
  const IdleServer running;
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_start(running.get()));
  const Outcome outcome = run_here({of(first), of(running)});
  EXPECT_EQ(TCPKIT_E_ALREADY_RUNNING, outcome.status);
  EXPECT_TRUE(begins_with(outcome.message, "services[1]: ")) << outcome.message;
  EXPECT_FALSE(first.is_running());
  EXPECT_TRUE(running.is_running());
}

TEST(Services, AClientOnALoopThatWasNotStartedIsRefused) {
  const LoopOwner loop = make_loop();
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.loop = loop.get();
  const TestClient client(options);
  EXPECT_EQ(TCPKIT_E_NOT_RUNNING, run_here({of(client, "tcp://127.0.0.1:1")}).status);
  EXPECT_EQ(TCPKIT_OK, tcpkit_loop_start(loop.get()));
}

TEST(Services, AreNotRunInACallbackOfOneOfThem) {
  IdleServer server;
  tcpkit_status status = TCPKIT_OK;
  server.on_open = [&] { status = run_here({of(server)}).status; };
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_start(server.get()));
  RawClient client(server.address());
  EXPECT_TRUE(server.opened.wait());
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_stop(server.get()));
  EXPECT_EQ(TCPKIT_E_WRONG_THREAD, status);
}

TEST(Services, ThatAreMalformedAreRefusedBeforeAnyStarts) {
  const IdleServer first;
  const IdleServer second;
  const TestClient client;
  tcpkit_service both = of(client, "tcp://127.0.0.1:1");
  both.server = second.get();
  tcpkit_service with_address = of(second);
  with_address.address = "tcp://127.0.0.1:1";
  const tcpkit_service neither = TCPKIT_SERVICE_INIT;
  for (const tcpkit_service& bad : {both, with_address, neither, of(client, nullptr)}) {
    const Outcome outcome = run_here({of(first), bad});
    EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, outcome.status);
    EXPECT_TRUE(begins_with(outcome.message, "services[1]: ")) << outcome.message;
  }
  tcpkit_service small = of(second);
  small.struct_size = 8;
  EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, run_here({of(first), small}).status);
  EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, run_here({small, of(first)}).status);
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_run_services(nullptr, 1, nullptr));
  tcpkit_run_options options = without_signals();
  options.handle_signals = 7;
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, run_here({of(first)}, options).status);
  options.struct_size = 0;
  EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, run_here({of(first)}, options).status);
}

TEST(Services, OfALaterAndLargerStructAreReadByTheirSize) {
  struct Larger {
    tcpkit_service service;
    uint64_t later;
  };
  const IdleServer first;
  const HomelessServer second;
  Larger services[2] = {{of(first), 1}, {of(second), 1}};
  services[0].service.struct_size = services[1].service.struct_size = sizeof(Larger);
  const tcpkit_run_options options = without_signals();
  EXPECT_EQ(TCPKIT_E_ADDRESS_IN_USE, tcpkit_run_services(&services[0].service, 2, &options));
}

TEST(Services, InitFunctionsDoWhatTheMacrosDo) {
  tcpkit_service service = {1, 1, nullptr, nullptr, "x"};
  tcpkit_service_init(&service);
  EXPECT_EQ(sizeof service, service.struct_size);
  EXPECT_EQ(nullptr, service.address);
  tcpkit_run_options options = {1, 1, 1};
  tcpkit_run_options_init(&options);
  EXPECT_EQ(sizeof options, options.struct_size);
  EXPECT_EQ(0u, options.drain_timeout_ms);
  tcpkit_service_init(nullptr);
  tcpkit_run_options_init(nullptr);
}

// ---- Signals ----

enum class Signals { kOne, kTwo };

// Runs a server and a client here, while another thread sends this process a signal once both have
// a connection, and, for two, a second one while a begun packet holds up the first.
void run_signalled(int signal_number, Signals signals) {
  IdleServer server;
  const IdleServer peer;
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_start(peer.get()));
  const TestClient client;
  const std::string address = peer.address();
  tcpkit_run_options options = TCPKIT_RUN_OPTIONS_INIT;
  options.drain_timeout_ms = TCPKIT_UNLIMITED;
  std::thread killer([&] {
    EXPECT_TRUE(server.wait_running());
    RawClient visitor(server.address());
    visitor.send(signals == Signals::kTwo ? "half" : "one\n");
    EXPECT_TRUE(server.wait_read(4) && client.wait_opens(1));
    kill(getpid(), signal_number);
    EXPECT_TRUE(client.wait_closes(1));
    if (signals == Signals::kTwo) kill(getpid(), signal_number);
    EXPECT_EQ(signals == Signals::kTwo ? StreamEnd::kReset : StreamEnd::kFin,
              visitor.wait_for_end());
  });
  EXPECT_EQ(TCPKIT_OK, run_here({of(server), of(client, address.c_str())}, options).status);
  killer.join();
  EXPECT_FALSE(server.is_running());
  EXPECT_TRUE(peer.is_running());
  EXPECT_EQ(TCPKIT_CLOSE_LOCAL, client.close_info().reason);
}

TEST(ServicesSignals, SigtermEndsServersAndClientsInOrder) {
  EXPECT_EQ(0, run_in_child([] { run_signalled(SIGTERM, Signals::kOne); }));
}

TEST(ServicesSignals, SigintEndsServersAndClientsInOrder) {
  EXPECT_EQ(0, run_in_child([] { run_signalled(SIGINT, Signals::kOne); }));
}

TEST(ServicesSignals, ASecondOneEndsThemAtOnce) {
  EXPECT_EQ(0, run_in_child([] { run_signalled(SIGTERM, Signals::kTwo); }));
}

TEST(ServicesSignals, AreNotTouchedWhenTheyAreNotAskedFor) {
  const int status = run_in_child([] {
    const IdleServer server;
    std::thread killer([&] {
      EXPECT_TRUE(server.wait_running());
      kill(getpid(), SIGTERM);
    });
    run_here({of(server)});
  });
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(SIGTERM, WTERMSIG(status));
}

TEST(ServicesSignals, TheHostHasItsActionBackAfterwards) {
  EXPECT_EQ(0, run_in_child([] {
              signal(SIGTERM, SIG_IGN);
              const IdleServer server;
              std::thread stopper([&] {
                EXPECT_TRUE(server.wait_running());
                EXPECT_EQ(TCPKIT_OK, tcpkit_server_stop(server.get()));
              });
              tcpkit_run_options options = TCPKIT_RUN_OPTIONS_INIT;
              EXPECT_EQ(TCPKIT_OK, run_here({of(server)}, options).status);
              stopper.join();
              struct sigaction now {};
              sigaction(SIGTERM, nullptr, &now);
              EXPECT_EQ(SIG_IGN, now.sa_handler);
            }));
}

}  // namespace
