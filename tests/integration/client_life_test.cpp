// Freeing a client at each stage, from elsewhere and on its loop: the last callback comes before,
// and user_data_free once.
#include <thread>

#include "client_fixture.h"

using namespace testkit;

namespace {

enum class Where { kOwnLoop, kCreatedLoop, kServerLoop };
constexpr Where kEverywhere[] = {Where::kOwnLoop, Where::kCreatedLoop, Where::kServerLoop};

// A place for clients to run.
struct Place {
  explicit Place(Where where) : server(with_loops(1), echo()) {
    if (where == Where::kCreatedLoop) created = started_loop();
    if (where == Where::kCreatedLoop) options.loop = created.get();
    if (where == Where::kServerLoop) options.loop = tcpkit_server_loop(server.get(), 0);
  }
  TestServer server;
  LoopOwner created;
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
};

TEST(ClientLife, FreedWithoutEverConnecting) {
  for (const Where where : kEverywhere) {
    const Place place(where);
    TestClient client(place.options);
    client.free();
    EXPECT_EQ(1, client.freed_count());
  }
}

TEST(ClientLife, FreedWhileOpen) {
  for (const Where where : kEverywhere) {
    Place place(where);
    TestClient client(place.options);
    client.connect(place.server.address());
    ASSERT_TRUE(client.wait_opens(1));
    client.free();
    EXPECT_EQ(1, client.freed_count());
    EXPECT_EQ(1u, client.closes());
    EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, client.close_info().reason);
    EXPECT_TRUE(client.failures().empty());
  }
}

TEST(ClientLife, FreedWhileConnecting) {
  for (const Where where : kEverywhere) {
    const Place place(where);
    const Blackhole nobody;
    TestClient client(place.options);
    client.connect(nobody.address());
    client.free();
    EXPECT_EQ(1, client.freed_count());
    ASSERT_EQ(1u, client.failures().size());
    EXPECT_EQ(TCPKIT_E_CANCELLED, client.failure().status);
    EXPECT_EQ(0u, client.opens());
  }
}

TEST(ClientLife, FreedWhileResolving) {
  for (const Where where : kEverywhere) {
    const Place place(where);
    TestClient client(place.options);
    client.connect("tcp://nobody.invalid:1");
    client.free();
    EXPECT_EQ(1u, client.failures().size());
  }
}

TEST(ClientLife, FreedWhileItWaitsToReconnect) {
  for (const Where where : kEverywhere) {
    Place place(where);
    const RefusingPort nobody;
    place.options.reconnect = TCPKIT_ON;
    place.options.reconnect_min_ms = place.options.reconnect_max_ms = 60'000;
    TestClient client(place.options);
    client.connect(nobody.address());
    ASSERT_TRUE(client.wait_failures(1));
    client.free();
    ASSERT_EQ(2u, client.failures().size());
    EXPECT_EQ(TCPKIT_E_CANCELLED, client.failures()[1].status);
  }
}

TEST(ClientLife, FreedWhileClosing) {
  for (const Where where : kEverywhere) {
    const Place place(where);
    const BareListener silent;
    TestClient client(place.options);
    client.connect(silent.address());
    ASSERT_TRUE(client.wait_opens(1));
    (void)tcpkit_client_close(client.get());
    client.free();
    EXPECT_EQ(1u, client.closes());
  }
}

TEST(ClientLife, FreedInEachOfItsCallbacks) {
  for (const Where where : kEverywhere) {
    for (const int which : {0, 1, 2, 3, 4}) {
      Place place(where);
      const RefusingPort nobody;
      place.options.reconnect = which == 4 ? TCPKIT_ON : TCPKIT_OFF;
      TestClient* self = nullptr;
      const auto free_in = [&](int callback) {
        if (which == callback) tcpkit_client_free(self->take());
      };
      TestClient client(place.options,
                        {.on_open =
                             [&](tcpkit_conn* conn) {
                               free_in(0);
                               send_text(conn, "x");
                             },
                         .on_data =
                             [&](tcpkit_conn* conn, std::string_view) {
                               free_in(1);
                               (void)tcpkit_conn_close(conn);
                             },
                         .on_close = [&](tcpkit_conn*, const tcpkit_close_info&) { free_in(2); },
                         .on_failed = [&](tcpkit_client*) { free_in(3); },
                         .on_reconnect = [&](tcpkit_client*) { free_in(4); }});
      self = &client;
      client.connect(which == 3 ? nobody.address() : place.server.address());
      ASSERT_TRUE(which == 3 ? client.wait_failures(1) : client.wait_closes(1));
    }
  }
}

