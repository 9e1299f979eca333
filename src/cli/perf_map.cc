#include "cli/perf_map.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/fd.h"
#include "vm/jit/perf_map.h"

namespace skep::cli {

void PerfMaps::add(const runtime::ProgObject& program) {
  std::string tag;
  for (uint8_t byte : program.header().tag) tag += fmt::format("{:02x}", byte);
  text_ += jit::perf_map_lines(program.verified(), program.native(), tag);
}

Result<> PerfMaps::write_for(pid_t pid) {
  if (!written_.insert(pid).second) return {};
  const std::string path = fmt::format("/tmp/perf-{}.map", pid);
  // An earlier process's of the same number goes; what others left is not followed.
  ::unlink(path.c_str());
  Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return fail_errno(errno, "{}", path);
  if (::write(file.get(), text_.data(), text_.size()) != static_cast<ssize_t>(text_.size()))
    return fail_errno(errno, "writing {}", path);
  return {};
}

}  // namespace skep::cli
