// A run from its seed to its checks.
#include "faults/run.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "faults/client.h"
#include "faults/ledger.h"
#include "faults/subject.h"

namespace faults {
namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kRunSeconds = 20;
constexpr unsigned kSlowRunSeconds = 90;
constexpr auto kProgressTime = std::chrono::seconds(10);
constexpr int kProbeMs = 250;
constexpr int kMostTries = 50;

bool is_slow() {
  return std::getenv("TCPKIT_TEST_SLOW") != nullptr;
}

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

char hang_message[200];
size_t hang_message_size = 0;

void tell_hang(int) {
  (void)!write(STDERR_FILENO, hang_message, hang_message_size);
  std::abort();
}

size_t open_descriptors() {
  size_t count = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (folder != nullptr && readdir(folder) != nullptr) ++count;
  if (folder != nullptr) closedir(folder);
  return count;
}

class Run {
 public:
  Run(const Settings& settings, const Plan& plan)
      : settings_(settings), plan_(plan), random_(settings.seed) {}

  void play() {
    if (settings_.fails_from_the_start) begin(plan_);
    if (!set_up()) return;
    for (size_t round = 0; round < settings_.rounds && !subject_->is_freed(); ++round) {
      play_round(round + 1 == settings_.rounds);
      if (::testing::Test::HasFailure()) return;
    }
  }

  // After the run: nothing is left to come.
  void check() {
    subject_.reset();
    for (const auto& client : all_clients_) client->check();
    ledger_.check_tokens();
  }

 private:
  // Tries again while calls fail; in the end without faults.
  template <typename Attempt>
  bool in_the_end(Attempt attempt) {
    for (int i = 0; i < kMostTries; ++i) {
      if (attempt()) return true;
    }
    end();
    const bool done = attempt();
    EXPECT_TRUE(done) << "without faults: " << tcpkit_last_error_message();
    if (settings_.fails_from_the_start) begin(plan_);
    return done;
  }

  bool set_up() {
    const auto create = [this] {
      subject_ = std::make_unique<Subject>(settings_, ledger_);
      return subject_->create();
    };
    return in_the_end(create) &&
           in_the_end([this] { return subject_->listen(settings_.address.c_str()); });
  }

  void play_round(bool is_last) {
    if (!in_the_end([this] { return subject_->start(); })) return;
    if (!settings_.fails_from_the_start) begin(plan_);
    subject_->start_meddling();
    for (size_t i = 0; i < settings_.actions; ++i) act();
    if (settings_.checks_progress) check_progress();
    const bool frees = settings_.ending == Ending::kFreeOnLoop || settings_.ending == Ending::kFree;
    if (frees && !is_last) {
      subject_->stop();
    } else {
      subject_->end();
    }
    subject_->stop_meddling();
    for (const auto& client : clients_) read_rest(*client);
    retire_clients();
    ledger_.check_connections();
    if (!subject_->is_freed()) ledger_.check_metrics(subject_->metrics());
  }

  void act() {
    if (random_.chance(3)) (void)subject_->listen("tcp://127.0.0.1:0");
    if (clients_.size() < settings_.clients || random_.chance(4)) return add_client();
    clients_[random_.below(clients_.size())]->act(random_);
    if (random_.chance(50)) std::this_thread::sleep_for(std::chrono::microseconds(80));
  }

  void add_client() {
    const std::string address = subject_->address(random_.below(subject_->listeners()));
    all_clients_.push_back(std::make_shared<Client>(settings_, all_clients_.size()));
    clients_.push_back(all_clients_.back());
    if (!address.empty()) clients_.back()->connect_to(address);
    if (clients_.size() > settings_.clients) clients_.erase(clients_.begin());
  }

  void retire_clients() {
    for (const auto& client : all_clients_) client->close();
    clients_.clear();
  }

  // What has arrived: the server has closed its end.
  void read_rest(Client& client) {
    for (int i = 0; i < 1000 && client.read_some(); ++i) {
    }
  }

