// The listeners of a server: their settings, and which are open after what.
#include "server/listeners.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "server/option_table.h"

namespace tcpkit::test {
namespace {

constexpr const char* kFreePort = "tcp://127.0.0.1:0";

tcpkit_server_options resolved(tcpkit_server_options options) {
  EXPECT_EQ(resolve_options(options), TCPKIT_OK);
  return options;
}

// A folder of its own for unix sockets, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    char path[] = "/tmp/tcpkit-test-XXXXXX";
    if (mkdtemp(path) != nullptr) path_ = path;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { rmdir(path_.c_str()); }
  std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

bool exists(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0;
}

class ListenersTest : public ::testing::Test {
 protected:
  ListenSettings settings_for(const char* address, const tcpkit_listen_options& listen_options) {
    Listeners::Entry entry;
    EXPECT_EQ(listeners_.make_entry(address, listen_options, entry), TCPKIT_OK)
        << last_error().message;
    return entry.settings;
  }
  void add_open(const char* address) {
    Listeners::Entry entry;
    ASSERT_EQ(listeners_.make_entry(address, TCPKIT_LISTEN_OPTIONS_INIT, entry), TCPKIT_OK);
    ASSERT_EQ(listeners_.open(entry, 1), TCPKIT_OK) << last_error().message;
    listeners_.entries().push_back(std::move(entry));
  }

