// Iterator programs (BPF_TRACE_ITER): what ITER_CREATE's descriptor reads.
#include <algorithm>
#include <vector>

#include "base/slots.h"
#include "object/task_view.h"
#include "runtime/fault_guard.h"
#include "runtime/host.h"
#include "runtime/runtime.h"

namespace skep::runtime {

Result<std::string> Runtime::iterate(const ProgObject& program, size_t arguments,
                                     const NextItem& next) {
  constexpr size_t kBuffer = 8 * 4096;  // a seq_file's
  constexpr size_t kLimit = 64u << 20;
  HeldSlot slot;
  if (!slot)
    return fail(EBUSY, "running program {}: every slot of the hive is busy", program.header().name);
  FaultGuard guard(program.header().fault_count > 0);
  auto entry = reinterpret_cast<ProgEntry>(program.header().entry);
  auto& stats = *reinterpret_cast<ProgStats*>(program.header().stats);
  std::string out;
  std::vector<char> buffer(kBuffer);
  published::seq_file seq{.buf = buffer.data(), .size = buffer.size(), .count = 0};
  published::bpf_iter_meta meta{.seq = &seq, .session_id = 1, .seq_num = 0};
  std::vector<uint64_t> ctx(1 + arguments);
  TaskInfo task;
  TaskView view;
  for (bool more = true; more;) {
    std::fill(ctx.begin(), ctx.end(), 0);
    ctx[0] = reinterpret_cast<uint64_t>(&meta);
    more = next(std::span(ctx).subspan(1));
    seq.count = 0;
    HelperContext context;
    context.host = &in_process_host();
    context.slot = slot.slot();
    context.program = &program.header();
    context.ctx = ctx.data();
    context.task = &task;
    context.host_data = &view;
    context.seq = &seq;
    context.random_state = meta.seq_num + 1;
    uint64_t retval = entry(ctx.data(), &context);
    std::atomic_ref(stats.run_count).fetch_add(1, std::memory_order_relaxed);
    if (retval != 0) return fail(EAGAIN, "program {} returned {}", program.header().name, retval);
    if (seq.count >= seq.size)  // as a seq_file that overflowed
      return fail(E2BIG, "program {} wrote over {} bytes at once", program.header().name, kBuffer);
    out.append(buffer.data(), seq.count);
    if (out.size() > kLimit) return fail(E2BIG, "the iterator's output is over {} bytes", kLimit);
    ++meta.seq_num;
  }
  return out;
}

}  // namespace skep::runtime
