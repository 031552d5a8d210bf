// Filters for tests: each a small class, with the C table made around it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server_fixture.h"

namespace testkit {

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline tcpkit_status write_text(tcpkit_filter_output* output, std::string_view text) {
  return tcpkit_filter_write(output, text.data(), text.size());
}

// What the filters of a test do and note. One per test, shared by its connections; the functions
// that are set replace those of the filter.
struct FilterScript {
  using Change = std::function<tcpkit_status(std::string_view, tcpkit_filter_output*)>;
  using End = std::function<tcpkit_status(tcpkit_filter_output*)>;
  Change decode = {};
  Change encode = {};
  End decode_end = {};
  End flush = {};
  End encode_end = {};
  std::atomic<int> created = 0;
  std::atomic<int> freed = 0;
  std::atomic<int> user_data_freed = 0;
};

// One byte is two: 'a' and the upper half of it, 'a' and the lower half.
inline std::string halves_of(std::string_view bytes) {
  std::string made;
  made.reserve(2 * bytes.size());
  for (const char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    made += static_cast<char>('a' + (value >> 4));
    made += static_cast<char>('a' + (value & 15));
  }
  return made;
}

inline std::string bytes_of_halves(std::string_view halves) {
  std::string made;
  for (size_t i = 0; i + 1 < halves.size(); i += 2) {
    made += static_cast<char>((halves[i] - 'a') << 4 | (halves[i + 1] - 'a'));
  }
  return made;
}

inline std::string xored(std::string_view bytes, char key) {
  std::string made(bytes);
  for (char& byte : made) byte = static_cast<char>(byte ^ key);
  return made;
}

// Has no state: its key is its user data.
inline tcpkit_filter xor_filter(const char* key) {
  tcpkit_filter filter = TCPKIT_FILTER_INIT;
  filter.name = "xor";
  filter.user_data = const_cast<char*>(key);
  filter.decode = filter.encode = [](void* state, const uint8_t* data, size_t size,
                                     tcpkit_filter_output* output) {
    return write_text(output, xored(text_of(data, size), *static_cast<char*>(state)));
  };
  return filter;
}

// The state of one connection's filter of a script.
struct ScriptedState {
  FilterScript* script;
  std::string half;  // of halves
};

// A filter that does what its script says; where that says nothing, it is the one of halves.
inline tcpkit_filter scripted_filter(FilterScript& script) {
  tcpkit_filter filter = TCPKIT_FILTER_INIT;
  filter.name = "halves";
  filter.user_data = &script;
  filter.user_data_free = [](void* user_data) {
    ++static_cast<FilterScript*>(user_data)->user_data_freed;
  };
  filter.state_create = [](void* user_data) -> void* {
    auto* owner = static_cast<FilterScript*>(user_data);
    ++owner->created;
    return new ScriptedState{owner, {}};
  };
  filter.state_free = [](void* state) {
    auto* freed = static_cast<ScriptedState*>(state);
    ++freed->script->freed;
    delete freed;
  };
  filter.decode = [](void* state, const uint8_t* data, size_t size, tcpkit_filter_output* output) {
    auto& self = *static_cast<ScriptedState*>(state);
    if (self.script->decode) return self.script->decode(text_of(data, size), output);
    const std::string_view text = text_of(data, size);
    const std::string_view sound = text.substr(0, text.find_first_not_of("abcdefghijklmnop"));
    self.half += sound;
    const std::string made = bytes_of_halves(self.half);
    self.half.erase(0, self.half.size() & ~size_t{1});
    if (sound.size() < text.size()) {
      EXPECT_EQ(TCPKIT_OK, write_text(output, made));
      return tcpkit_status{TCPKIT_E_FILTER};
    }
    return write_text(output, made);
  };
  filter.decode_end = [](void* state, tcpkit_filter_output* output) {
    auto& self = *static_cast<ScriptedState*>(state);
    if (self.script->decode_end) return self.script->decode_end(output);
    return tcpkit_status{self.half.empty() ? TCPKIT_OK : TCPKIT_E_UNEXPECTED_EOF};
  };
  filter.encode = [](void* state, const uint8_t* data, size_t size, tcpkit_filter_output* output) {
    auto& self = *static_cast<ScriptedState*>(state);
    if (self.script->encode) return self.script->encode(text_of(data, size), output);
    return write_text(output, halves_of(text_of(data, size)));
  };
  filter.flush = [](void* state, tcpkit_filter_output* output) {
    auto& self = *static_cast<ScriptedState*>(state);
    return self.script->flush ? self.script->flush(output) : tcpkit_status{TCPKIT_OK};
  };
  filter.encode_end = [](void* state, tcpkit_filter_output* output) {
    auto& self = *static_cast<ScriptedState*>(state);
    return self.script->encode_end ? self.script->encode_end(output) : tcpkit_status{TCPKIT_OK};
  };
  return filter;
}

// Keeps all that is sent until it is flushed, and writes it in brackets; at the end a full stop.
inline tcpkit_filter bracket_filter() {
  tcpkit_filter filter = TCPKIT_FILTER_INIT;
  filter.name = "brackets";
  filter.state_create = [](void*) -> void* { return new std::string; };
  filter.state_free = [](void* state) { delete static_cast<std::string*>(state); };
  filter.encode = [](void* state, const uint8_t* data, size_t size, tcpkit_filter_output*) {
    *static_cast<std::string*>(state) += text_of(data, size);
    return tcpkit_status{TCPKIT_OK};
  };
  filter.flush = [](void* state, tcpkit_filter_output* output) {
    auto& kept = *static_cast<std::string*>(state);
    const std::string made = kept.empty() ? "" : "[" + kept + "]";
    kept.clear();
    return write_text(output, made);
  };
  filter.encode_end = [](void* state, tcpkit_filter_output* output) {
    return write_text(output, *static_cast<std::string*>(state) + ".");
  };
  return filter;
}

// Options with filters, which live as long as this.
class FilteredOptions {
 public:
  explicit FilteredOptions(std::vector<tcpkit_filter> filters,
                           const tcpkit_server_options& options = with_loops(1))
      : filters_(std::move(filters)), options_(options) {
    for (const tcpkit_filter& filter : filters_) pointers_.push_back(&filter);
    options_.filters = pointers_.data();
    options_.filter_count = pointers_.size();
  }
  FilteredOptions(const FilteredOptions&) = delete;
  FilteredOptions& operator=(const FilteredOptions&) = delete;
  tcpkit_server_options& get() { return options_; }

 private:
  std::vector<tcpkit_filter> filters_;
  std::vector<const tcpkit_filter*> pointers_;
  tcpkit_server_options options_;
};

// Why the connections of a server ended, with the detail.
struct Ends {
  void note(const tcpkit_close_info& info) {
    monitor.change([&] {
      infos.push_back(info);
      details.emplace_back(info.detail);
    });
  }
  tcpkit_close_info first() const {
    EXPECT_TRUE(monitor.wait([&] { return !infos.empty(); }));
    return monitor.look([&] { return infos.empty() ? tcpkit_close_info{} : infos[0]; });
  }
  std::string detail() const {
    (void)first();
    return monitor.look([&] { return details.empty() ? std::string() : details[0]; });
  }
  Monitor monitor;
  std::vector<tcpkit_close_info> infos;
  std::vector<std::string> details;
};

}  // namespace testkit