TEST(ClientLife, ManyAreFreedAtOnceFromManyThreads) {
  const Place place(Where::kCreatedLoop);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        TestClient client(place.options);
        client.connect(place.server.address());
        if (round % 2 == 0) (void)client.wait_opens(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(ClientLife, AClientOnALoopThatNeverRanIsFreedWithoutACallback) {
  const LoopOwner loop = make_loop();
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.loop = loop.get();
  tcpkit_client* client = nullptr;
  ASSERT_EQ(TCPKIT_OK, tcpkit_client_create(&options, nullptr, &client));
  EXPECT_EQ(TCPKIT_OK, tcpkit_client_connect(client, "tcp://127.0.0.1:1"));
  EXPECT_EQ(TCPKIT_E_NOT_RUNNING, tcpkit_client_dial(client, "tcp://127.0.0.1:1", nullptr));
  tcpkit_client_free(client);
}

TEST(ClientLife, UserDataIsFreedWhenCreateFails) {
  int freed = 0;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.user_data = &freed;
  handlers.user_data_free = [](void* count) { ++*static_cast<int*>(count); };
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.local_address = "nonsense";
  tcpkit_client* client = nullptr;
  EXPECT_EQ(TCPKIT_E_BAD_ADDRESS, tcpkit_client_create(&options, &handlers, &client));
  EXPECT_EQ(1, freed);
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_client_create(nullptr, &handlers, nullptr));
  EXPECT_EQ(2, freed);
}

TEST(ClientLife, AServerThatStopsEndsTheClientsOnItsLoop) {
  Place place(Where::kServerLoop);
  const Blackhole nobody;
  const BareListener other;
  TestClient open(place.options);
  TestClient connecting(place.options);
  open.connect(other.address());
  ASSERT_TRUE(open.wait_opens(1));
  connecting.connect(nobody.address());
  place.server.stop();
  EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, open.close_info().reason);
  EXPECT_EQ(TCPKIT_E_NOT_RUNNING, connecting.failure().status);
  EXPECT_EQ(TCPKIT_E_NOT_RUNNING, tcpkit_client_connect(open.get(), other.address().c_str()));
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_start(place.server.get()));
  open.connect(other.address());
  EXPECT_TRUE(open.wait_opens(2)) << "after a new start its loop runs again";
}

TEST(ClientLife, AProxyDialsOnTheLoopOfItsClient) {
  TestServer upstream(with_loops(1), echo());
  tcpkit_client* dialled = nullptr;
  Event copied;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.user_data = &copied;
  handlers.on_open = [](tcpkit_conn* conn, void*) { send_text(conn, "through"); };
  handlers.on_data = [](tcpkit_conn*, const uint8_t*, size_t, void* event) {
    static_cast<Event*>(event)->set();
  };
  TestServer proxy(with_loops(2), {.on_open = [&](tcpkit_conn* conn) {
                     tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
                     options.loop = tcpkit_conn_loop(conn);
                     EXPECT_EQ(TCPKIT_OK, tcpkit_client_create(&options, &handlers, &dialled));
                     EXPECT_EQ(TCPKIT_OK,
                               tcpkit_client_connect(dialled, upstream.address().c_str()));
                   }});
  RawClient client = proxy.connect();
  EXPECT_TRUE(copied.wait());
  tcpkit_client_free(dialled);
}

}  // namespace
