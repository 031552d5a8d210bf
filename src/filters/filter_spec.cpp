// Checks of the table of a filter.
#include "filters/filter_spec.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace tcpkit {
namespace {

// Grows with the struct only if fields are appended; this stays.
constexpr uint32_t kSmallestFilterSize = sizeof(tcpkit_filter);

Status copy_table(const tcpkit_filter* given, const char* name, tcpkit_filter& copy) noexcept {
  if (given == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "%s is NULL", name);
  if (given->struct_size < kSmallestFilterSize) {
    return fail(TCPKIT_E_STRUCT_SIZE, "%s: struct_size is %u, at least %u is needed; use its INIT",
                name, given->struct_size, kSmallestFilterSize);
  }
  std::memcpy(&copy, given, sizeof copy);
  copy.struct_size = sizeof copy;
  return TCPKIT_OK;
}

Status check_table(const tcpkit_filter& table, const char* name) noexcept {
  const size_t length =
      table.name == nullptr ? 0 : strnlen(table.name, FilterSpec::kMostNameBytes + 1);
  if (length == 0 || length > FilterSpec::kMostNameBytes) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "%s: name has to have 1 to %zu bytes", name,
                FilterSpec::kMostNameBytes);
  }
  if (table.reserved != 0) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "%s: reserved is not zero", name);
  }
  if (table.decode == nullptr && table.encode == nullptr) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "%s: decode and encode are NULL: what does it do?",
                name);
  }
  return TCPKIT_OK;
}

}  // namespace

FilterSpec::FilterSpec(const tcpkit_filter& table, UserData user_data) noexcept
    : table_(table), user_data_(std::move(user_data)) {
  std::memcpy(name_, table.name, std::strlen(table.name) + 1);
  table_.name = name_;
}

Status FilterSpec::create(const tcpkit_filter* filter, const char* name,
                          std::unique_ptr<const FilterSpec>& out) noexcept {
  tcpkit_filter copy = TCPKIT_FILTER_INIT;
  Status status = copy_table(filter, name, copy);
  if (status != TCPKIT_OK) return status;
  UserData user_data(copy.user_data, copy.user_data_free);
  status = check_table(copy, name);
  if (status != TCPKIT_OK) return status;
  out.reset(new (std::nothrow) FilterSpec(copy, std::move(user_data)));
  if (out == nullptr) return fail(TCPKIT_E_NO_MEMORY, "out of memory for a filter");
  return TCPKIT_OK;
}

Status FilterSpec::create_all(const tcpkit_filter* const* filters, size_t count,
                              FilterSpecs& out) noexcept {
  if (count == 0) return TCPKIT_OK;
  if (filters == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "options: filters is NULL");
  LastError first_failure{};
  const auto note = [&](Status status) {
    if (status != TCPKIT_OK && first_failure.status == TCPKIT_OK) first_failure = last_error();
  };
  if (count > kMostFilters) {
    note(fail(TCPKIT_E_INVALID_ARGUMENT, "options: filter_count is %zu, more than %zu", count,
              kMostFilters));
  }
  for (size_t i = 0; i < count; ++i) {
    std::unique_ptr<const FilterSpec> made;
    note(create(filters[i], "options.filters[]", made));
    if (made == nullptr) continue;
    try {
      out.push_back(std::move(made));
    } catch (const std::bad_alloc&) {
      note(fail(TCPKIT_E_NO_MEMORY, "out of memory for filters"));
    }
  }
  if (first_failure.status != TCPKIT_OK) restore_last_error(first_failure);
  return first_failure.status;
}

}  // namespace tcpkit
