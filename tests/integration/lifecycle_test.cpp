// Start, run, stop, wait and free, in every order and from every place.
#include <atomic>
#include <csignal>
#include <thread>

#include "child_process.h"
#include "server_fixture.h"

using namespace testkit;

namespace {

ServerOwner create(const tcpkit_server_options& options,
                   const tcpkit_handlers* handlers = nullptr) {
  tcpkit_server* server = nullptr;
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_create(&options, handlers, &server))
      << tcpkit_last_error_message();
  return ServerOwner(server);
}

ServerOwner listening(const tcpkit_handlers* handlers = nullptr) {
  ServerOwner server = create(with_loops(1), handlers);
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_listen(server.get(), "tcp://127.0.0.1:0", nullptr));
  return server;
}

// Counts the connections that opened.
tcpkit_handlers counting_opens(Event& opened) {
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.user_data = &opened;
  handlers.on_open = [](tcpkit_conn*, void* event) { static_cast<Event*>(event)->set(); };
  return handlers;
}

TEST(Lifecycle, ASecondStartIsRefusedAndChangesNothing) {
  TestServer server(with_loops(1), echo());
  EXPECT_EQ(TCPKIT_E_ALREADY_RUNNING, tcpkit_server_start(server.get()));
  EXPECT_EQ(TCPKIT_E_ALREADY_RUNNING, tcpkit_server_run(server.get()));
  RawClient client = server.connect();
  client.send("hi");
  EXPECT_EQ("hi", client.receive(2));
}

TEST(Lifecycle, StoppingTwiceOrBeforeAnyStartDoesNothing) {
  const ServerOwner server = listening();
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_stop(server.get()));
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_wait(server.get()));
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_start(server.get()));
  EXPECT_EQ(1, tcpkit_server_is_running(server.get()));
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_stop(server.get()));
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_stop(server.get()));
  EXPECT_EQ(0, tcpkit_server_is_running(server.get()));
}

TEST(Lifecycle, AStoppedServerStartsAgainWithTotalsKeptAndFreshIds) {
  TestServer server(with_loops(1), echo());
  RawClient client = server.connect();
  client.send("12345");
  EXPECT_EQ("12345", client.receive(5));
  server.stop();
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_start(server.get()));
  RawClient again = server.connect();
  again.send("678");
  EXPECT_EQ("678", again.receive(3));
  ASSERT_TRUE(server.settle());
  const tcpkit_metrics metrics = server.metrics();
  EXPECT_EQ(8u, metrics.total_read);
  EXPECT_EQ(8u, metrics.total_written);
  EXPECT_EQ(2u, metrics.accepted);
  EXPECT_EQ(1u, metrics.closed);
  EXPECT_EQ(1u, metrics.connections);
  EXPECT_NE(server.opened_id(0), server.opened_id(1));
}

TEST(Lifecycle, AFixedPortIsListenedOnAgainAfterStopAndStart) {
  TestServer first(with_loops(1), echo());
  const std::string address = first.address();
  first.stop();
  TestServer server(with_loops(1), {.on_data = send_text, .addresses = {address}});
  server.stop();
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_start(server.get()));
  EXPECT_EQ(address, server.address());
  RawClient client(address);
  client.send("hi");
  EXPECT_EQ("hi", client.receive(2));
}

TEST(Lifecycle, ConnectionsMadeBeforeTheStartWaitInTheBacklog) {
  Event opened;
  const tcpkit_handlers handlers = counting_opens(opened);
  const ServerOwner server = listening(&handlers);
  const RawClient client(listener_address(server.get()));
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_start(server.get()));
  EXPECT_TRUE(opened.wait());
}

TEST(Lifecycle, RunServesOnTheCallersThreadUntilAnotherThreadStopsIt) {
  std::atomic<bool> on_runner{false};
  static thread_local bool is_runner = false;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.user_data = &on_runner;
  handlers.on_data = [](tcpkit_conn* conn, const uint8_t* data, size_t size, void* user_data) {
    *static_cast<std::atomic<bool>*>(user_data) = is_runner;
    tcpkit_conn_send(conn, data, size);
  };
  const ServerOwner server = listening(&handlers);
  std::thread client_thread([&] {
    RawClient client(listener_address(server.get()));
    client.send("hi");
    EXPECT_EQ("hi", client.receive(2));
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_stop(server.get()));
    EXPECT_EQ(0, tcpkit_server_is_running(server.get()));
  });
  is_runner = true;
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_run(server.get()));
  client_thread.join();
  EXPECT_TRUE(on_runner);
}

