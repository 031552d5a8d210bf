// One filter as the user gave it: a checked copy of its table, which owns its user data.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/user_data.h"

namespace tcpkit {

// Immutable, so that all connections of a server share it.
class FilterSpec {
 public:
  // Most filters of one connection, and bytes of a name.
  static constexpr size_t kMostFilters = 16;
  static constexpr size_t kMostNameBytes = 64;

  // Takes over the user data of filter, whatever happens; only a filter whose struct_size is wrong
  // is not looked at. name is that of the argument, for messages.
  static Status create(const tcpkit_filter* filter, const char* name,
                       std::unique_ptr<const FilterSpec>& out) noexcept;

  // The same for a list; of several failures the first is told.
  static Status create_all(const tcpkit_filter* const* filters, size_t count,
                           std::vector<std::unique_ptr<const FilterSpec>>& out) noexcept;

  FilterSpec(const FilterSpec&) = delete;
  FilterSpec& operator=(const FilterSpec&) = delete;
  ~FilterSpec() = default;

  const tcpkit_filter& table() const noexcept { return table_; }
  void* user_data() const noexcept { return user_data_.get(); }

 private:
  FilterSpec(const tcpkit_filter& table, UserData user_data) noexcept;

  tcpkit_filter table_;
  char name_[kMostNameBytes + 1];
  UserData user_data_;
};

using FilterSpecs = std::vector<std::unique_ptr<const FilterSpec>>;

}  // namespace tcpkit
