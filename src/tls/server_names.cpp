// The table of host names (SNI).
#include "tls/server_names.h"

#include <algorithm>

#include "tls/text_list.h"

namespace tcpkit {
namespace {

using Group = ServerNames::Group;

// "*.example.org" for "a.example.org"; "" for a name without a dot.
std::string wildcard_over(std::string_view name) {
  const size_t dot = name.find('.');
  return dot == std::string_view::npos || dot == 0 ? "" : "*" + std::string(name.substr(dot));
}

bool has_name(const LoadedCertificate& certificate, const std::string& name) {
  return std::find(certificate.names.begin(), certificate.names.end(), name) !=
         certificate.names.end();
}

// Adds those that have name and whose type of key the group lacks.
void add_those_with(const std::string& name, const std::vector<CertificateRef>& certificates,
                    Group& group) {
  for (size_t i = 0; i < certificates.size(); ++i) {
    const auto same_type = [&](size_t other) {
      return certificates[other]->key_type() == certificates[i]->key_type();
    };
    if (!has_name(*certificates[i], name)) continue;
    if (std::none_of(group.begin(), group.end(), same_type)) group.push_back(i);
  }
}

Group group_for(const std::string& name, const std::vector<CertificateRef>& certificates) {
  Group group;
  add_those_with(name, certificates, group);
  if (!name.starts_with('*')) add_those_with(wildcard_over(name), certificates, group);
  return group;
}

// The first certificate, and those with the same names and keys of other types.
Group first_group(const std::vector<CertificateRef>& certificates) {
  const auto sorted_names = [&](size_t i) {
    std::vector<std::string> names = certificates[i]->names;
    std::sort(names.begin(), names.end());
    return names;
  };
  Group group = {0};
  for (size_t i = 1; i < certificates.size(); ++i) {
    const auto same_type = [&](size_t other) {
      return certificates[other]->key_type() == certificates[i]->key_type();
    };
    const bool fits = sorted_names(i) == sorted_names(0);
    if (fits && std::none_of(group.begin(), group.end(), same_type)) group.push_back(i);
  }
  return group;
}

}  // namespace

ServerNames::ServerNames(const std::vector<CertificateRef>& certificates) {
  if (certificates.empty()) return;
  add_group(first_group(certificates));
  for (const CertificateRef& certificate : certificates) {
    for (const std::string& name : certificate->names) {
      const size_t group = add_group(group_for(name, certificates));
      if (name.starts_with('*')) {
        wildcards_.emplace(name.substr(1), group);
      } else {
        exact_.emplace(name, group);
      }
    }
  }
}

size_t ServerNames::add_group(Group group) {
  std::sort(group.begin(), group.end());
  const auto same = std::find(groups_.begin(), groups_.end(), group);
  if (same != groups_.end()) return static_cast<size_t>(same - groups_.begin());
  groups_.push_back(std::move(group));
  return groups_.size() - 1;
}

size_t ServerNames::find(std::string_view host_name) const {
  const std::string name = lower_case(host_name);
  const auto exact = exact_.find(name);
  if (exact != exact_.end()) return exact->second;
  const size_t dot = name.find('.');
  if (dot == std::string::npos || dot == 0) return 0;
  const auto wildcard = wildcards_.find(std::string_view(name).substr(dot));
  return wildcard == wildcards_.end() ? 0 : wildcard->second;
}

}  // namespace tcpkit