// Stops its server when a connection opens, and checks what a loop may not do.
void stop_inside(tcpkit_conn*, void* user_data) {
  auto* server = *static_cast<tcpkit_server**>(user_data);
  EXPECT_EQ(TCPKIT_E_WRONG_THREAD, tcpkit_server_wait(server));
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_stop(server));
  EXPECT_EQ(TCPKIT_E_ALREADY_RUNNING, tcpkit_server_start(server));
}

TEST(Lifecycle, RunEndsWhenACallbackStopsTheServer) {
  tcpkit_server* self = nullptr;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.user_data = &self;
  handlers.on_open = stop_inside;
  const ServerOwner server = listening(&handlers);
  self = server.get();
  RawClient client(listener_address(self));
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_run(self));
  EXPECT_NE(StreamEnd::kDeadline, client.wait_for_end());
}

TEST(Lifecycle, WaitReturnsWhenACallbackHasStoppedTheServer) {
  tcpkit_server* self = nullptr;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.user_data = &self;
  handlers.on_open = stop_inside;
  const ServerOwner server = listening(&handlers);
  self = server.get();
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_start(self));
  const RawClient client(listener_address(self));
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_wait(self));
  EXPECT_EQ(0, tcpkit_server_is_running(self));
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_start(self));
}

TEST(Lifecycle, ManyThreadsMayStopAndWaitAtOnce) {
  TestServer server(with_loops(2));
  std::vector<RawClient> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(server.connect());
  ASSERT_TRUE(server.wait_opens(10));
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      EXPECT_EQ(TCPKIT_OK,
                i % 2 == 0 ? tcpkit_server_stop(server.get()) : tcpkit_server_wait(server.get()));
      EXPECT_EQ(10u, server.closes().size());
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Lifecycle, StopWithAThousandConnectionsReturnsAfterAThousandCloses) {
  constexpr size_t kConnections = 1000;
  TestServer server(with_loops(2));
  std::vector<RawClient> clients;
  for (size_t i = 0; i < kConnections; ++i) clients.push_back(server.connect());
  ASSERT_TRUE(server.wait_opens(kConnections));
  server.stop();
  EXPECT_EQ(kConnections, server.closes().size());
  for (const CloseRecord& record : server.closes()) {
    EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, record.info.reason);
  }
  EXPECT_EQ(kConnections, server.metrics().closed);
  EXPECT_EQ(0u, server.metrics().connections);
}

TEST(Lifecycle, RunEndsAtSigterm) {
  EXPECT_EQ(0, run_in_child([] {
              Event opened;
              const tcpkit_handlers handlers = counting_opens(opened);
              const ServerOwner server = listening(&handlers);
              std::thread killer([&] {
                const RawClient client(listener_address(server.get()));
                EXPECT_TRUE(opened.wait());
                kill(getpid(), SIGTERM);
                EXPECT_EQ(TCPKIT_OK, tcpkit_server_wait(server.get()));
              });
              EXPECT_EQ(TCPKIT_OK, tcpkit_server_run(server.get()));
              killer.join();
            }));
}

TEST(Lifecycle, RunLeavesSignalsAloneOnRequest) {
  const int status = run_in_child([] {
    Event opened;
    const tcpkit_handlers handlers = counting_opens(opened);
    tcpkit_server_options options = with_loops(1);
    options.handle_signals = TCPKIT_OFF;
    options.listen = "tcp://127.0.0.1:0";
    const ServerOwner server = create(options, &handlers);
    std::thread killer([&] {
      while (tcpkit_server_is_running(server.get()) == 0) {
      }
      const RawClient client(listener_address(server.get()));
      EXPECT_TRUE(opened.wait());
      kill(getpid(), SIGTERM);
    });
    tcpkit_server_run(server.get());
    killer.join();
  });
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(SIGTERM, WTERMSIG(status));
}

TEST(Lifecycle, OwnThreadsLeaveSignalsToTheHost) {
  EXPECT_EQ(0, run_in_child([] {
              sigset_t set;
              sigemptyset(&set);
              sigaddset(&set, SIGUSR1);
              TestServer server(with_loops(2), echo());
              // Blocked here only after the loops started: were it open on theirs, it would kill
              // us.
              pthread_sigmask(SIG_BLOCK, &set, nullptr);
              kill(getpid(), SIGUSR1);
              int caught = 0;
              EXPECT_EQ(0, sigwait(&set, &caught));
              EXPECT_EQ(SIGUSR1, caught);
            }));
}

