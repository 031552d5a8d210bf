// Which certificates are for which host name: exact names, and wildcards for one label.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tls/certificate_loading.h"

namespace tcpkit {

class ServerNames {
 public:
  // Positions of certificates in the list, one of each type of key, that serve together.
  using Group = std::vector<size_t>;

  // For a name of several certificates with keys of one type the first of them counts, and one for
  // exactly that name before one with a wildcard. The first group is that of the first certificate.
  explicit ServerNames(const std::vector<CertificateRef>& certificates);

  const std::vector<Group>& groups() const noexcept { return groups_; }
  // Position of the group for a host name, in any case; 0, the first, for a name that none has.
  size_t find(std::string_view host_name) const;

 private:
  size_t add_group(Group group);

  std::vector<Group> groups_;
  std::map<std::string, size_t, std::less<>> exact_;
  std::map<std::string, size_t, std::less<>> wildcards_;  // ".example.org"
};

}  // namespace tcpkit
