// Runs in which one kind of call fails often, and runs in which every kind fails now and then.
#include <gtest/gtest.h>

#include "faults/run.h"

using namespace faults;

namespace {

uint16_t often(const Settings& settings) {
  return static_cast<uint16_t>(20 + settings.seed % 5 * 100);
}
uint16_t rarely(const Settings& settings) {
  return static_cast<uint16_t>(1 + settings.seed % 4 * 8);
}

TEST(Faults, OfReadingLoseNoConnectionItsLastCallback) {
  run_many(1'000'000, 400,
           [](Settings& settings, Plan& plan) { plan.with(Site::kReceive, often(settings)); });
}

TEST(Faults, OfWritingCorruptNoEcho) {
  run_many(2'000'000, 400,
           [](Settings& settings, Plan& plan) { plan.with(Site::kSend, often(settings)); });
}

TEST(Faults, OfAcceptingPassByThemselves) {
  run_many(3'000'000, 250, [](Settings& settings, Plan& plan) {
    plan.with(Site::kAccept, often(settings)).with(Site::kSetOption, rarely(settings));
    settings.checks_progress = settings.seed % 4 == 0;
  });
}

TEST(Faults, OfTheEventQueueLeaveNobodyWaiting) {
  run_many(4'000'000, 350, [](Settings& settings, Plan& plan) {
    plan.with(Site::kWatch, often(settings)).with(Site::kWait, often(settings));
    settings.checks_progress = settings.seed % 4 == 0;
  });
}

TEST(Faults, OfMemoryFreeEverythingOnce) {
  run_many(5'000'000, 500, [](Settings& settings, Plan& plan) {
    const uint16_t share = settings.seed % 2 == 0 ? often(settings) : rarely(settings);
    plan.with(Site::kNew, share).with(Site::kMalloc, share);
    settings.fails_from_the_start = settings.seed % 3 == 0;
  });
}

TEST(Faults, OfThreadsAndTheirDescriptorsLeaveTheOtherLoopsAtWork) {
  run_many(6'000'000, 250, [](Settings& settings, Plan& plan) {
    plan.with(Site::kStartThread, often(settings)).with(Site::kOpenEpoll, often(settings));
    plan.with(Site::kOpenEvent, often(settings)).with(Site::kWatch, rarely(settings));
    settings.fails_from_the_start = settings.seed % 2 == 0;
    settings.options.reuse_port = TCPKIT_OFF;
    settings.options.loops = 1;
    settings.options.pool_size = 1;
    settings.clients = 4;
  });
}

TEST(Faults, OfEveryKindNowAndThenAreSurvived) {
  run_many(7'000'000, 500, [](Settings& settings, Plan& plan) {
    for (size_t i = 0; i < kSites; ++i) plan.with(static_cast<Site>(i), rarely(settings));
  });
}

TEST(Faults, OfSocketsAtEveryStartLeaveAServerThatCanStart) {
  run_many(8'000'000, 200, [](Settings& settings, Plan& plan) {
    settings.fails_from_the_start = true;
    settings.rounds = 2;
    for (const Site site : {Site::kSocket, Site::kBind, Site::kListen, Site::kSetOption,
                            Site::kGetOption, Site::kGetName, Site::kMap}) {
      plan.with(site, often(settings));
    }
  });
}

}  // namespace