TEST(Lifecycle, RunReturnsABindFailureAndALaterErrorDoesNotReplaceIt) {
  TestServer taken;
  const std::string listen = taken.address() + ",unix:///nonexistent-folder/x.sock";
  tcpkit_server_options options = with_loops(1);
  options.listen = listen.c_str();
  const ServerOwner server = create(options);
  EXPECT_EQ(TCPKIT_E_ADDRESS_IN_USE, tcpkit_server_run(server.get()));
  EXPECT_EQ(TCPKIT_E_ADDRESS_IN_USE, tcpkit_last_error_status());
  EXPECT_EQ(EADDRINUSE, tcpkit_last_error_errno());
  EXPECT_NE(std::string::npos, TestServer::last_error().find(taken.address()));
  EXPECT_EQ(0, tcpkit_server_is_running(server.get()));
  taken.stop();
  EXPECT_EQ(TCPKIT_E_NO_SUCH_FILE, tcpkit_server_start(server.get()));
}

TEST(Lifecycle, AStartThatFailedCanBeRepeated) {
  auto taken = std::make_unique<TestServer>();
  const std::string listen = "tcp://127.0.0.1:0," + taken->address();
  tcpkit_server_options options = with_loops(2);
  options.listen = listen.c_str();
  const ServerOwner server = create(options);
  EXPECT_EQ(TCPKIT_E_ADDRESS_IN_USE, tcpkit_server_start(server.get()));
  EXPECT_EQ("", listener_address(server.get(), 0));
  taken.reset();
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_start(server.get())) << TestServer::last_error();
  EXPECT_EQ(2u, tcpkit_server_listener_count(server.get()));
  const RawClient client(listener_address(server.get(), 1));
}

// ---- Freeing ----

struct Freeing {
  tcpkit_server* server = nullptr;
  Event closed;
  Event freed;
};

TEST(ServerFree, InsideACallbackReturnsAndTheServerFreesItself) {
  Freeing freeing;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.user_data = &freeing;
  handlers.on_open = [](tcpkit_conn*, void* user_data) {
    tcpkit_server_free(static_cast<Freeing*>(user_data)->server);
  };
  handlers.on_close = [](tcpkit_conn*, const tcpkit_close_info* info, void* user_data) {
    EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, info->reason);
    static_cast<Freeing*>(user_data)->closed.set();
  };
  handlers.user_data_free = [](void* user_data) {
    EXPECT_EQ(1, static_cast<Freeing*>(user_data)->closed.count());
    static_cast<Freeing*>(user_data)->freed.set();
  };
  ServerOwner server = listening(&handlers);
  freeing.server = server.release();
  const std::string address = listener_address(freeing.server);
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_start(freeing.server));
  const RawClient client(address);
  EXPECT_TRUE(freeing.freed.wait());
}

void expect_closed_everywhere(tcpkit_conn* conn) {
  const auto task = [](tcpkit_conn*, void*) {};
  EXPECT_EQ(1, tcpkit_conn_is_closed(conn));
  EXPECT_EQ(TCPKIT_E_CLOSED, tcpkit_conn_send(conn, "x", 1));
  EXPECT_EQ(TCPKIT_E_CLOSED, tcpkit_conn_send_packet(conn, "x", 1));
  const tcpkit_slice slice = {"x", 1};
  EXPECT_EQ(TCPKIT_E_CLOSED, tcpkit_conn_send_slices(conn, &slice, 1));
  tcpkit_buffer* buffer = nullptr;
  EXPECT_EQ(TCPKIT_OK, tcpkit_buffer_create("x", 1, &buffer));
  EXPECT_EQ(TCPKIT_E_CLOSED, tcpkit_conn_send_buffer(conn, buffer));
  tcpkit_buffer_release(buffer);
  EXPECT_EQ(TCPKIT_E_CLOSED, tcpkit_conn_flush(conn));
  EXPECT_EQ(TCPKIT_E_CLOSED, tcpkit_conn_pause_reading(conn));
  EXPECT_EQ(TCPKIT_E_CLOSED, tcpkit_conn_resume_reading(conn));
  EXPECT_EQ(TCPKIT_E_CLOSED, tcpkit_conn_shutdown(conn));
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_close(conn));
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_abort(conn));
  EXPECT_EQ(TCPKIT_E_NOT_RUNNING, tcpkit_conn_post(conn, task, nullptr, nullptr));
  EXPECT_EQ(0u, tcpkit_conn_queued_bytes(conn));
  EXPECT_EQ(0u, tcpkit_conn_local_address(conn, nullptr, 0));
}

