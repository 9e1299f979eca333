// Session: a COMMAND under observation, and every process that it starts, through system-call
// hooks.
//
//   SKEP_TRY(session, Session::create(hive, options));
//   session->attach_syscall(257, SyscallPoint::kEnter, program_header, cookie);
//   session->launch({"ls", "-l"});
//   while (!session->exit_status()) { poll on session->event_fd() and others; session->step(); }
//   session->detach_all();
//
// A thread of its own (ptrace wants one) launches, follows execve and waits; it speaks through
// event_fd(), an eventfd that is readable when step() has something. All methods are for one
// thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/hive.h"
#include "base/result.h"
#include "hooks/attach_table.h"
#include "object/prog_header.h"

namespace skep::hooks {

struct SessionOptions {
  std::string agent_path;   // empty: default_agent_path()
  bool patch_sites = true;  // false: every call goes through Syscall User Dispatch
};

struct LaunchRequest {
  std::vector<std::string> argv;                // argv[0] is looked up in PATH
  std::optional<std::vector<std::string>> env;  // none: this process's
};

enum class SyscallPoint : uint32_t { kEnter, kExit };

// Names an attachment until it is detached.
struct AttachHandle {
  uint32_t node = 0;
};

// What happened to the traced processes, in order; see NoticeKind for pid, tid and detail.
struct SessionEvent {
  NoticeKind kind{};
  pid_t pid = 0, tid = 0;
  uint64_t detail = 0, detail2 = 0;
  std::string text;  // for people
};

class Session {
 public:
  // One a hive. The hive must outlive it.
  [[nodiscard]] static Result<std::unique_ptr<Session>> create(Hive& hive,
                                                               const SessionOptions& options = {});
  // Kills nothing: what still runs is detached from (detach_all) or goes on with the hooks that it
  // has.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // ---- hooks: work before and after launch; seen by all traced processes at once ----
  // `nr` below kSyscallLimit. ENOSPC where the table is full.
  [[nodiscard]] Result<AttachHandle> attach_syscall(uint32_t nr, SyscallPoint point,
                                                    const ProgHeader* program, uint64_t cookie = 0,
                                                    uint32_t link = 0,
                                                    ContextKind context = ContextKind::kTracepoint);
  // raw_syscalls:sys_enter and sys_exit, raw_tracepoint/sys_*: every number.
  [[nodiscard]] Result<AttachHandle> attach_all_syscalls(
      SyscallPoint point, const ProgHeader* program, uint64_t cookie = 0, uint32_t link = 0,
      ContextKind context = ContextKind::kTracepoint);
  // Programs of a BPF_CGROUP_* hook, run in order: last, or before the attachment `before` of the same hook.
  [[nodiscard]] Result<AttachHandle> attach_cgroup(uint32_t attach_type, const ProgHeader* program,
                                                   uint64_t cookie = 0, uint32_t link = 0,
                                                   AttachHandle before = {});
  // Another program in the attachment's place, by one store: each call runs the one or the other. The old
  // program may still run for a grace period.
  [[nodiscard]] Result<> replace(AttachHandle handle, const ProgHeader* program, uint64_t cookie);
  // The program may still run for a grace period (Hive::synchronize). ENOENT where it is not
  // attached.
  [[nodiscard]] Result<> detach(AttachHandle handle);
  [[nodiscard]] AttachTable& table() { return *table_; }

  // ---- the command ----
  // Looks it up and checks it (command.h's errors), starts it with the agent in. Once a session.
  [[nodiscard]] Result<pid_t> launch(const LaunchRequest& request);
  [[nodiscard]] int event_fd() const;
  // Takes in what happened since the last call. Never blocks.
  std::vector<SessionEvent> step();
  // Waits until step() has something or the limit passes; true in the first case.
  bool wait(std::chrono::milliseconds limit);
  // As a shell's $?: 128 + n where signal n ended it. None while it runs.
  [[nodiscard]] std::optional<int> exit_status() const;
  // As waitpid gave it.
  [[nodiscard]] std::optional<int> raw_status() const;
  [[nodiscard]] pid_t pid() const;
  // Processes that have an agent in them and live.
  [[nodiscard]] std::vector<pid_t> processes() const;

  // Agents restore the programs' text and leave; waits for them up to `limit`. The processes that
  // had not left then (stopped ones, for instance) are returned; they leave at their next system
  // call.
  [[nodiscard]] Result<std::vector<pid_t>> detach_all(std::chrono::milliseconds limit);

 private:
  class Tracer;
  explicit Session(Hive& hive);
  Result<AttachHandle> append(std::atomic<uint32_t>& head, const ProgHeader* program,
                              uint64_t cookie, uint32_t link, ContextKind context,
                              uint32_t before = 0);
  void update_seen();

  Hive& hive_;
  AttachTable* table_ = nullptr;
  AgentBoard* board_ = nullptr;
  std::unique_ptr<Tracer> tracer_;
  struct Attached {
    std::atomic<uint32_t>* head = nullptr;
    bool live = false;
  };
  std::vector<Attached> attached_;  // by node
  std::vector<uint32_t> free_nodes_;
  uint32_t notice_tail_ = 0;
};

}  // namespace skep::hooks
