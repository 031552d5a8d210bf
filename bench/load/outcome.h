// How moving bytes of a connection went.
#pragma once

namespace tcpkit::load {

enum class Outcome { kOk, kBroken };

}  // namespace tcpkit::load
