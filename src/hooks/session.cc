#include "hooks/session.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "hooks/agent_calls.h"
#include "hooks/command.h"
#include "hooks/inject.h"
#include "hooks/tracer.h"

extern char** environ;

namespace skep::hooks {
namespace {

std::string untraced_text(pid_t pid, uint64_t reason) {
  switch (static_cast<UntracedReason>(reason)) {
    case UntracedReason::kSetuid:
      return fmt::format(
          "process {}: the program that it starts runs with other rights (set-user-id, "
          "set-group-id or "
          "file capabilities): not followed",
          pid);
    case UntracedReason::kRefused:
      return fmt::format("process {}: ptrace was refused: not followed into execve", pid);
    case UntracedReason::kNoController:
      return fmt::format("process {}: not followed into execve", pid);
    case UntracedReason::kUnreadable:
      return fmt::format("process {}: the program that it starts can't be read: not followed", pid);
    case UntracedReason::kInjectFailed:
      return fmt::format("process {}: the agent could not be put in: not followed", pid);
    case UntracedReason::kOtherAbi:
      return fmt::format(
          "process {}: the program that it starts is not an x86-64 one: not followed", pid);
  }
  return fmt::format("process {}: not followed into execve", pid);
}

}  // namespace

Result<std::unique_ptr<Session>> Session::create(Hive& hive, const SessionOptions& options) {
  std::unique_ptr<Session> session(new Session(hive));
  SKEP_TRY(agent,
           open_agent(options.agent_path.empty() ? default_agent_path() : options.agent_path));
  SKEP_TRY(table, hive.allocate_object(sizeof(AttachTable)));
  SKEP_TRY(board, hive.allocate_data(sizeof(AgentBoard)));
  session->table_ = static_cast<AttachTable*>(table);
  session->board_ = static_cast<AgentBoard*>(board);
  session->table_->version = kAttachTableVersion;
  session->table_->controller_pid = hive.control().controller_pid;
  session->table_->controller_start = hive.control().controller_start;
  session->table_->board = reinterpret_cast<uint64_t>(board);
  session->table_->flags = options.patch_sites ? kPatchSites : 0;
  session->table_->node_count = 1;  // 0 ends a list
  session->attached_.resize(kAttachNodes);
  session->update_seen();
  SKEP_CHECK(hive.publish_object(hive::ObjectKind::kAttachTable,
                                 hive.take_id(hive::ObjectKind::kAttachTable), table));
  hive.set_root(hive::Root::kSyscallHooks, table);
  session->tracer_ = std::make_unique<Tracer>(*session->board_, std::move(agent),
                                              InjectSpec{.agent = nullptr,
                                                         .control_fd = hive.control_fd(),
                                                         .code_fd = hive.code_fd(),
                                                         .data_fd = hive.data_fd(),
                                                         .data_size = hive.data_size()});
  SKEP_CHECK(session->tracer_->start());
  return session;
}

Session::Session(Hive& hive) : hive_(hive) {}
Session::~Session() = default;

// ---- hooks ----

Result<AttachHandle> Session::append(std::atomic<uint32_t>& head, const ProgHeader* program,
                                     uint64_t cookie, uint32_t link, ContextKind context,
                                     uint32_t before) {
  if (program == nullptr || program->magic != kProgMagic)
    return fail(EINVAL, "expected a loaded program");
  hive_.run_deferred();
  uint32_t node = 0;
  if (!free_nodes_.empty()) {
    node = free_nodes_.back();
    free_nodes_.pop_back();
  } else {
    node = table_->node_count.load();
    if (node >= kAttachNodes)
      return fail(ENOSPC, "all {} places for attached programs are taken", kAttachNodes - 1);
    table_->node_count.store(node + 1);
  }
  AttachNode& entry = table_->nodes[node];
  entry.program = reinterpret_cast<uint64_t>(program);
  entry.cookie = cookie;
  entry.link = link;
  entry.context = static_cast<uint32_t>(context);
  entry.flags = 0;
  entry.next.store(0);
  std::atomic<uint32_t>* last = &head;
  while (last->load() != 0 && last->load() != before) last = &table_->nodes[last->load()].next;
  entry.next.store(last->load());
  last->store(node, std::memory_order_release);
  attached_[node] = {.head = &head, .live = true};
  update_seen();
  return AttachHandle{node};
}

void Session::update_seen() {
  bool all_enter = table_->raw_enter.load() != 0, all_exit = table_->raw_exit.load() != 0;
  for (uint32_t nr = 0; nr < kSyscallLimit; ++nr) {
    uint8_t seen = is_agent_call(nr) ? kSeenAgent : 0;
    if (all_enter || table_->enter[nr].load() != 0) seen |= kSeenEnter;
    if (all_exit || table_->exit[nr].load() != 0) seen |= kSeenExit;
    constexpr uint32_t kSocket = 41, kConnect = 42, kBind = 49;  // where cgroup hooks may refuse
    bool filtered = nr == kSocket || nr == kConnect || nr == kBind;
    if (filtered) {
      for (const auto& head : table_->cgroup) {
        if (head.load() != 0) seen |= kSeenFilter;
      }
    }
    table_->seen[nr].store(seen, std::memory_order_release);
  }
}

Result<AttachHandle> Session::attach_syscall(uint32_t nr, SyscallPoint point,
                                             const ProgHeader* program, uint64_t cookie,
                                             uint32_t link, ContextKind context) {
  if (nr >= kSyscallLimit)
    return fail(EINVAL, "expected a system call number below {}, found {}", kSyscallLimit, nr);
  return append(point == SyscallPoint::kEnter ? table_->enter[nr] : table_->exit[nr], program,
                cookie, link, context);
}

Result<AttachHandle> Session::attach_all_syscalls(SyscallPoint point, const ProgHeader* program,
                                                  uint64_t cookie, uint32_t link,
                                                  ContextKind context) {
  return append(point == SyscallPoint::kEnter ? table_->raw_enter : table_->raw_exit, program,
                cookie, link, context);
}

Result<AttachHandle> Session::attach_cgroup(uint32_t attach_type, const ProgHeader* program,
                                            uint64_t cookie, uint32_t link, AttachHandle before) {
  if (attach_type >= kCgroupHooks)
    return fail(EINVAL, "expected an attach type below {}, found {}", kCgroupHooks, attach_type);
  return append(table_->cgroup[attach_type], program, cookie, link, ContextKind::kTracepoint,
                before.node);
}

Result<> Session::replace(AttachHandle handle, const ProgHeader* program, uint64_t cookie) {
  if (handle.node == 0 || handle.node >= kAttachNodes || !attached_[handle.node].live)
    return fail(ENOENT, "attachment {} is not attached", handle.node);
  if (program == nullptr || program->magic != kProgMagic)
    return fail(EINVAL, "expected a loaded program");
  AttachNode& entry = table_->nodes[handle.node];
  std::atomic_ref(entry.cookie).store(cookie, std::memory_order_relaxed);
  std::atomic_ref(entry.program)
      .store(reinterpret_cast<uint64_t>(program), std::memory_order_release);
  return {};
}

Result<> Session::detach(AttachHandle handle) {
  if (handle.node == 0 || handle.node >= kAttachNodes || !attached_[handle.node].live)
    return fail(ENOENT, "attachment {} is not attached", handle.node);
  std::atomic<uint32_t>* link = attached_[handle.node].head;
  while (link->load() != 0 && link->load() != handle.node) link = &table_->nodes[link->load()].next;
  link->store(table_->nodes[handle.node].next.load(), std::memory_order_release);
  attached_[handle.node].live = false;
  update_seen();
  // A bee may stand on the node.
  hive_.defer([this, node = handle.node] { free_nodes_.push_back(node); });
  return {};
}

// ---- the command ----

Result<pid_t> Session::launch(const LaunchRequest& request) {
  if (request.argv.empty()) return fail(EINVAL, "expected a command");
  if (tracer_->pid() != 0) return fail(EBUSY, "a session starts one command");
  SKEP_TRY(path, find_command(request.argv[0]));
  SKEP_CHECK(check_command(path));
  std::vector<std::string> env;
  if (request.env) {
    env = *request.env;
  } else {
    for (char** entry = environ; *entry != nullptr; ++entry) env.emplace_back(*entry);
  }
  return tracer_->launch(path, request.argv, std::move(env));
}

int Session::event_fd() const { return tracer_->event_fd(); }

std::vector<SessionEvent> Session::step() {
  tracer_->watch_command();
  tracer_->clear_event();
  std::vector<SessionEvent> events = tracer_->take_events();
  uint32_t head = board_->notice_head.load(std::memory_order_acquire);
  if (head - notice_tail_ > kNotices) notice_tail_ = head - kNotices;  // lost
  while (notice_tail_ != head) {
    const Notice& notice = board_->notices[notice_tail_ % kNotices];
    if (notice.sequence.load(std::memory_order_acquire) != notice_tail_ + 1) break;
    SessionEvent event{.kind = static_cast<NoticeKind>(notice.kind),
                       .pid = static_cast<pid_t>(notice.pid),
                       .tid = static_cast<pid_t>(notice.tid),
                       .detail = notice.detail,
                       .detail2 = notice.detail2,
                       .text = {}};
    if (event.kind == NoticeKind::kExecUntraced)
      event.text = untraced_text(event.pid, event.detail);
    events.push_back(std::move(event));
    ++notice_tail_;
  }
  return events;
}

bool Session::wait(std::chrono::milliseconds limit) {
  pollfd entry{.fd = event_fd(), .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, static_cast<int>(limit.count())) > 0;
}

std::optional<int> Session::raw_status() const { return tracer_->status(); }

std::optional<int> Session::exit_status() const {
  auto status = tracer_->status();
  if (!status) return std::nullopt;
  return WIFSIGNALED(*status) ? 128 + WTERMSIG(*status) : WEXITSTATUS(*status);
}

pid_t Session::pid() const { return tracer_->pid(); }

std::vector<pid_t> Session::processes() const {
  std::vector<pid_t> result;
  for (const BoardProcess& entry : board_->processes) {
    auto pid = static_cast<pid_t>(entry.pid.load());
    if (pid > 1 && entry.state.load() == 0 && ::kill(pid, 0) == 0) result.push_back(pid);
  }
  return result;
}

}  // namespace skep::hooks
