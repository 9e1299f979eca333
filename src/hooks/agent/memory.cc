// Reading the program's memory without dying of it, clocks, and who is asking: the agent's HostOps.
#include "base/raw_syscall.h"
#include "base/slots.h"
#include "hooks/agent/thread.h"
#include "hooks/agent/uprobe.h"
#include "runtime/trace_print.h"
#include "spec/context_layout.h"

namespace skep::agent {

bool copy_in(void* to, uint64_t from, size_t size) {
  return agent_safe_copy(to, reinterpret_cast<const void*>(from), size) == 0;
}
bool copy_out(uint64_t to, const void* from, size_t size) {
  return agent_safe_copy(reinterpret_cast<void*>(to), from, size) == 0;
}

namespace {

// Addresses that are the program's to be read: canonical, user, and not the agent's own.
bool readable(uint64_t address, uint64_t size) {
  constexpr uint64_t kUserEnd = uint64_t{1} << 47;
  return size <= kUserEnd && address <= kUserEnd - size;
}

int64_t read_memory(HelperContext*, void* to, uint64_t address, uint64_t size) {
  if (!readable(address, size)) return -kEfault;
  return copy_in(to, address, size) ? 0 : -kEfault;
}

int64_t read_string(HelperContext*, void* to, uint64_t address, uint64_t size) {
  if (size == 0) return 0;
  if (!readable(address, 1)) return -kEfault;
  int64_t got = agent_safe_string(to, reinterpret_cast<const void*>(address), size);
  if (got < 0) return -kEfault;
  if (static_cast<uint64_t>(got) > size) {
    static_cast<char*>(to)[size - 1] = 0;
    return static_cast<int64_t>(size);
  }
  return got;
}

int64_t write_memory(HelperContext*, uint64_t address, const void* from, uint64_t size) {
  if (!readable(address, size)) return -kEfault;
  return copy_out(address, from, size) ? 0 : -kEfault;
}

struct TimeSpec {
  int64_t seconds, nanoseconds;
};

uint64_t clock_ns(int clock) {
  TimeSpec time{};
  if (process.clock_gettime != 0) {
    reinterpret_cast<int (*)(int, TimeSpec*)>(process.clock_gettime)(clock, &time);
  } else {
    raw::syscall(kNrClockGettime, clock, reinterpret_cast<long>(&time));
  }
  return static_cast<uint64_t>(time.seconds) * 1000000000u +
         static_cast<uint64_t>(time.nanoseconds);
}
uint64_t ktime_ns(HelperContext*) { return clock_ns(1); }
uint64_t boot_ns(HelperContext*) { return clock_ns(7); }
uint64_t tai_ns(HelperContext*) { return clock_ns(11); }

uint64_t real_cpu(HelperContext*) {
  uint32_t cpu = 0;
  raw::syscall(raw::kGetcpu, reinterpret_cast<long>(&cpu));
  return cpu;
}

const TaskInfo* task(HelperContext* context) {
  auto* thread = static_cast<Thread*>(context->host_data);
  if (!thread->task_valid) {
    TaskInfo& info = thread->task;
    info.pid = thread->tid;
    info.tgid = thread->pid;
    info.uid = static_cast<uint32_t>(raw::syscall(kNrGetuid));
    info.gid = static_cast<uint32_t>(raw::syscall(kNrGetgid));
    info.ppid = static_cast<uint32_t>(raw::syscall(kNrGetppid));
    info.start_time = process.start_time;
    for (char& c : info.comm) c = 0;
    raw::syscall(kNrPrctl, kPrGetName, reinterpret_cast<long>(info.comm));
    thread->task_valid = true;
  }
  context->task = &thread->task;
  return &thread->task;
}

uint64_t task_struct(HelperContext* context) {
  auto* thread = static_cast<Thread*>(context->host_data);
  context->current_task = &thread->task_view.task;
  return fill_task_view(thread->task_view, *task(context));
}

void wake(HelperContext*, const void*) { hive::wake_consumers(); }

uint32_t user_stack(HelperContext* context, uint64_t* frames, uint32_t limit) {
  // By frame pointers: what can be had without unwinding tables.
  auto* thread = static_cast<Thread*>(context->host_data);
  if (limit == 0) return 0;
  uint32_t count = 0;
  uint64_t fp;
  if (const auto* regs = static_cast<const spec::PtRegs*>(context->regs); regs != nullptr) {
    frames[count++] = regs->rip;
    fp = regs->rbp;
    // A function's first instruction: its caller is on the stack, not yet in the chain of frames.
    uint64_t caller;
    if (context->func_ip == regs->rip && count < limit && copy_in(&caller, regs->rsp, 8))
      frames[count++] = uprobe_real_return(thread, regs->rsp, caller);
  } else {
    frames[count++] = thread->frame.rip;
    fp = thread->frame.rbp;
  }
  while (count < limit && fp != 0 && fp % 8 == 0 && readable(fp, 16)) {
    uint64_t pair[2];
    if (!copy_in(pair, fp, sizeof pair) || pair[1] == 0) break;
    frames[count++] = uprobe_real_return(thread, fp + 8, pair[1]);
    if (pair[0] <= fp) break;
    fp = pair[0];
  }
  return count;
}

int64_t send_signal(HelperContext* context, uint32_t signal, bool thread_only) {
  if (signal == 0 || signal > kSignals) return -kEinval;
  auto* thread = static_cast<Thread*>(context->host_data);
  constexpr long kNrKill = 62;
  return thread_only ? raw::syscall(kNrTgkill, thread->pid, thread->tid, signal)
                     : raw::syscall(kNrKill, thread->pid, signal);
}

template <class T>
const T& at(uint64_t address) {
  return *reinterpret_cast<const T*>(address);
}

bool same(const char* a, const char* b) {
  while (*a != 0 && *a == *b) ++a, ++b;
  return *a == *b;
}

// __vdso_clock_gettime in the image at `base`.
uint64_t vdso_symbol(uint64_t base, const char* wanted) {
  struct Header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
  };
  struct Segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
  };
  struct Dynamic {
    uint64_t tag, value;
  };
  struct Symbol {
    uint32_t name;
    uint8_t info, other;
    uint16_t section;
    uint64_t value, size;
  };
  const auto& header = at<Header>(base);
  uint64_t bias = base, dynamic = 0;
  for (unsigned i = 0; i < header.phnum; ++i) {
    const auto& segment = at<Segment>(base + header.phoff + i * header.phentsize);
    if (segment.type == 1 && segment.offset == 0) bias = base - segment.vaddr;
    if (segment.type == 2) dynamic = base + segment.offset;
  }
  if (dynamic == 0) return 0;
  uint64_t strings = 0, symbols = 0, hash = 0, gnu_hash = 0;
  for (const auto* d = &at<Dynamic>(dynamic); d->tag != 0; ++d) {
    if (d->tag == 5) strings = bias + d->value;
    if (d->tag == 6) symbols = bias + d->value;
    if (d->tag == 4) hash = bias + d->value;
    if (d->tag == 0x6ffffef5) gnu_hash = bias + d->value;
  }
  if (strings == 0 || symbols == 0) return 0;
  uint32_t count = 0;
  if (hash != 0) {
    count = at<uint32_t>(hash + 4);
  } else if (gnu_hash != 0) {
    // The table does not say how many; the highest chain's end does.
    uint32_t buckets = at<uint32_t>(gnu_hash), first = at<uint32_t>(gnu_hash + 4),
             bloom = at<uint32_t>(gnu_hash + 8);
    uint64_t bucket = gnu_hash + 16 + uint64_t{bloom} * 8, chain = bucket + uint64_t{buckets} * 4;
    for (uint32_t i = 0; i < buckets; ++i) {
      uint32_t index = at<uint32_t>(bucket + uint64_t{i} * 4);
      if (index < first) continue;
      while ((at<uint32_t>(chain + uint64_t{index - first} * 4) & 1) == 0) ++index;
      if (index + 1 > count) count = index + 1;
    }
  }
  for (uint32_t i = 0; i < count; ++i) {
    const auto& symbol = at<Symbol>(symbols + i * sizeof(Symbol));
    if (symbol.value != 0 && same(reinterpret_cast<const char*>(strings + symbol.name), wanted))
      return bias + symbol.value;
  }
  return 0;
}

}  // namespace

const HostOps host_ops = {
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
    .trace_print = runtime::trace_print,
    .task_struct = task_struct,
};

// Reads the auxiliary vector, which lies above argv and envp on the initial stack.
void find_vdso(uint64_t initial_rsp, uint64_t* hwcap2) {
  const auto* word = &at<uint64_t>(initial_rsp);
  word += 1 + word[0] + 1;    // argc, argv, NULL
  while (*word != 0) ++word;  // envp
  ++word;
  for (; word[0] != 0; word += 2) {
    if (word[0] == kAtSysinfoEhdr)
      process.clock_gettime = vdso_symbol(word[1], "__vdso_clock_gettime");
    if (word[0] == kAtHwcap2) *hwcap2 = word[1];
  }
}

}  // namespace skep::agent
