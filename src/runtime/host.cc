#include "runtime/host.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/hive.h"
#include "base/slots.h"
#include "object/task_view.h"
#include "runtime/trace_print.h"
#include "spec/helpers.h"

namespace skep::runtime {
namespace {

constexpr uint64_t kPage = 4096;

int64_t read_memory(HelperContext*, void* to, uint64_t address, uint64_t size) {
  if (size == 0) return 0;
  iovec local{to, size};
  iovec remote{reinterpret_cast<void*>(address), size};
  ssize_t got = ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0);
  return got == static_cast<ssize_t>(size) ? 0 : -EFAULT;
}

int64_t write_memory(HelperContext*, uint64_t address, const void* from, uint64_t size) {
  if (size == 0) return 0;
  iovec local{const_cast<void*>(from), size};
  iovec remote{reinterpret_cast<void*>(address), size};
  ssize_t got = ::process_vm_writev(::getpid(), &local, 1, &remote, 1, 0);
  return got == static_cast<ssize_t>(size) ? 0 : -EFAULT;
}

// Reads page by page, so that a string that ends just before an unmapped page is whole.
int64_t read_string(HelperContext* context, void* to, uint64_t address, uint64_t size) {
  auto* out = static_cast<char*>(to);
  uint64_t done = 0;
  while (done < size) {
    uint64_t part = std::min(size - done, kPage - ((address + done) % kPage));
    if (read_memory(context, out + done, address + done, part) != 0) return -EFAULT;
    if (const void* end = std::memchr(out + done, 0, part)) {
      return static_cast<const char*>(end) - out + 1;
    }
    done += part;
  }
  if (size > 0) out[size - 1] = '\0';
  return static_cast<int64_t>(size);
}

uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}
uint64_t ktime_ns(HelperContext*) { return clock_ns(CLOCK_MONOTONIC); }
uint64_t boot_ns(HelperContext*) { return clock_ns(CLOCK_BOOTTIME); }
uint64_t tai_ns(HelperContext*) { return clock_ns(CLOCK_TAI); }

uint64_t real_cpu(HelperContext*) {
  unsigned cpu = 0;
  ::getcpu(&cpu, nullptr);
  return cpu;
}

// When this process started, in ns since boot.
uint64_t process_start_ns() {
  auto ticks_a_second = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  return process_start_time(::getpid()) * (1'000'000'000 / ticks_a_second);
}

const TaskInfo* task(HelperContext* context) {
  TaskInfo* info = context->task;
  if (info->pid == 0) {
    info->tgid = static_cast<uint32_t>(::getpid());
    info->pid = static_cast<uint32_t>(::gettid());
    info->ppid = static_cast<uint32_t>(::getppid());
    info->uid = ::getuid();
    info->gid = ::getgid();
    ::prctl(PR_GET_NAME, info->comm);
    info->start_time = process_start_ns();
  }
  return info;
}

// Behind the run's TaskInfo (RunTask of run.cc).
uint64_t task_struct(HelperContext* context) {
  auto* view = static_cast<TaskView*>(context->host_data);
  if (view == nullptr) return 0;
  const uint64_t made = fill_task_view(*view, *task(context));
  context->current_task = &view->task;
  return made;
}

void wake(HelperContext*, const void*) { hive::wake_consumers(); }

// A run that no probe started has no user stack to walk.
uint32_t user_stack(HelperContext*, uint64_t*, uint32_t) { return 0; }

int64_t send_signal(HelperContext*, uint32_t signal, bool thread_only) {
  if (signal > 64) return -EINVAL;
  long result = thread_only ? ::syscall(SYS_tgkill, ::getpid(), ::gettid(), signal)
                            : ::kill(::getpid(), static_cast<int>(signal));
  return result == 0 ? 0 : -errno;
}

constexpr HostOps kHost{
    .read_memory = read_memory,
    .read_string = read_string,
    .write_memory = write_memory,
    .ktime_ns = ktime_ns,
    .boot_ns = boot_ns,
    .tai_ns = tai_ns,
    .real_cpu = real_cpu,
    .task = task,
    .wake = wake,
    .user_stack = user_stack,
    .send_signal = send_signal,
    .trace_print = trace_print,
    .task_struct = task_struct,
};

}  // namespace

const HostOps& in_process_host() { return kHost; }

}  // namespace skep::runtime
