// HelperContext: all that a helper may know of the run that it is part of. Made by whoever runs a
// program (the agent in a traced process, runtime in this one), on the stack, one a run; native
// code keeps its address in a register and passes it to every helper as the sixth argument.
//
// It lives here because vm/ passes it, and maps/ and helpers/ both bind functions of type HelperFn:
// maps/ those that work on maps (lookup, update, ring buffers, …), helpers/ all others; runtime/
// joins them.
//
// Freestanding: the agent compiles this. No pointer in it may be kept past the run.
#pragma once

#include <cstddef>
#include <cstdint>

namespace skep {

struct HelperContext;

// r1 to r5 and the run; the result is r0. All helpers have this type, so that the process page can
// hold them in one array by BPF_FUNC id. Async-signal-safe: no allocation, no lock of the host's.
using HelperFn = uint64_t (*)(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5,
                              HelperContext* context);

// Who the program runs for: the traced thread. Fixed while the run lasts.
struct TaskInfo {
  uint32_t pid = 0;   // the thread's id (the kernel's task->pid)
  uint32_t tgid = 0;  // the process's id
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t ppid = 0;
  uint32_t reserved = 0;
  uint64_t start_time = 0;  // ns since boot
  char comm[16] = {};
};

// What the run's host can do: one constant table a host (agent, runtime in process, runtime on a
// stopped tracee). Memory functions never fault; they return 0 or -EFAULT.
struct HostOps {
  // Copies `size` bytes of the traced process's memory at `address`.
  int64_t (*read_memory)(HelperContext*, void* to, uint64_t address, uint64_t size);
  // Copies a NUL-terminated string: bytes written with the NUL, at most `size`; or -EFAULT.
  int64_t (*read_string)(HelperContext*, void* to, uint64_t address, uint64_t size);
  int64_t (*write_memory)(HelperContext*, uint64_t address, const void* from, uint64_t size);
  uint64_t (*ktime_ns)(HelperContext*);  // CLOCK_MONOTONIC
  uint64_t (*boot_ns)(HelperContext*);   // CLOCK_BOOTTIME
  uint64_t (*tai_ns)(HelperContext*);    // CLOCK_TAI
  uint64_t (*real_cpu)(HelperContext*);  // the hardware's CPU number, for printing only
  // Fills comm and the ids where they were not filled on entry (they are lazy: not every program
  // asks).
  const TaskInfo* (*task)(HelperContext*);
  // Wakes whoever waits for ring or perf events (`map` is the MapHeader).
  void (*wake)(HelperContext*, const void* map);
  // Frames of the traced thread's user stack, innermost first: how many were written.
  uint32_t (*user_stack)(HelperContext*, uint64_t* frames, uint32_t limit);
  int64_t (*send_signal)(HelperContext*, uint32_t signal, bool thread_only);
  // What bpf_trace_printk prints: one message, `size` bytes without a NUL. Null: nobody listens.
  void (*trace_print)(HelperContext*, const char* text, uint32_t size) = nullptr;
  // Address of the task_struct that the engine publishes for the traced thread; 0 where there is
  // none. Null: never one.
  uint64_t (*task_struct)(HelperContext*) = nullptr;
};

// A packet that a networking program runs over; null data where the program has none.
struct PacketView {
  uint8_t* head = nullptr;  // the buffer
  uint8_t* end_of_buffer = nullptr;
  uint8_t* data = nullptr;
  uint8_t* data_end = nullptr;
  uint8_t* data_meta = nullptr;
  // Where LD_ABS and LD_IND count from at SKF_LL_OFF and SKF_NET_OFF; null where there is none.
  uint8_t* mac_header = nullptr;
  uint8_t* network_header = nullptr;
};

struct HelperContext {
  const HostOps* host = nullptr;
  uint32_t slot = 0;              // below the hive's slot count; indexes per-CPU maps
  uint32_t tail_calls = 0;        // made so far in this run; at most isa::kMaxTailCalls
  const void* program = nullptr;  // ProgHeader of the program that runs now
  void* ctx = nullptr;            // the program's r1 at entry
  uint64_t attach_cookie = 0;     // bpf_get_attach_cookie
  uint64_t func_ip = 0;           // bpf_get_func_ip
  const void* regs = nullptr;     // struct pt_regs of the traced thread, where there is one
  PacketView* packet = nullptr;
  TaskInfo* task = nullptr;  // cached by host->task; use that
  uint64_t random_state = 0;
  uint64_t fuel = 0;  // metered execution (vm/metering.h): instructions left.
      // The interpreter meters where it is not 0 at the start; metered native code sets it
  int32_t retval = 0;         // bpf_get_retval / bpf_set_retval
  uint32_t flags = 0;         // kRanOutOfFuel
  void* host_data = nullptr;  // the host's own
  // Calls a BPF function back (bpf_loop, for_each_map_elem): `entry` is what ld_imm64 of
  // BPF_PSEUDO_FUNC put into a register. Set by the engine that runs the program.
  uint64_t (*call_bpf)(HelperContext*, uint64_t entry, uint64_t r1, uint64_t r2, uint64_t r3,
                       uint64_t r4, uint64_t r5) = nullptr;
  void* engine_data = nullptr;  // the interpreter's own
  // The ring of the last bpf_ringbuf_reserve (a MapHeader), so that submit need not search for it.
  const void* ring = nullptr;
  uint64_t socket_cookie =
      0;  // bpf_get_socket_cookie: of the socket that the program runs for; 0: none
  // What host->task_struct() gave last in this run: a pointer to it can be read without care.
  const void* current_task = nullptr;
  uint64_t timer = 0;  // in a timer's callback: the bpf_timer's address
  void* seq =
      nullptr;  // iterators: the published::seq_file that bpf_seq_write() and its kin write to
};

// HelperContext::flags: the run ended where its fuel did.
inline constexpr uint32_t kRanOutOfFuel = 1;

// One row of a room's helpers: `id` is BPF_FUNC_*.
struct HelperBinding {
  uint32_t id;
  HelperFn fn;
};

}  // namespace skep
