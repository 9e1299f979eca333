// Probes through tracefs, for kernels without the perf units "kprobe" and "uprobe" (before 4.17): an event is defined
// by a line of kprobe_events or uprobe_events and is a tracepoint from then on.
#pragma once

#include <string>

#include "base/result.h"

namespace skep::engine::kernel {

struct LegacyEvent {
  uint64_t id = 0;      // PerfEventAttr::config
  std::string file;     // kprobe_events' path
  std::string removal;  // the line that removes it
};
// `where`: "FUNCTION+0x10", or "PATH:0xOFFSET" for a uprobe.
[[nodiscard]] Result<LegacyEvent> add_legacy_event(bool user, bool is_return,
                                                   const std::string& where);
void remove_legacy_event(const LegacyEvent& event);

}  // namespace skep::engine::kernel
