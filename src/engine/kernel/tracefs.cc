#include "engine/kernel/tracefs.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "base/fd.h"
#include "engine/kernel/facts.h"

namespace skep::engine::kernel {

namespace {

Result<> append_line(const std::string& path, const std::string& line) {
  SKEP_TRY(fd, open_file(path, O_WRONLY | O_APPEND | O_CLOEXEC));
  if (::write(fd.get(), line.data(), line.size()) < 0)
    return fail_errno(errno, "{}: \"{}\"", path, line);
  return {};
}

}  // namespace

Result<LegacyEvent> add_legacy_event(bool user, bool is_return, const std::string& where) {
  static std::atomic<unsigned> serial{
      0};  // names are the kernel's, not this process's: they must not repeat
  const std::string root = tracefs();
  if (root.empty()) {
    return std::unexpected(Error(ENOENT, "tracefs is not mounted")
                               .with_hint("mount -t tracefs tracefs /sys/kernel/tracing"));
  }
  LegacyEvent event;
  event.file = root + (user ? "/uprobe_events" : "/kprobe_events");
  if (::access(event.file.c_str(), F_OK) != 0) {
    return fail(EOPNOTSUPP, "this kernel is built without {}",
                user ? "uprobes (CONFIG_UPROBE_EVENTS)" : "kprobes (CONFIG_KPROBE_EVENTS)");
  }
  const std::string name = fmt::format("p_{}_{}", ::getpid(), serial.fetch_add(1));
  SKEP_CHECK(
      append_line(event.file, fmt::format("{}:skep/{} {}", is_return ? 'r' : 'p', name, where)));
  event.removal = fmt::format("-:skep/{}", name);
  auto bytes = read_file(fmt::format("{}/events/skep/{}/id", root, name));
  if (!bytes) {
    remove_legacy_event(event);
    return fail(bytes);
  }
  event.id = std::strtoull(
      std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()).c_str(), nullptr,
      10);
  return event;
}

void remove_legacy_event(const LegacyEvent& event) { (void)append_line(event.file, event.removal); }

}  // namespace skep::engine::kernel
