// BPF_PROG_TEST_RUN: what the kernel takes and gives for each program type (net/bpf/test_run.c and
// kernel/trace/bpf_trace.c), over Runtime::run.
//
// Types that the kernel has no test run for (kprobes, tracepoints, cgroup hooks) run here over the context that
// is given: that is how `skep exec` runs them.
#include <algorithm>

#include "engine/user/ports.h"
#include "engine/user/user_engine.h"

namespace skep::engine {

using namespace user;

namespace {

constexpr uint32_t kRunOnCpu = 1, kLiveFrames = 2, kChecksumComplete = 4;
constexpr uint32_t kMaxBatch = 256, kRawTracepointArgs = 12 * 8;

bool is_skb(ProgType type) {
  switch (type) {
    case ProgType::BPF_PROG_TYPE_SOCKET_FILTER:
    case ProgType::BPF_PROG_TYPE_SCHED_CLS:
    case ProgType::BPF_PROG_TYPE_SCHED_ACT:
    case ProgType::BPF_PROG_TYPE_CGROUP_SKB:
    case ProgType::BPF_PROG_TYPE_LWT_IN:
    case ProgType::BPF_PROG_TYPE_LWT_OUT:
    case ProgType::BPF_PROG_TYPE_LWT_XMIT:
    case ProgType::BPF_PROG_TYPE_LWT_SEG6LOCAL:
    case ProgType::BPF_PROG_TYPE_SK_SKB: return true;
    default: return false;
  }
}

// Which fields of the attribute a type has: EINVAL where one is set that it has not.
Result<> check_fields(ProgType type, const TestRunAttr& attr, uint32_t cpus) {
  auto refuse = [&](std::string_view what) {
    return fail(EINVAL, "a test run of this program type has no {}", what);
  };
  const bool no_cpu = attr.cpu == 0 && attr.batch_size == 0;
  if (is_skb(type)) {
    if ((attr.flags & ~kChecksumComplete) != 0 || !no_cpu) return refuse("such flags, cpu, batch");
    return {};
  }
  switch (type) {
    case ProgType::BPF_PROG_TYPE_XDP:
      if ((attr.flags & ~kLiveFrames) != 0) return refuse("such flags");
      if ((attr.flags & kLiveFrames) == 0 && attr.batch_size != 0)
        return refuse("batch without live frames");
      if (attr.batch_size > kMaxBatch)
        return fail(E2BIG, "batches of {}, at most {}", attr.batch_size, kMaxBatch);
      return {};
    case ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT:
      if (attr.data_in != 0 || attr.data_out != 0 || attr.ctx_out != 0 || attr.duration != 0 ||
          attr.repeat != 0 || attr.batch_size != 0)
        return refuse("data, output or repetition");
      if (attr.ctx_size_in > kRawTracepointArgs)
        return fail(EINVAL, "at most {} bytes of arguments", kRawTracepointArgs);
      if ((attr.flags & kRunOnCpu) == 0 && attr.cpu != 0) return refuse("cpu without its flag");
      if ((attr.flags & kRunOnCpu) != 0 && attr.cpu >= cpus)
        return fail(ENXIO, "cpu {}: there are {}", attr.cpu, cpus);
      return {};
    case ProgType::BPF_PROG_TYPE_SYSCALL:
      if (attr.data_in != 0 || attr.data_out != 0 || attr.ctx_out != 0 || attr.duration != 0 ||
          attr.repeat != 0 || attr.flags != 0 || attr.batch_size != 0)
        return refuse("data, output or repetition");
      if (attr.ctx_size_in > UINT16_MAX) return fail(EINVAL, "a context of over 64 KiB");
      return {};
    default:
      if (attr.flags != 0 || !no_cpu) return refuse("flags, cpu or batch");
      return {};
  }
}

}  // namespace

Result<int64_t> UserEngine::prog_test_run(Call& call) {
  SKEP_TRY(attr, call.read<TestRunAttr>(SKEP_ATTR_END(TestRunAttr, batch_size)));
  if ((attr.ctx_size_in != 0) != (attr.ctx_in != 0) ||
      (attr.ctx_size_out != 0) != (attr.ctx_out != 0))
    return fail(EINVAL, "a context has both an address and a size");
  SKEP_TRY(program, call.get<runtime::ProgObject>(static_cast<int32_t>(attr.prog_fd)));
  const ProgType type = program->type();
  SKEP_CHECK(check_fields(type, attr, runtime_->possible_cpus()));
  if ((type == ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT || type == ProgType::BPF_PROG_TYPE_SYSCALL) &&
      attr.ctx_size_in < program->verified().accesses().context)
    return fail(EINVAL, "program {} reads {} bytes of its context, {} were given",
                program->header().name, program->verified().accesses().context, attr.ctx_size_in);
  const bool live = (attr.flags & kLiveFrames) != 0 && type == ProgType::BPF_PROG_TYPE_XDP;
  const Caller& caller = call.caller();
  SKEP_TRY(data, caller.copy_in(attr.data_in, attr.data_size_in));
  SKEP_TRY(ctx, caller.copy_in(attr.ctx_in, attr.ctx_size_in));
  runtime::RunInput input;
  input.data = data;
  input.ctx = ctx;
  input.repeat = std::max<uint32_t>(1, attr.repeat);
  input.stop = [this] { return stopping_.load(std::memory_order_relaxed); };
  input.task = runtime::CallerTask{caller.pid(), caller.uid()};
  if (live) {
    // The frames go where the program sends them; nothing comes back.
    const uint32_t frames = input.repeat;
    input.repeat = 1;
    const uint32_t ingress = ctx.size() >= 16 ? load<uint32_t>(ctx.data() + 12) : 0;
    for (uint32_t i = 0; i < frames; ++i) {
      if (stopping_.load(std::memory_order_relaxed)) return fail(EINTR, "stopped");
      SKEP_TRY(frame, runtime_->run(*program, input));
      deliver(*runtime_, frame, ingress);
    }
    return 0;
  }
  SKEP_TRY(output, runtime_->run(*program, input));
  if (type == ProgType::BPF_PROG_TYPE_SYSCALL) {
    // The program may write to its context, which goes back to where it came from.
    SKEP_CHECK(caller.copy_out(
        attr.ctx_in, ByteSpan(output.ctx).first(std::min(output.ctx.size(), ctx.size()))));
    attr.retval = output.retval;
    SKEP_CHECK(call.give(attr, attr.retval));
    return 0;
  }
  attr.retval = output.retval;
  attr.duration = static_cast<uint32_t>(std::min<uint64_t>(output.mean_ns, UINT32_MAX));
  // As the kernel: what fits is given, the true size is told, ENOSPC where it did not fit.
  bool short_of_room = false;
  auto give = [&](uint64_t address, uint32_t& capacity,
                  const std::vector<std::byte>& bytes) -> Result<> {
    uint32_t room = capacity;
    capacity = static_cast<uint32_t>(bytes.size());
    SKEP_CHECK(call.give(attr, capacity));
    if (address == 0) return {};
    // A size of 0 with an address means "it is large enough", for callers older than the size.
    size_t fits = room == 0 ? bytes.size() : std::min<size_t>(room, bytes.size());
    short_of_room |= fits < bytes.size();
    return caller.copy_out(address, ByteSpan(bytes).first(fits));
  };
  if (type != ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT) {
    SKEP_CHECK(give(attr.data_out, attr.data_size_out, output.data));
    if (attr.ctx_out != 0) SKEP_CHECK(give(attr.ctx_out, attr.ctx_size_out, output.ctx));
  }
  SKEP_CHECK(call.give(attr, attr.retval));
  SKEP_CHECK(call.give(attr, attr.duration));
  if (short_of_room)
    return fail(ENOSPC, "program {}: the output is larger than its buffer", program->header().name);
  return 0;
}

}  // namespace skep::engine
