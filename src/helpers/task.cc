// Clocks, random numbers, and who the program runs for. Freestanding.
#include <cstring>

#include "base/raw_syscall.h"
#include "helpers/bodies.h"
#include "object/task_view.h"

namespace skep::helpers {

SKEP_HELPER(ktime_get_ns) { return run->host->ktime_ns(run); }
SKEP_HELPER(ktime_get_boot_ns) { return run->host->boot_ns(run); }
SKEP_HELPER(ktime_get_tai_ns) { return run->host->tai_ns(run); }

// Ticks of 4 ms, as a kernel built with CONFIG_HZ=250 counts them; from 5 minutes before the counter's
// low half wraps, as the kernel starts it.
SKEP_HELPER(jiffies64) {
  constexpr uint64_t kTick = 4'000'000, kInitial = uint32_t(-300 * 250);
  return kInitial + run->host->ktime_ns(run) / kTick;
}

// xorshift64*: a good enough sequence for sampling, a state of its own for each run. Never for secrets.
SKEP_HELPER(get_prandom_u32) {
  uint64_t state = run->random_state;
  if (state == 0) {
    state = run->host->ktime_ns(run) * 0x9e37'79b9'7f4a'7c15 ^ (uint64_t{run->slot} + 1) << 48 ^
            reinterpret_cast<uint64_t>(run);
    if (state == 0) state = 1;
  }
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  run->random_state = state;
  return static_cast<uint32_t>(state * 0x2545'f491'4f6c'dd1d >> 32);
}

SKEP_HELPER(get_smp_processor_id) { return run->slot; }
SKEP_HELPER(get_numa_node_id) { return 0; }

SKEP_HELPER(get_current_pid_tgid) {
  const TaskInfo* task = run->host->task(run);
  return task == nullptr ? result(kEinval) : uint64_t{task->tgid} << 32 | task->pid;
}
SKEP_HELPER(get_current_uid_gid) {
  const TaskInfo* task = run->host->task(run);
  return task == nullptr ? result(kEinval) : uint64_t{task->gid} << 32 | task->uid;
}
// (char *buf, u32 size): the name, cut to fit, the rest of the buffer zeroed.
SKEP_HELPER(get_current_comm) {
  auto* to = pointer<char>(r1);
  const uint64_t size = static_cast<uint32_t>(r2);
  if (size == 0) return result(kEinval);
  std::memset(to, 0, size);
  const TaskInfo* task = run->host->task(run);
  if (task == nullptr) return result(kEinval);
  uint64_t length = 0;
  while (length < sizeof task->comm && length < size - 1 && task->comm[length] != 0) length++;
  std::memcpy(to, task->comm, length);
  return 0;
}

namespace {

// Whether the traced thread's PID namespace is the one of device `dev` and inode `ino`.
bool in_pid_namespace(uint64_t dev, uint64_t ino) {
  struct {
    uint64_t st_dev, st_ino;
    uint64_t rest[30];
  } status{};
#if defined(__x86_64__)
  constexpr long kNewfstatat = 262;
#else
  constexpr long kNewfstatat = 79;
#endif
  constexpr long kAtFdcwd = -100;
  const long error =
      raw::syscall(kNewfstatat, kAtFdcwd, reinterpret_cast<long>("/proc/self/ns/pid"),
                   reinterpret_cast<long>(&status), 0);
  return error == 0 && status.st_dev == dev && status.st_ino == ino;
}

}  // namespace

// (u64 dev, u64 ino, struct bpf_pidns_info *nsdata, u32 size)
SKEP_HELPER(get_ns_current_pid_tgid) {
  struct PidnsInfo {
    uint32_t pid, tgid;
  };
  auto* info = pointer<PidnsInfo>(r3);
  const uint64_t size = static_cast<uint32_t>(r4);
  const TaskInfo* task = run->host->task(run);
  if (size != sizeof(PidnsInfo) || task == nullptr || !in_pid_namespace(r1, r2)) {
    std::memset(info, 0, size);
    return result(kEinval);
  }
  *info = {task->pid, task->tgid};
  return 0;
}

SKEP_HELPER(get_current_task) {
  return run->host->task_struct == nullptr ? 0 : run->host->task_struct(run);
}
SKEP_HELPER(task_pt_regs) { return reinterpret_cast<uint64_t>(run->regs); }
SKEP_HELPER(get_func_ip) { return run->func_ip; }
SKEP_HELPER(get_attach_cookie) { return run->attach_cookie; }
SKEP_HELPER(get_socket_cookie) { return run->socket_cookie; }
// Of a packet that no socket owns, as all of ours are: the overflow uid, as in the kernel.
SKEP_HELPER(get_socket_uid) { return 65534; }

namespace {

constexpr uint64_t kSkipMask = 0xff, kUserStack = 1 << 8;
constexpr uint32_t kDeepest = 127;  // sysctl perf_event_max_stack

// Frames into `to`, innermost first, as bytes; the rest is zeroed. The process has no kernel stack: asked
// for one, this fails as the kernel does where a stack is empty.
int64_t stack_into(uint64_t* to, uint64_t size, uint64_t flags, HelperContext* run) {
  const auto failed = [&](int64_t error) {
    std::memset(to, 0, size);
    return error;
  };
  if ((flags & ~(kSkipMask | kUserStack)) != 0 || size % sizeof(uint64_t) != 0)
    return failed(kEinval);
  if ((flags & kUserStack) == 0) return failed(kEfault);
  const auto skip = static_cast<uint32_t>(flags & kSkipMask);
  uint64_t frames[kDeepest + kSkipMask];
  uint64_t wanted = size / sizeof(uint64_t);
  if (wanted > kDeepest) wanted = kDeepest;
  const uint32_t found = run->host->user_stack(run, frames, static_cast<uint32_t>(wanted) + skip);
  if (found <= skip) return failed(kEfault);
  const uint64_t bytes = (found - skip) * sizeof(uint64_t);
  std::memcpy(to, frames + skip, bytes);
  std::memset(reinterpret_cast<char*>(to) + bytes, 0, size - bytes);
  return static_cast<int64_t>(bytes);
}

}  // namespace

// (void *ctx, void *buf, u32 size, u64 flags)
SKEP_HELPER(get_stack) {
  return result(stack_into(pointer<uint64_t>(r2), static_cast<uint32_t>(r3), r4, run));
}
// (struct task_struct *task, void *buf, u32 size, u64 flags): of the traced thread only.
SKEP_HELPER(get_task_stack) {
  if (r1 == 0 || r1 != get_current_task(0, 0, 0, 0, 0, run)) {
    std::memset(pointer<char>(r2), 0, static_cast<uint32_t>(r3));
    return result(kEinval);
  }
  return result(stack_into(pointer<uint64_t>(r2), static_cast<uint32_t>(r3), r4, run));
}

namespace {

int64_t signal_to(uint64_t number, bool thread_only, HelperContext* run) {
  const auto signal = static_cast<uint32_t>(number);
  if (signal > 64) return kEinval;
  return run->host->send_signal(run, signal, thread_only);
}

}  // namespace

SKEP_HELPER(send_signal) { return result(signal_to(r1, false, run)); }
SKEP_HELPER(send_signal_thread) { return result(signal_to(r1, true, run)); }

SKEP_HELPER(get_retval) { return result(run->retval); }
SKEP_HELPER(set_retval) {
  run->retval = static_cast<int32_t>(r1);
  return 0;
}

// The hive's one cgroup is the root of its hierarchy: its id is 1, at level 0.
SKEP_HELPER(get_current_cgroup_id) { return CgroupView::kId; }
SKEP_HELPER(get_current_ancestor_cgroup_id) {
  return static_cast<int32_t>(r1) == 0 ? CgroupView::kId : 0;
}

}  // namespace skep::helpers
