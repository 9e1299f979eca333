// Programs that call kernel functions: what each is tagged with is what the verifier must say of it.
#include "kernel_bpf.h"

// ---- references

SEC("tp_btf/sched_thing")
int released(void *ctx) {
  struct task_struct *task = bpf_task_from_pid(1);
  if (task) bpf_task_release(task);
  return 0;
}
SEC("tp_btf/sched_thing")
REJECT("Unreleased reference")
int leaked(void *ctx) {
  bpf_task_from_pid(1);
  return 0;
}
SEC("tp_btf/sched_thing")
REJECT("Possibly NULL pointer passed to trusted R1")
int released_unchecked(void *ctx) {
  bpf_task_release(bpf_task_from_pid(1));
  return 0;
}
SEC("tp_btf/sched_thing")
REJECT("release kfunc bpf_task_release expects referenced")
int released_what_is_not_held(u64 *ctx) {
  bpf_task_release((struct task_struct *)ctx[0]);
  return 0;
}
SEC("tp_btf/sched_thing")
int argument_is_trusted(u64 *ctx) {
  struct task_struct *task = bpf_task_acquire((struct task_struct *)ctx[0]);
  if (task) bpf_task_release(task);
  return 0;
}
SEC("fentry/vfs_something")
REJECT("R1 must be")
int fentry_argument_is_not(u64 *ctx) {
  struct task_struct *task = bpf_task_acquire((struct task_struct *)ctx[0]);
  if (task) bpf_task_release(task);
  return 0;
}
SEC("tp_btf/sched_thing")
REJECT("R1 must be a rcu pointer")
int walked_pointer_is_not(u64 *ctx) {
  struct task_struct *parent = ((struct task_struct *)ctx[0])->real_parent;
  struct task_struct *task = bpf_task_acquire(parent);
  if (task) bpf_task_release(task);
  return 0;
}
SEC("tp_btf/sched_thing")
int listed_member_is(u64 *ctx) {
  struct task_struct *leader = ((struct task_struct *)ctx[0])->group_leader;
  struct task_struct *task = bpf_task_acquire(leader);
  if (task) bpf_task_release(task);
  return 0;
}
SEC("kprobe")
REJECT("calling kernel function bpf_task_acquire is not allowed")
int not_for_this_type(void *ctx) {
  bpf_task_acquire(0);
  return 0;
}
SEC("tc")
REJECT("calling kernel function bpf_no_such_kfunc is not allowed")
int not_in_the_tables(void *ctx) {
  bpf_no_such_kfunc();
  return 0;
}
SEC("fentry/vfs_something")
REJECT("doesn't have 3-th argument")
int argument_that_is_not(u64 *ctx) {
  return ctx[2] == 1;
}
SEC("tp_btf/sched_thing")
REJECT("access beyond struct task_struct")
int beyond_a_struct(u64 *ctx) {
  volatile int x = *(int *)((char *)ctx[0] + 64);
  return 0;
}
SEC("tp_btf/sched_thing")
REJECT("only read is supported")
int written(u64 *ctx) {
  ((struct task_struct *)ctx[0])->pid = 1;
  return 0;
}

// ---- iterators

SEC("tc")
int iterates(void *ctx) {
  struct bpf_iter_num it;
  int sum = 0, *v;
  bpf_iter_num_new(&it, 0, 1000000);
  while ((v = bpf_iter_num_next(&it))) sum += *v;
  bpf_iter_num_destroy(&it);
  return sum;
}
SEC("tc")
REJECT("Unreleased reference")
int never_destroys(void *ctx) {
  struct bpf_iter_num it;
  bpf_iter_num_new(&it, 0, 10);
  return bpf_iter_num_next(&it) != 0;
}
SEC("tc")
REJECT("expected an initialized iter_num as R1")
int never_made(void *ctx) {
  struct bpf_iter_num it;
  bpf_iter_num_next(&it);
  return 0;
}
SEC("tc")
REJECT("expected uninitialized iter_num as R1")
int made_twice(void *ctx) {
  struct bpf_iter_num it;
  bpf_iter_num_new(&it, 0, 10);
  bpf_iter_num_new(&it, 0, 10);
  bpf_iter_num_destroy(&it);
  return 0;
}
SEC("tc")
REJECT("R6 !read_ok|invalid mem access|memory")
int element_after_the_end(void *ctx) {
  struct bpf_iter_num it;
  int *v;
  bpf_iter_num_new(&it, 0, 10);
  v = bpf_iter_num_next(&it);
  bpf_iter_num_destroy(&it);
  return v ? *v : 0;
}

