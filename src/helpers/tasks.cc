// Tasks and cgroups that a program holds. An acquired task is a copy in the heap of what is known of it, so that any
// process can read it as long as it is held; the hive's one cgroup is never freed. Freestanding.
#include <cstddef>

#include "helpers/kfuncs.h"
#include "object/heap.h"
#include "object/task_view.h"

namespace skep::helpers {
namespace {

uint64_t hive_cgroup() {
  const uint64_t view = hive::root(hive::Root::kCgroup);
  return view == 0 ? 0 : view + offsetof(CgroupView, cgroup);
}

uint64_t copy_task(uint64_t task, HelperContext* run) {
  const auto* types = reinterpret_cast<const EngineTypes*>(hive::root(hive::Root::kEngineTypes));
  if (types == nullptr) return 0;
  if (heap::Object* held = heap::object_at(task);
      held != nullptr && held->type == reinterpret_cast<uint64_t>(&types->task))
    return bpf_refcount_acquire(task, 0, 0, 0, 0, run);
  published::task_struct seen{};
  if (run->host->read_memory(run, &seen, task, sizeof seen) != 0) return 0;
  published::task_struct above{};
  if (seen.real_parent != nullptr)
    (void)run->host->read_memory(run, &above, reinterpret_cast<uint64_t>(seen.real_parent),
                                 sizeof above);
  published::cred cred{};
  if (seen.cred != nullptr)
    (void)run->host->read_memory(run, &cred, reinterpret_cast<uint64_t>(seen.cred), sizeof cred);
  heap::Object* made = heap::make(types->task, run->slot);
  if (made == nullptr) return 0;
  TaskInfo info;
  info.pid = static_cast<uint32_t>(seen.pid);
  info.tgid = static_cast<uint32_t>(seen.tgid);
  info.ppid = static_cast<uint32_t>(above.pid);
  info.uid = cred.uid.val;
  info.gid = cred.gid.val;
  info.start_time = seen.start_time;
  for (unsigned i = 0; i < sizeof info.comm; ++i) info.comm[i] = seen.comm[i];
  return fill_task_view(*reinterpret_cast<TaskView*>(made->payload()), info);
}

// Only the calling task is known.
uint64_t find_task(uint64_t pid, HelperContext* run) {
  if (run->host->task_struct == nullptr) return 0;
  const TaskInfo* info = run->host->task(run);
  if (info == nullptr ||
      (info->pid != static_cast<uint32_t>(pid) && info->tgid != static_cast<uint32_t>(pid)))
    return 0;
  const uint64_t task = run->host->task_struct(run);
  if (task == 0) return 0;
  if (info->pid == static_cast<uint32_t>(pid)) return copy_task(task, run);
  uint64_t leader = reinterpret_cast<uint64_t>(
      reinterpret_cast<const published::task_struct*>(task)->group_leader);
  return copy_task(leader, run);
}

}  // namespace

SKEP_HELPER(bpf_task_acquire) { return r1 == 0 ? 0 : copy_task(r1, run); }
SKEP_HELPER(bpf_task_release) {
  heap::drop(heap::object_at(r1));
  return 0;
}
SKEP_HELPER(bpf_task_from_pid) { return find_task(r1, run); }
SKEP_HELPER(bpf_task_from_vpid) { return find_task(r1, run); }

SKEP_HELPER(bpf_cgroup_acquire) { return r1 == hive_cgroup() ? r1 : 0; }
SKEP_HELPER(bpf_cgroup_release) { return 0; }
// (cgroup, int level)
SKEP_HELPER(bpf_cgroup_ancestor) {
  return static_cast<int32_t>(r2) == 0 && r1 == hive_cgroup() ? r1 : 0;
}
SKEP_HELPER(bpf_cgroup_from_id) { return r1 == CgroupView::kId ? hive_cgroup() : 0; }
SKEP_HELPER(bpf_task_under_cgroup) { return r2 == hive_cgroup() ? 1 : 0; }

}  // namespace skep::helpers
