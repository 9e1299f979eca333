// Iterators, strings, dynptrs, CPU masks, tasks: each program returns 0, or the line of what is not so.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define CHECK(what) \
  if (!(what)) return __LINE__

int sum;  // a local one would be followed number by number
SEC("tc")
int numbers(struct __sk_buff* skb) {
  int i;
  sum = 0;
  bpf_for(i, 1, 11) sum += i;
  CHECK(sum == 55);
  bpf_for(i, 5, 5) sum = 0;
  CHECK(sum == 55);
  bpf_repeat(3) sum++;
  CHECK(sum == 58);
  return 0;
}

SEC("raw_tp/sys_enter")
int strings(struct bpf_raw_tracepoint_args* ctx) {
  static const char text[] = "the quick brown fox";
  CHECK(bpf_strlen(text) == 19);
  CHECK(bpf_strnlen(text, 5) == 5);
  CHECK(bpf_strcmp(text, "the quick") == 1);
  CHECK(bpf_strcmp("a", "b") == -1);
  CHECK(bpf_strcmp(text, text) == 0);
  CHECK(bpf_strcasecmp("ABC", "abc") == 0);
  CHECK(bpf_strchr(text, 'q') == 4);
  CHECK(bpf_strchr(text, 'z') == -2);
  CHECK(bpf_strchrnul(text, 'z') == 19);
  CHECK(bpf_strnchr(text, 3, 'q') == -2);
  CHECK(bpf_strrchr(text, 'o') == 17);
  CHECK(bpf_strspn(text, "eht") == 3);
  CHECK(bpf_strcspn(text, "q") == 4);
  CHECK(bpf_strstr(text, "brown") == 10);
  CHECK(bpf_strstr(text, "") == 0);
  CHECK(bpf_strnstr(text, "brown", 14) == -2);
  CHECK(bpf_strnstr(text, "brown", 15) == 10);
  CHECK(bpf_strlen((const char*)16) == -14);
  return 0;
}

SEC("tc")
int packet(struct __sk_buff* skb) {
  struct bpf_dynptr whole, part;
  __u8 buffer[4], *bytes;
  CHECK(bpf_dynptr_from_skb(skb, 0, &whole) == 0);
  CHECK(bpf_dynptr_size(&whole) == skb->len);
  CHECK(!bpf_dynptr_is_null(&whole));
  CHECK(!bpf_dynptr_is_rdonly(&whole));
  bytes = bpf_dynptr_slice(&whole, 0, buffer, sizeof buffer);
  CHECK(bytes && bytes[0] == 1 && bytes[3] == 4);
  CHECK(bpf_dynptr_clone(&whole, &part) == 0);
  CHECK(bpf_dynptr_adjust(&part, 2, 6) == 0);
  CHECK(bpf_dynptr_size(&part) == 4);
  CHECK(bpf_dynptr_adjust(&part, 3, 2) == -22);
  CHECK(bpf_dynptr_adjust(&part, 0, 5) == -34);
  CHECK(bpf_dynptr_read(buffer, 4, &part, 0, 0) == 0);
  CHECK(buffer[0] == 3 && buffer[3] == 6);
  CHECK(bpf_dynptr_read(buffer, 4, &part, 1, 0) == -7);
  CHECK(bpf_dynptr_memset(&part, 0, 2, 9) == 0);
  bytes = bpf_dynptr_slice_rdwr(&whole, 0, buffer, sizeof buffer);
  CHECK(bytes && bytes[1] == 2 && bytes[2] == 9 && bytes[3] == 9);
  return 0;
}

SEC("raw_tp/sys_enter")
int masks(struct bpf_raw_tracepoint_args* ctx) {
  struct bpf_cpumask *a = bpf_cpumask_create(), *b = bpf_cpumask_create();
  int wrong = 0;
#define WANT(what) \
  if (!wrong && !(what)) wrong = __LINE__
  if (!a || !b) {
    if (a) bpf_cpumask_release(a);
    if (b) bpf_cpumask_release(b);
    return __LINE__;
  }
  WANT(bpf_cpumask_empty((struct cpumask*)a));
  bpf_cpumask_set_cpu(1, a);
  WANT(bpf_cpumask_test_cpu(1, (struct cpumask*)a));
  WANT(bpf_cpumask_first((struct cpumask*)a) == 1);
  WANT(bpf_cpumask_first_zero((struct cpumask*)a) == 0);
  WANT(!bpf_cpumask_test_and_set_cpu(0, a));
  WANT(bpf_cpumask_weight((struct cpumask*)a) == 2);
  bpf_cpumask_setall(b);
  WANT(bpf_cpumask_full((struct cpumask*)b));
  WANT(bpf_cpumask_subset((struct cpumask*)a, (struct cpumask*)b));
  WANT(bpf_cpumask_and(b, (struct cpumask*)a, (struct cpumask*)b));
  WANT(bpf_cpumask_equal((struct cpumask*)a, (struct cpumask*)b));
  bpf_cpumask_xor(b, (struct cpumask*)a, (struct cpumask*)b);
  WANT(!bpf_cpumask_intersects((struct cpumask*)a, (struct cpumask*)b));
  bpf_cpumask_release(a);
  bpf_cpumask_release(b);
  return wrong;
}

SEC("raw_tp/sys_enter")
int tasks(struct bpf_raw_tracepoint_args* ctx) {
  struct task_struct *current = bpf_get_current_task_btf(), *held;
  int wrong = 0;
  held = bpf_task_acquire(current);
  CHECK(held);
  WANT(held->pid == current->pid);
  WANT(held->tgid == current->tgid);
  bpf_task_release(held);
  held = bpf_task_from_pid(current->pid);
  CHECK(held);
  WANT(held->tgid == current->tgid);
  bpf_task_release(held);
  held = bpf_task_from_pid(-1);
  if (held) {
    bpf_task_release(held);
    return __LINE__;
  }
  return wrong;
}

struct arguments {
  __u64 in, out;
};
SEC("syscall")
int system(struct arguments* ctx) {
  ctx->out = ctx->in + 1;
  return 3;
}

SEC("syscall")
int system_helper(struct arguments* ctx) {
  return bpf_get_current_comm(&ctx->out, 8);
}

char LICENSE[] SEC("license") = "GPL";