TEST(ServerFree, ConnectionsThatWereKeptAnswerClosed) {
  KeptConn open;
  KeptConn ended;
  std::string peer;
  {
    TestServer server(framed(tcpkit_framing_line()));
    RawClient gone;
    RawClient stays;
    ended = server.accepted(gone);
    open = server.accepted(stays);
    gone.send("x\n");
    ASSERT_TRUE(server.wait_packets(1));
    gone.close();
    ASSERT_TRUE(server.wait_closes(1));
  }
  expect_closed_everywhere(open.get());
  expect_closed_everywhere(ended.get());
  EXPECT_EQ(2u, tcpkit_conn_total_read(ended.get()));
  char text[64] = "";
  EXPECT_GT(tcpkit_conn_remote_address(open.get(), text, sizeof text), 0u);
  EXPECT_EQ(0u, std::string(text).find("127.0.0.1:"));
  EXPECT_NE(tcpkit_conn_id(open.get()), tcpkit_conn_id(ended.get()));
}

TEST(ServerFree, BuffersThatWereKeptStayValid) {
  tcpkit_buffer* buffer = nullptr;
  ASSERT_EQ(TCPKIT_OK, tcpkit_buffer_create("kept", 4, &buffer));
  {
    TestServer server;
    RawClient client;
    const KeptConn conn = server.accepted(client);
    tcpkit_conn_send_buffer(conn.get(), buffer);
    EXPECT_EQ("kept", client.receive(4));
  }
  EXPECT_EQ(4u, tcpkit_buffer_size(buffer));
  EXPECT_EQ(0, std::memcmp("kept", tcpkit_buffer_data(buffer), 4));
  tcpkit_buffer_release(buffer);
}

TEST(Lifecycle, SeveralServersRunSideBySide) {
  std::vector<std::unique_ptr<TestServer>> servers;
  std::vector<RawClient> clients;
  for (int i = 0; i < 5; ++i) {
    servers.push_back(std::make_unique<TestServer>(with_loops(1), echo()));
    clients.push_back(servers.back()->connect());
  }
  servers[2]->stop();
  for (size_t i = 0; i < clients.size(); ++i) {
    if (i == 2) continue;
    clients[i].send("hi");
    EXPECT_EQ("hi", clients[i].receive(2));
    EXPECT_EQ(2u, servers[i]->metrics().total_read);
  }
}

// ---- Forks ----

TEST(Fork, TheChildIsRefusedAndTheParentGoesOn) {
  TestServer server(with_loops(1), echo());
  RawClient client;
  const KeptConn conn = server.accepted(client);
  tcpkit_loop* loop = tcpkit_server_loop(server.get(), 0);
  EXPECT_EQ(0, run_in_child([&] {
              EXPECT_EQ(TCPKIT_E_FORKED, tcpkit_conn_send(conn.get(), "x", 1));
              EXPECT_EQ(TCPKIT_E_FORKED, tcpkit_conn_close(conn.get()));
              EXPECT_EQ(TCPKIT_E_FORKED, tcpkit_server_stop(server.get()));
              EXPECT_EQ(TCPKIT_E_FORKED, tcpkit_server_start(server.get()));
              EXPECT_EQ(TCPKIT_E_FORKED,
                        tcpkit_server_listen(server.get(), "tcp://127.0.0.1:0", nullptr));
              tcpkit_metrics metrics = TCPKIT_METRICS_INIT;
              EXPECT_EQ(TCPKIT_E_FORKED, tcpkit_server_metrics(server.get(), &metrics));
              const auto task = [](tcpkit_loop*, void*) {};
              EXPECT_EQ(TCPKIT_E_FORKED, tcpkit_loop_post(loop, task, nullptr, nullptr));
              tcpkit_conn_release(conn.get());
              tcpkit_server_free(server.get());
            }));
  client.send("still here");
  EXPECT_EQ("still here", client.receive(10));
}

}  // namespace
