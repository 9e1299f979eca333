// TaskView: the task_struct that a program sees of the thread that it runs for, as the user engine's BTF lays it
// out. Whoever runs programs keeps one a thread and fills it from TaskInfo when a program asks.
//
// Its parent's pid and tgid are true, and nothing more of the parent is known. Freestanding.
#pragma once

#include "base/hive_control.h"
#include "btf/user_engine/published.h"
#include "object/helper_context.h"

namespace skep {

// The cgroup of all tasks of a hive, at hive::Root::kCgroup: filled once, in the control segment.
struct CgroupView {
  static constexpr uint64_t kId = 1;
  published::css_set css_set;
  published::cgroup cgroup;
  published::kernfs_node node;
  char name[8];
};

struct TaskView {
  published::task_struct task, leader, parent;
  published::cred cred;
};

inline uint64_t fill_task_view(TaskView& view, const TaskInfo& info) {
  auto* cgroup = reinterpret_cast<CgroupView*>(hive::root(hive::Root::kCgroup));
  auto fill = [&](published::task_struct& task, uint32_t pid, uint32_t tgid) {
    task.exit_code = 0;
    task.pid = static_cast<int>(pid);
    task.tgid = static_cast<int>(tgid);
    task.real_parent = task.parent = &view.parent;
    task.start_time = task.start_boottime = info.start_time;
    task.real_cred = task.cred = &view.cred;
    task.cgroups = cgroup != nullptr ? &cgroup->css_set : nullptr;
    for (unsigned i = 0; i < sizeof task.comm; ++i) task.comm[i] = info.comm[i];
  };
  view.cred.uid.val = view.cred.euid.val = view.cred.suid.val = view.cred.fsuid.val = info.uid;
  view.cred.gid.val = view.cred.egid.val = view.cred.sgid.val = view.cred.fsgid.val = info.gid;
  fill(view.task, info.pid, info.tgid);
  fill(view.leader, info.tgid, info.tgid);
  fill(view.parent, info.ppid, info.ppid);
  view.parent.start_time = view.parent.start_boottime = 0;
  view.parent.real_cred = view.parent.cred = nullptr;
  view.parent.real_parent = view.parent.parent = nullptr;
  for (char& c : view.parent.comm) c = 0;
  published::task_struct* leader = info.pid == info.tgid ? &view.task : &view.leader;
  view.task.group_leader = view.leader.group_leader = leader;
  view.parent.group_leader = &view.parent;
  return reinterpret_cast<uint64_t>(&view.task);
}

}  // namespace skep
