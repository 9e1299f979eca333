// HostOps::trace_print, in whatever process a program runs: a line of bpf_printk goes into the hive's ring of them.
// Freestanding.
#pragma once

#include "base/hive_control.h"
#include "base/hive_layout.h"
#include "object/helper_context.h"
#include "spec/helpers.h"

namespace skep::runtime {

// Through the process page, as any program's ring buffer output goes. A full ring loses the line.
inline void trace_print(HelperContext* context, const char* text, uint32_t size) {
  uint64_t ring = hive::root(hive::Root::kPrintk);
  if (ring == 0) return;
  const auto& page = *reinterpret_cast<const hive::ProcessPage*>(hive::kProcessPage);
  auto output = reinterpret_cast<HelperFn>(page.helpers[spec::BPF_FUNC_ringbuf_output]);
  output(ring, reinterpret_cast<uint64_t>(text), size, 0, 0, context);
}

}  // namespace skep::runtime
