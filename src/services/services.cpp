// The control of services that run together: a small loop on the thread of the caller, which hears
// of signals and of ends, and tells the others.
#include "services/services.h"

#include <memory>

#include "loop/uv_nest.h"
#include "services/service_run.h"

namespace tcpkit {
namespace {

// Home thread: that of whoever runs the services.
class Control final : public ServiceRunOwner, private TurnEnd, private TimerNode {
 public:
  explicit Control(const RunSettings& settings) noexcept : settings_(settings) {}
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  // Before the run. May throw std::bad_alloc.
  void add(const Service& service);
  Status run() noexcept;

 private:
  Status open() noexcept;
  Status start_all() noexcept;
  void take_back(size_t started) noexcept;
  void wait_for_all() noexcept;
  void end_gently() noexcept;
  void end_now() noexcept;
  static void on_signal(int signal_number, void* control) noexcept;
  // ServiceRunOwner
  void service_ended(const ServiceRun& run) noexcept override;
  // TurnEnd
  bool finish_turn() noexcept override { return false; }
  // TimerNode
  void on_timer() noexcept override;

  const RunSettings settings_;
  Loop loop_;
  SignalWatcher signals_{loop_};
  std::vector<std::unique_ptr<ServiceRun>> runs_;
  size_t running_ = 0;
  bool ending_ = false;  // from then on errors are not the first one
  LastError first_error_{TCPKIT_OK, 0, {0}};
};

void Control::add(const Service& service) {
  runs_.push_back(std::make_unique<ServiceRun>(service, runs_.size(), loop_, *this));
}

// A signal that comes while services start is kept, and ends them once they have.
Status Control::open() noexcept {
  Status status = loop_.open();
  if (status != TCPKIT_OK || !settings_.handles_signals) return status;
  status = signals_.open(on_signal, this);
  if (status != TCPKIT_OK) loop_.close();
  return status;
}

Status Control::start_all() noexcept {
  for (size_t i = 0; i < runs_.size(); ++i) {
    const Status status = runs_[i]->start();
    if (status != TCPKIT_OK) {
      take_back(i);
      return status;
    }
    ++running_;
  }
  return TCPKIT_OK;
}

// The loop does not run, so what the others tell is heard, and ignored, when it is closed.
void Control::take_back(size_t started) noexcept {
  const LastError why = last_error();
  ending_ = true;
  while (started > 0) {
    --started;
    runs_[started]->end(RunEnd::kNow, 0);
    runs_[started]->settle();
  }
  restore_last_error(why);
}

// While services are settled, which joins their threads, signals are the host's again: a handler
// that does not return can still be ended from outside.
void Control::wait_for_all() noexcept {
  if (running_ > 0) {
    loop_.run(*this);
  } else {
    loop_.close();
  }
  if (armed()) loop_.timers().disarm(*this);
  signals_.close();
  for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) (*run)->settle();
}

Status Control::run() noexcept {
  Status status = open();
  if (status != TCPKIT_OK) return status;
  status = start_all();
  if (status != TCPKIT_OK) {
    const LastError why = last_error();
    loop_.close();
    signals_.close();
    restore_last_error(why);
    return status;
  }
  wait_for_all();
  if (first_error_.status != TCPKIT_OK) restore_last_error(first_error_);
  return first_error_.status;
}

void Control::end_gently() noexcept {
  ending_ = true;
  for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) {
    (*run)->end(RunEnd::kGently, settings_.drain_timeout_ms);
  }
  if (settings_.drain_timeout_ms == TCPKIT_UNLIMITED) return;
  loop_.timers().arm(*this, loop_.deadline_in(settings_.drain_timeout_ms));
}

void Control::end_now() noexcept {
  for (const auto& run : runs_) run->end(RunEnd::kNow, 0);
}

// Servers keep this time themselves.
void Control::on_timer() noexcept {
  for (const auto& run : runs_) {
    if (run->is_client()) run->end(RunEnd::kNow, 0);
  }
}

void Control::on_signal(int, void* control) noexcept {
  auto* signalled = static_cast<Control*>(control);
  if (signalled->ending_) return signalled->end_now();
  signalled->end_gently();
}

void Control::service_ended(const ServiceRun& run) noexcept {
  if (running_ > 0) --running_;
  if (running_ == 0) loop_.finish();
  const LastError why = run.named_failure();
  if (why.status == TCPKIT_OK || ending_) return;
  first_error_ = why;
  end_gently();
}

Status check_thread(const Service& service) noexcept {
  const bool is_own = service.server != nullptr ? service.server->on_own_thread()
                                                : service.client->loop_host().loop().is_home();
  if (!is_own) return TCPKIT_OK;
  return fail(TCPKIT_E_WRONG_THREAD, "services cannot be run in a callback of one of them");
}

}  // namespace

Status run_services(const std::vector<Service>& services, const RunSettings& settings) {
  Control control(settings);
  for (const Service& service : services) {
    const Status status = check_thread(service);
    if (status != TCPKIT_OK) return status;
    control.add(service);
  }
  return control.run();
}

}  // namespace tcpkit