  tcpkit_server_options options_ = resolved(TCPKIT_SERVER_OPTIONS_INIT);
  Listeners listeners_{options_};
};

TEST_F(ListenersTest, AreAddedClosedInTheOrderOfTheList) {
  ASSERT_EQ(listeners_.add_list("tcp://127.0.0.1:0,unix://@tcpkit-x,tcp6://[::1]:0"), TCPKIT_OK);
  ASSERT_EQ(listeners_.count(), 3u);
  EXPECT_EQ(listeners_.entries()[0].settings.text, "tcp://127.0.0.1:0");
  EXPECT_EQ(listeners_.entries()[1].settings.address.network, TCPKIT_NETWORK_UNIX);
  EXPECT_EQ(listeners_.entries()[2].settings.address.network, TCPKIT_NETWORK_TCP6);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(listeners_.bound_text(i), "");
}

TEST_F(ListenersTest, AreNoneForAnEmptyList) {
  EXPECT_EQ(listeners_.add_list(""), TCPKIT_OK);
  EXPECT_EQ(listeners_.count(), 0u);
  EXPECT_EQ(listeners_.bound_text(0), "");
}

TEST_F(ListenersTest, RefuseABadEntryOfAListByName) {
  for (const char* bad : {"bogus", "tcp://127.0.0.1", "tcp://127.0.0.1:65536", "udp://:1",
                          " tcp://127.0.0.1:0", "fd://x"}) {
    Listeners listeners(options_);
    const std::string list = std::string(kFreePort) + "," + bad;
    EXPECT_EQ(listeners.add_list(list.c_str()), TCPKIT_E_BAD_ADDRESS) << bad;
    EXPECT_NE(std::string(last_error().message).find(bad), std::string::npos)
        << last_error().message;
  }
}

TEST_F(ListenersTest, RefuseAnEmptyEntryOfAList) {
  for (const char* list : {",", ",tcp://127.0.0.1:0", "tcp://127.0.0.1:0,,tcp://127.0.0.1:0"}) {
    Listeners listeners(options_);
    EXPECT_EQ(listeners.add_list(list), TCPKIT_E_BAD_ADDRESS) << list;
  }
}

TEST_F(ListenersTest, TakeTheirSettingsFromTheServer) {
  options_.no_delay = TCPKIT_OFF;
  options_.keep_alive_ms = 1234;
  options_.receive_buffer_size = 5000;
  options_.send_buffer_size = 6000;
  options_.backlog = 77;
  const ListenSettings settings = settings_for(kFreePort, TCPKIT_LISTEN_OPTIONS_INIT);
  EXPECT_FALSE(settings.no_delay);
  EXPECT_EQ(settings.keep_alive_ms, 1234u);
  EXPECT_EQ(settings.receive_buffer_size, 5000u);
  EXPECT_EQ(settings.send_buffer_size, 6000u);
  EXPECT_EQ(settings.backlog, 77);
  EXPECT_FALSE(settings.reuse_port);
  EXPECT_TRUE(settings.dual_stack);
}

TEST_F(ListenersTest, PreferTheirOwnSettingsToTheServers) {
  tcpkit_listen_options own = TCPKIT_LISTEN_OPTIONS_INIT;
  own.backlog = 9;
  own.reuse_port = TCPKIT_ON;
  own.dual_stack = TCPKIT_OFF;
  const ListenSettings settings = settings_for(kFreePort, own);
  EXPECT_EQ(settings.backlog, 9);
  EXPECT_TRUE(settings.reuse_port);
  EXPECT_FALSE(settings.dual_stack);
}

TEST_F(ListenersTest, CutABacklogThatNoKernelTakes) {
  tcpkit_listen_options own = TCPKIT_LISTEN_OPTIONS_INIT;
  own.backlog = UINT32_MAX;
  EXPECT_EQ(settings_for(kFreePort, own).backlog, 0x7FFFFFFF);
}

TEST_F(ListenersTest, TakeIpv4OnAnIpv6WildcardOnlyWhereTheSchemeLeavesItOpen) {
  tcpkit_listen_options own = TCPKIT_LISTEN_OPTIONS_INIT;
  own.dual_stack = TCPKIT_ON;
  EXPECT_TRUE(settings_for("tcp://:0", own).dual_stack);
  EXPECT_FALSE(settings_for("tcp6://:0", own).dual_stack);
  EXPECT_FALSE(settings_for("tcp4://:0", own).dual_stack);
  EXPECT_FALSE(settings_for("unix://@tcpkit-x", own).dual_stack);
}

TEST_F(ListenersTest, ShareAPortOnTcpOnly) {
  tcpkit_listen_options own = TCPKIT_LISTEN_OPTIONS_INIT;
  own.reuse_port = TCPKIT_ON;
  EXPECT_TRUE(settings_for("tcp4://127.0.0.1:0", own).reuse_port);
  EXPECT_TRUE(settings_for("tcp6://[::1]:0", own).reuse_port);
  EXPECT_FALSE(settings_for("unix://@tcpkit-x", own).reuse_port);
  EXPECT_FALSE(settings_for("fd://3", own).reuse_port);
}

TEST_F(ListenersTest, RefuseASwitchThatIsNoneByName) {
  for (const tcpkit_switch value : {-1, 3}) {
    Listeners::Entry entry;
    tcpkit_listen_options own = TCPKIT_LISTEN_OPTIONS_INIT;
    own.reuse_port = value;
    EXPECT_EQ(listeners_.make_entry(kFreePort, own, entry), TCPKIT_E_INVALID_ARGUMENT);
    EXPECT_NE(std::string(last_error().message).find("reuse_port"), std::string::npos);
    own.reuse_port = TCPKIT_DEFAULT;
    own.dual_stack = value;
    EXPECT_EQ(listeners_.make_entry(kFreePort, own, entry), TCPKIT_E_INVALID_ARGUMENT);
    EXPECT_NE(std::string(last_error().message).find("dual_stack"), std::string::npos);
  }
}

TEST_F(ListenersTest, RefuseASharedPortOfAServerWithAPoolSize) {
  options_.pool_size = 10;
  Listeners::Entry entry;
  tcpkit_listen_options own = TCPKIT_LISTEN_OPTIONS_INIT;
  own.reuse_port = TCPKIT_ON;
  EXPECT_EQ(listeners_.make_entry(kFreePort, own, entry), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_NE(std::string(last_error().message).find("pool_size"), std::string::npos);
  EXPECT_EQ(listeners_.make_entry(kFreePort, TCPKIT_LISTEN_OPTIONS_INIT, entry), TCPKIT_OK);
}

TEST_F(ListenersTest, OpenCloseAndOpenAgain) {
  ASSERT_EQ(listeners_.add_list("tcp://127.0.0.1:0,tcp4://127.0.0.1:0"), TCPKIT_OK);
  for (int start = 0; start < 3; ++start) {
    ASSERT_EQ(listeners_.open_all(2), TCPKIT_OK) << last_error().message;
    EXPECT_EQ(listeners_.bound_text(0).find("tcp://127.0.0.1:"), 0u);
    EXPECT_EQ(listeners_.bound_text(1).find("tcp4://127.0.0.1:"), 0u);
    EXPECT_NE(listeners_.entries()[0].sockets[0]->bound_port(), 0);
    EXPECT_EQ(listeners_.bound_text(2), "");
    listeners_.close_all();
    EXPECT_EQ(listeners_.bound_text(0), "");
    EXPECT_EQ(listeners_.count(), 2u);
  }
}

TEST_F(ListenersTest, KeepTheSocketOfAListenerThatIsOpenWhenTheServerStarts) {
  add_open(kFreePort);
  const ListenSocket* socket = listeners_.entries()[0].sockets[0].get();
  ASSERT_EQ(listeners_.open_all(4), TCPKIT_OK);
  EXPECT_EQ(listeners_.entries()[0].sockets.size(), 1u);
  EXPECT_EQ(listeners_.entries()[0].sockets[0].get(), socket);
}

TEST_F(ListenersTest, OpenOneSocketPerLoopOnOneSharedPort) {
  options_.reuse_port = TCPKIT_ON;
  ASSERT_EQ(listeners_.add_list("tcp://127.0.0.1:0,unix://@tcpkit-listeners-test"), TCPKIT_OK);
  ASSERT_EQ(listeners_.open_all(3), TCPKIT_OK) << last_error().message;
  const Listeners::Entry& shared = listeners_.entries()[0];
  ASSERT_EQ(shared.sockets.size(), 3u);
  for (const auto& socket : shared.sockets) {
    EXPECT_EQ(socket->bound_port(), shared.sockets[0]->bound_port());
  }
  EXPECT_EQ(shared.source(1).placement, Placement::kHere);
  EXPECT_EQ(shared.source(1).listen_fd, shared.sockets[1]->fd());
  const Listeners::Entry& single = listeners_.entries()[1];
  ASSERT_EQ(single.sockets.size(), 1u);
  EXPECT_EQ(single.source(0).placement, Placement::kSpread);
}

TEST_F(ListenersTest, LeaveNothingOpenThatAFailedStartOpened) {
  Listeners other(options_);
  ASSERT_EQ(other.add_list(kFreePort), TCPKIT_OK);
  ASSERT_EQ(other.open_all(1), TCPKIT_OK);
  const std::string taken = other.bound_text(0);

  add_open(kFreePort);
  const std::string earlier = listeners_.bound_text(0);
  ASSERT_EQ(listeners_.add_list((std::string(kFreePort) + "," + taken).c_str()), TCPKIT_OK);
  EXPECT_EQ(listeners_.open_all(1), TCPKIT_E_ADDRESS_IN_USE);
  EXPECT_NE(std::string(last_error().message).find(taken), std::string::npos);
  EXPECT_EQ(listeners_.bound_text(0), earlier) << "what was open before stays open";
  EXPECT_EQ(listeners_.bound_text(1), "");
  EXPECT_EQ(listeners_.bound_text(2), "");

  other.close_all();
  EXPECT_EQ(listeners_.open_all(1), TCPKIT_OK) << last_error().message;
  EXPECT_EQ(listeners_.bound_text(2), taken);
}

TEST_F(ListenersTest, UndoOnlyWhatTheLastStartOpened) {
  add_open(kFreePort);
  const std::string earlier = listeners_.bound_text(0);
  ASSERT_EQ(listeners_.add_list(kFreePort), TCPKIT_OK);
  ASSERT_EQ(listeners_.open_all(1), TCPKIT_OK);
  EXPECT_NE(listeners_.bound_text(1), "");
  listeners_.undo_open_all();
  EXPECT_EQ(listeners_.bound_text(0), earlier);
  EXPECT_EQ(listeners_.bound_text(1), "");
  listeners_.undo_open_all();
  EXPECT_EQ(listeners_.bound_text(0), earlier) << "there is nothing left to undo";
}

TEST_F(ListenersTest, LeaveAnEntryClosedWhenOneOfItsSocketsFails) {
  Listeners::Entry entry;
  const TemporaryFolder folder;
  const std::string address = "unix://" + folder.file("missing/x.sock");
  ASSERT_EQ(listeners_.make_entry(address.c_str(), TCPKIT_LISTEN_OPTIONS_INIT, entry), TCPKIT_OK);
  EXPECT_EQ(listeners_.open(entry, 1), TCPKIT_E_NO_SUCH_FILE);
  EXPECT_TRUE(entry.sockets.empty());
}

TEST_F(ListenersTest, RemoveAUnixPathWhenTheyCloseAndMakeItAgain) {
  const TemporaryFolder folder;
  const std::string path = folder.file("x.sock");
  ASSERT_EQ(listeners_.add_list(("unix://" + path).c_str()), TCPKIT_OK);
  for (int start = 0; start < 2; ++start) {
    ASSERT_EQ(listeners_.open_all(2), TCPKIT_OK) << last_error().message;
    EXPECT_EQ(listeners_.bound_text(0), "unix://" + path);
    EXPECT_TRUE(exists(path));
    listeners_.close_all();
    EXPECT_FALSE(exists(path));
  }
}

}  // namespace
}  // namespace tcpkit::test
