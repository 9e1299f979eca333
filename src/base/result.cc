#include "base/result.h"

#include <cstring>

namespace skep {

std::string Error::text() const {
  std::string text;
  for (auto context = context_.rbegin(); context != context_.rend(); ++context) {
    text += *context;
    text += ": ";
  }
  return text + message_;
}

std::string_view errno_name(int code) {
  const char* name = ::strerrorname_np(code);
  return name != nullptr ? name : "unknown errno";
}

std::string errno_text(int code) {
  const char* text = ::strerrordesc_np(code);
  return fmt::format("{} ({})", text != nullptr ? text : "unknown error", errno_name(code));
}

}  // namespace skep