  // Without faults every listener serves again, by itself.
  void check_progress() {
    end();
    subject_->calm();
    retire_clients();
    for (size_t i = 0; i < subject_->listeners(); ++i) {
      const std::string address = subject_->address(i);
      if (address.empty()) continue;  // its run has ended
      EXPECT_TRUE(serves_in_the_end(address)) << "nobody is served on " << address << " any more";
    }
    begin(plan_);
  }

  bool serves_in_the_end(const std::string& address) {
    const auto deadline = Clock::now() + kProgressTime;
    while (Clock::now() < deadline) {
      // A run on a thread of its own may have failed at once.
      if (!subject_->is_running() || serves(address)) return true;
    }
    return false;
  }

  bool serves(const std::string& address) {
    Client probe(settings_, 1'000'000);
    probe.connect_to(address);
    return probe.exchanges_a_packet(kProbeMs);
  }

  const Settings& settings_;
  const Plan& plan_;
  Random random_;
  Ledger ledger_;
  std::unique_ptr<Subject> subject_;
  std::vector<std::shared_ptr<Client>> clients_;
  std::vector<std::shared_ptr<Client>> all_clients_;
};

void run_seed(uint64_t seed, const Theme& theme) {
  Settings settings = settings_of(seed);
  Plan plan;
  plan.seed = seed;
  theme(settings, plan);
  const Watchdog watchdog(seed);
  const Belongings before;
  {
    Run run(settings, plan);
    run.play();
    end();
    run.check();
  }
  before.check();
}

}  // namespace

Watchdog::Watchdog(uint64_t seed) {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  const int length =
      std::snprintf(hang_message, sizeof hang_message,
                    "a run hangs; to replay it: TCPKIT_FAULT_SEED=%llu tcpkit_faults_tests "
                    "--gtest_filter=%s.%s\n",
                    static_cast<unsigned long long>(seed), test->test_suite_name(), test->name());
  hang_message_size = std::min<size_t>(static_cast<size_t>(length), sizeof hang_message - 1);
  signal(SIGALRM, tell_hang);
  alarm(is_slow() ? kSlowRunSeconds : kRunSeconds);
}

Watchdog::~Watchdog() {
  alarm(0);
}

Belongings::Belongings() : blocks_(live_blocks()), descriptors_(open_descriptors()) {}

void Belongings::check() const {
  const auto deadline = Clock::now() + std::chrono::seconds(5);
  const auto as_before = [this] {
    return live_blocks() == blocks_ && open_descriptors() == descriptors_;
  };
  while (!as_before() && !::testing::Test::HasFailure() && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (::testing::Test::HasFailure()) return;  // what is said about that takes memory
  const int64_t leaked = live_blocks() - blocks_;
  const size_t descriptors = open_descriptors();
  EXPECT_EQ(0, leaked) << "blocks of memory are left";
  EXPECT_EQ(descriptors_, descriptors) << "open descriptors";
}

// libuv makes a pipe for signals, the C library reads its settings.
void warm_up() {
  Settings settings = settings_of(1);
  settings.runs_on_thread = true;
  settings.options.handle_signals = TCPKIT_ON;
  const Plan no_faults;
  Run run(settings, no_faults);
  run.play();
  end();
  run.check();
}

void run_many(uint64_t first_seed, uint64_t usual, const Theme& theme) {
  const Scope spared(Mode::kSpared);
  warm_up();
  const bool chosen = std::getenv("TCPKIT_FAULT_SEED") != nullptr;
  const uint64_t first = from_environment("TCPKIT_FAULT_SEED", first_seed);
  const uint64_t by_default = chosen ? 1 : is_slow() ? usual / 2 : usual;
  const uint64_t runs = from_environment("TCPKIT_FAULT_RUNS", by_default);
  for (uint64_t seed = first; seed < first + runs; ++seed) {
    run_seed(seed, theme);
    if (!::testing::Test::HasFailure()) continue;
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    FAIL() << "to replay it: TCPKIT_FAULT_SEED=" << seed
           << " tcpkit_faults_tests --gtest_filter=" << test->test_suite_name() << "."
           << test->name();
  }
}

}  // namespace faults