// ---- dynptrs

SEC("tc")
int slices(struct __sk_buff *ctx) {
  struct bpf_dynptr d, copy;
  char buffer[4];
  char *p;
  if (bpf_dynptr_from_skb(ctx, 0, &d)) return 0;
  bpf_dynptr_clone(&d, &copy);
  p = bpf_dynptr_slice(&copy, 0, buffer, 4);
  return p ? p[3] : 0;
}
SEC("tc")
REJECT("cannot write into rdonly_mem")
int slice_is_read_only(struct __sk_buff *ctx) {
  struct bpf_dynptr d;
  char buffer[4];
  char *p;
  bpf_dynptr_from_skb(ctx, 0, &d);
  p = bpf_dynptr_slice(&d, 0, buffer, 4);
  if (p) p[0] = 1;
  return 0;
}
SEC("tc")
REJECT("Expected an initialized dynptr as R1")
int dynptr_of_nothing(struct __sk_buff *ctx) {
  struct bpf_dynptr d, copy;
  bpf_dynptr_clone(&d, &copy);
  return 0;
}
SEC("tc")
REJECT("Unreleased reference")
int ringbuf_dynptr_leaked(struct __sk_buff *ctx) {
  struct bpf_dynptr d;
  ringbuf_reserve_dynptr(&ring, 8, 0, &d);
  return 0;
}
SEC("tc")
int ringbuf_dynptr_submitted(struct __sk_buff *ctx) {
  struct bpf_dynptr d;
  u64 *p;
  ringbuf_reserve_dynptr(&ring, 8, 0, &d);
  p = dynptr_data(&d, 0, 8);
  if (p) *p = 1;
  ringbuf_submit_dynptr(&d, 0);
  return 0;
}
SEC("tc")
REJECT("invalid mem access 'scalar'")
int slice_after_submit(struct __sk_buff *ctx) {
  struct bpf_dynptr d;
  u64 *p;
  ringbuf_reserve_dynptr(&ring, 8, 0, &d);
  p = dynptr_data(&d, 0, 8);
  ringbuf_submit_dynptr(&d, 0);
  if (p) *p = 1;
  return 0;
}
SEC("tc")
REJECT("cannot overwrite referenced dynptr")
int ringbuf_dynptr_overwritten(struct __sk_buff *ctx) {
  struct bpf_dynptr d;
  ringbuf_reserve_dynptr(&ring, 8, 0, &d);
  *(volatile u64 *)&d = 0;
  return 0;
}

// ---- regions

SEC("tc")
REJECT("bpf_rcu_read_lock-ed region")
int rcu_not_left(void *ctx) {
  bpf_rcu_read_lock();
  return 0;
}
SEC("tc")
REJECT("unmatched rcu read unlock")
int rcu_not_entered(void *ctx) {
  bpf_rcu_read_unlock();
  return 0;
}
SEC("tc")
REJECT("bpf_preempt_disable-ed region")
int preemption_stays_off(void *ctx) {
  bpf_preempt_disable();
  return 0;
}
SEC("tc")
int nested_irq(void *ctx) {
  unsigned long a, b;
  bpf_local_irq_save(&a);
  bpf_local_irq_save(&b);
  bpf_local_irq_restore(&b);
  bpf_local_irq_restore(&a);
  return 0;
}
SEC("tc")
REJECT("cannot restore irq state out of order")
int crossed_irq(void *ctx) {
  unsigned long a, b;
  bpf_local_irq_save(&a);
  bpf_local_irq_save(&b);
  bpf_local_irq_restore(&a);
  bpf_local_irq_restore(&b);
  return 0;
}
SEC("tc")
REJECT("expected an initialized irq flag as R1")
int flag_of_nothing(void *ctx) {
  unsigned long flag = 0;
  bpf_local_irq_restore(&flag);
  return 0;
}

