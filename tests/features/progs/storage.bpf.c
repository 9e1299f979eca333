// Storage of the calling task, of its cgroup, and the cgroup array.
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct counter {
  __u64 runs;
  __u32 tgid;
  __u32 pad;
};
struct {
  __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct counter);
} tasks SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_CGRP_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct counter);
} cgroups SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u32);
} under SEC(".maps");

SEC("raw_tp/sys_enter")
int count_task(struct bpf_raw_tracepoint_args* ctx) {
  struct task_struct* task = bpf_get_current_task_btf();
  struct counter first = {.runs = 100};
  struct counter* mine;

  if (bpf_task_storage_get(&tasks, task, 0, 2)) return -1;  // no such flag
  mine = bpf_task_storage_get(&tasks, task, &first, BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (!mine) return -2;
  mine->runs++;
  mine->tgid = task->tgid;
  return mine->runs;
}

SEC("raw_tp/sys_enter")
int forget_task(struct bpf_raw_tracepoint_args* ctx) {
  return bpf_task_storage_delete(&tasks, bpf_get_current_task_btf());
}

SEC("raw_tp/sys_enter")
int count_cgroup(struct bpf_raw_tracepoint_args* ctx) {
  struct task_struct* task = bpf_get_current_task_btf();
  struct counter* mine =
      bpf_cgrp_storage_get(&cgroups, task->cgroups->dfl_cgrp, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (!mine) return -2;
  return ++mine->runs;
}

SEC("raw_tp/sys_enter")
int which_cgroup(struct bpf_raw_tracepoint_args* ctx) {
  if (bpf_get_current_cgroup_id() != bpf_get_current_ancestor_cgroup_id(0)) return -1;
  if (bpf_get_current_ancestor_cgroup_id(1) != 0) return -2;
  if (bpf_current_task_under_cgroup(&under, 7) != -7) return -3;
  return bpf_current_task_under_cgroup(&under, 1);
}

char LICENSE[] SEC("license") = "GPL";
