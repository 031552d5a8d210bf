// Loops that belong to no server: tasks and timers on them, their one run, and their end.
#include <thread>

#include "client_fixture.h"

using namespace testkit;

namespace {

void set_event(tcpkit_loop*, void* event) {
  static_cast<Event*>(event)->set();
}

TEST(OwnLoop, RunsTasksOnAThreadOfItsOwn) {
  const LoopOwner loop = started_loop();
  Event done;
  EXPECT_EQ(TCPKIT_OK, tcpkit_loop_post(loop.get(), set_event, &done, nullptr));
  EXPECT_TRUE(done.wait());
  EXPECT_EQ(0, tcpkit_loop_is_current(loop.get()));
}

TEST(OwnLoop, RunsOnTheCallersThreadUntilItIsStopped) {
  const LoopOwner loop = make_loop();
  const auto stop = [](tcpkit_loop* self, void* thread) {
    EXPECT_EQ(*static_cast<std::thread::id*>(thread), std::this_thread::get_id());
    EXPECT_EQ(1, tcpkit_loop_is_current(self));
    EXPECT_EQ(TCPKIT_OK, tcpkit_loop_stop(self));
  };
  std::thread::id thread = std::this_thread::get_id();
  EXPECT_EQ(TCPKIT_OK, tcpkit_loop_post(loop.get(), stop, &thread, nullptr));
  EXPECT_EQ(TCPKIT_OK, tcpkit_loop_run(loop.get()));
  EXPECT_EQ(TCPKIT_E_NOT_RUNNING, tcpkit_loop_post(loop.get(), stop, &thread, nullptr));
}

TEST(OwnLoop, RunsOnce) {
  const LoopOwner loop = started_loop();
  EXPECT_EQ(TCPKIT_E_ALREADY_RUNNING, tcpkit_loop_start(loop.get()));
  EXPECT_EQ(TCPKIT_E_ALREADY_RUNNING, tcpkit_loop_run(loop.get()));
  EXPECT_EQ(TCPKIT_OK, tcpkit_loop_stop(loop.get()));
  EXPECT_EQ(TCPKIT_OK, tcpkit_loop_stop(loop.get()));
  EXPECT_EQ(TCPKIT_E_NOT_RUNNING, tcpkit_loop_start(loop.get()));
}

TEST(OwnLoop, TasksOfALoopThatNeverRanAreRunWhenItIsFreed) {
  LoopOwner loop = make_loop();
  Event done;
  EXPECT_EQ(TCPKIT_OK, tcpkit_loop_post(loop.get(), set_event, &done, nullptr));
  loop.reset();
  EXPECT_EQ(1, done.count());
}

TEST(OwnLoop, FreesItselfWhenItIsFreedOnItself) {
  tcpkit_loop* loop = started_loop().release();
  Event freed;
  const auto free_it = [](tcpkit_loop* self, void*) { tcpkit_loop_free(self); };
  const auto set = [](void* event) { static_cast<Event*>(event)->set(); };
  tcpkit_timer_options timer = TCPKIT_TIMER_OPTIONS_INIT;
  timer.delay_ms = 3'600'000;
  timer.on_timer = set_event;
  timer.user_data = &freed;
  timer.user_data_free = set;
  EXPECT_EQ(TCPKIT_OK, tcpkit_loop_start_timer(loop, &timer, nullptr));
  EXPECT_EQ(TCPKIT_OK, tcpkit_loop_post(loop, free_it, nullptr, nullptr));
  EXPECT_TRUE(freed.wait()) << "its timers go with it";
}

TEST(OwnLoop, TheLoopOfAServerIsTheServersToRun) {
  TestServer server;
  tcpkit_loop* loop = tcpkit_server_loop(server.get(), 0);
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_loop_start(loop));
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_loop_run(loop));
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_loop_stop(loop));
  tcpkit_loop_free(loop);
  EXPECT_EQ(1, tcpkit_server_is_running(server.get()));
}

TEST(OwnLoop, OptionsOutsideTheirRangeAreRefused) {
  tcpkit_loop* loop = nullptr;
  tcpkit_loop_options options = TCPKIT_LOOP_OPTIONS_INIT;
  options.read_buffer_size = 1;
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_loop_create(&options, &loop));
  options = TCPKIT_LOOP_OPTIONS_INIT;
  options.log_level = 99;
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_loop_create(&options, &loop));
  options.struct_size = 8;
  EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, tcpkit_loop_create(&options, &loop));
  EXPECT_EQ(nullptr, loop);
}

}  // namespace
