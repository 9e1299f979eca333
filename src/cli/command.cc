#include "cli/command.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace skep::cli {

Exit exit_for(const Error& error, Exit otherwise) {
  switch (error.code()) {
    case ENOENT:
    case EACCES:
    case EISDIR:
    case ENOTDIR: return kNoInput;
    case ENOMEM:
    case ENOSPC:
    case EMFILE:
    case ENFILE:
    case EDQUOT:
    case EIO: return kSystem;
    case ENOSYS:
    case EOPNOTSUPP: return kUnavailable;
    default: return otherwise;
  }
}

Output output_style(bool json) {
  Output style;
  style.json = json;
  if (::isatty(STDOUT_FILENO) != 0) {
    style.color = !json && std::getenv("NO_COLOR") == nullptr;
    winsize size{};
    style.width =
        ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  }
  return style;
}

int report_failure(const Error& error, Exit status) {
  std::fflush(stdout);
  fmt::print(stderr, "skep: error: {}\n", error.text());
  if (!error.hint().empty()) fmt::print(stderr, "  hint: {}\n", error.hint());
  return status;
}

void warn(std::string_view text) { fmt::print(stderr, "skep: warning: {}\n", text); }

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int finish_output(int status) {
  errno = 0;
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    int code = errno != 0 ? errno : EIO;
    if (code == EPIPE) return status;
    return report_failure(Error(code, "standard output: " + errno_text(code)), kSystem);
  }
  return status;
}

}  // namespace skep::cli
