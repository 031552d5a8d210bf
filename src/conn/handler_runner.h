// Where connections get a thread for their handler: what a connection needs of the pool of threads.
#pragma once

namespace tcpkit {

class Conn;

class HandlerRunner {
 public:
  virtual ~HandlerRunner() = default;
  // Loop of conn. Runs the handler for it on a thread, now or when one is free, and tells it of the
  // end. False: too many wait already.
  virtual bool submit(Conn& conn) noexcept = 0;
  // Loop of conn. True: its handler had not begun, and does not run any more.
  virtual bool withdraw(Conn& conn) noexcept = 0;
  // Any thread: whether it is one of the handlers'.
  virtual bool on_own_thread() noexcept = 0;
  // After the last connection has ended: waits for the threads.
  virtual void join() noexcept = 0;
};

}  // namespace tcpkit