// ---- locks, lists and trees

SEC("tc")
int res_lock_may_fail(void *ctx) {
  u32 key = 0;
  struct element *e = lookup(&elements, &key);
  if (!e) return 0;
  if (bpf_res_spin_lock(&e->lock)) return 0;
  bpf_res_spin_unlock(&e->lock);
  return 0;
}
SEC("tc")
REJECT("AA deadlock detected")
int res_lock_twice(void *ctx) {
  u32 key = 0;
  struct element *e = lookup(&elements, &key);
  if (!e || bpf_res_spin_lock(&e->lock)) return 0;
  if (bpf_res_spin_lock(&e->lock)) {
    bpf_res_spin_unlock(&e->lock);
    return 0;
  }
  bpf_res_spin_unlock(&e->lock);
  bpf_res_spin_unlock(&e->lock);
  return 0;
}
SEC("tc")
int pushed(void *ctx) {
  struct node *n = new_node();
  if (!n) return 0;
  spin_lock(&lock);
  bpf_list_push_front_impl(&head, &n->list, 0, 0);
  spin_unlock(&lock);
  return 0;
}
SEC("tc")
REJECT("bpf_spin_lock at off=")
int pushed_unlocked(void *ctx) {
  struct node *n = new_node();
  if (!n) return 0;
  bpf_list_push_front_impl(&head, &n->list, 0, 0);
  return 0;
}
SEC("tc")
REJECT("Unreleased reference")
int popped_and_leaked(void *ctx) {
  spin_lock(&lock);
  bpf_list_pop_front(&head);
  spin_unlock(&lock);
  return 0;
}
SEC("tc")
REJECT("allocated object must be referenced|expected pointer to allocated object")
int pushed_twice(void *ctx) {
  struct node *n = new_node();
  if (!n) return 0;
  spin_lock(&lock);
  bpf_list_push_front_impl(&head, &n->list, 0, 0);
  bpf_list_push_front_impl(&head, &n->list, 0, 0);
  spin_unlock(&lock);
  return 0;
}
SEC("tc")
REJECT("invalid mem access 'scalar'")
int used_after_unlock(void *ctx) {
  struct node *n = new_node();
  if (!n) return 0;
  spin_lock(&lock);
  bpf_list_push_front_impl(&head, &n->list, 0, 0);
  spin_unlock(&lock);
  n->value = 1;
  return 0;
}
SEC("tc")
REJECT("direct access to bpf_list_node is disallowed")
int node_written(void *ctx) {
  struct node *n = new_node();
  if (!n) return 0;
  *(volatile u64 *)&n->list = 1;
  bpf_obj_drop_impl(n, 0);
  return 0;
}

// ---- kptrs

SEC("tc")
int stashed(void *ctx) {
  u32 key = 0;
  struct element *e = lookup(&elements, &key);
  struct plain *p, *old;
  if (!e) return 0;
  p = bpf_obj_new_impl(__builtin_btf_type_id(*(struct plain *)0, 0), 0);
  if (!p) return 0;
  old = kptr_xchg(&e->plain, p);
  if (old) bpf_obj_drop_impl(old, 0);
  return 0;
}
SEC("tc")
REJECT("Unreleased reference")
int old_one_leaked(void *ctx) {
  u32 key = 0;
  struct element *e = lookup(&elements, &key);
  if (!e) return 0;
  kptr_xchg(&e->plain, 0);
  return 0;
}
SEC("tc")
REJECT("store to referenced kptr disallowed")
int kptr_stored(void *ctx) {
  u32 key = 0;
  struct element *e = lookup(&elements, &key);
  if (!e) return 0;
  *(volatile u64 *)&e->plain = 0;
  return 0;
}

// ---- exceptions

SEC("tc")
int throws(struct __sk_buff *ctx) {
  if (ctx->len > 5) bpf_throw(1);
  return 0;
}
SEC("tc")
REJECT("Unreleased reference")
int throws_with_a_reference(struct __sk_buff *ctx) {
  struct node *n = new_node();
  if (!n) return 0;
  if (ctx->len > 5) bpf_throw(1);
  bpf_obj_drop_impl(n, 0);
  return 0;
}
