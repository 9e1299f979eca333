// The verifier's messages, of all kernels since 4.19 and of skep's own: which rule each says was broken. The one
// table of them; rows in verifier_messages.cc.
//
// A pattern is matched from the message's beginning: '#' is a number (with sign, 0x), '*' any text up to what
// follows; a '$' at its end wants the message to end there. Rows are asked in order.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "report/causes.h"
#include "verifier/verifier.h"

namespace skep::report {

struct MessageRow {
  std::string_view pattern;
  verifier::Rule rule{};
  Cause cause{};
  bool detail = false;  // goes with another line, which says more: taken where it stands alone
};
[[nodiscard]] std::span<const MessageRow> verifier_messages();

struct MessageMatch {
  const MessageRow* row = nullptr;
  std::vector<std::string_view> captures;  // what # and * stood for, in order
};
[[nodiscard]] std::optional<MessageMatch> match_verifier_message(std::string_view line);
// One pattern. No recursion: at most pattern × text steps.
[[nodiscard]] bool match_pattern(std::string_view pattern, std::string_view text,
                                 std::vector<std::string_view>* captures);

}  // namespace skep::report
