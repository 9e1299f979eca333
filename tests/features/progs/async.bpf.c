// Timers and workqueues.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct row {
  struct bpf_timer timer;
  struct bpf_wq work;
  __u64 fired;
  __u64 worked;
  __u32 key;
};
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, struct row);
} rows SEC(".maps");

static int on_timer(void* map, __u32* key, struct row* row) {
  row->key = *key;
  if (bpf_timer_cancel(&row->timer) != -35) row->key = 0;  // not one's own
  if (__sync_fetch_and_add(&row->fired, 1) < 2) bpf_timer_start(&row->timer, 1000, 0);
  return 0;
}
static int on_work(void* map, int* key, void* value) {
  struct row* row = value;
  __sync_fetch_and_add(&row->worked, 1);
  return 0;
}

SEC("tc")
int arm(struct __sk_buff* skb) {
  __u32 key = skb->mark;
  struct row empty = {}, *row;
  bpf_map_update_elem(&rows, &key, &empty, BPF_NOEXIST);
  row = bpf_map_lookup_elem(&rows, &key);
  if (!row) return 1;
  if (bpf_timer_start(&row->timer, 0, 0) != -22) return 2;  // not there yet
  if (bpf_timer_init(&row->timer, &rows, 99) != -22) return 3;
  if (bpf_timer_init(&row->timer, &rows, 1) != 0) return 4;
  if (bpf_timer_init(&row->timer, &rows, 1) != -16) return 5;
  if (bpf_timer_start(&row->timer, 0, 0) != -22) return 6;  // no callback
  if (bpf_timer_set_callback(&row->timer, on_timer) != 0) return 7;
  if (bpf_timer_start(&row->timer, 1000000, 8) != -22) return 8;
  if (bpf_timer_start(&row->timer, 1000000, 0) != 0) return 9;
  if (bpf_wq_init(&row->work, &rows, 0) != 0) return 10;
  if (bpf_wq_set_callback_impl(&row->work, on_work, 0, 0) != 0) return 11;
  if (bpf_wq_start(&row->work, 0) != 0) return 12;
  return 0;
}

SEC("tc")
int cancel(struct __sk_buff* skb) {
  __u32 key = skb->mark;
  struct row empty = {}, *row;
  bpf_map_update_elem(&rows, &key, &empty, BPF_NOEXIST);
  row = bpf_map_lookup_elem(&rows, &key);
  if (!row) return -1;
  bpf_timer_init(&row->timer, &rows, 7);
  bpf_timer_set_callback(&row->timer, on_timer);
  bpf_timer_start(&row->timer, 3600ULL * 1000000000, 0);
  return bpf_timer_cancel(&row->timer) * 10 + bpf_timer_cancel(&row->timer);
}

char LICENSE[] SEC("license") = "GPL";
