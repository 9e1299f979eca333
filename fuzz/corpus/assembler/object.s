.license "GPL"
.map counts, percpu_array, 4, 8, 16
.section "tracepoint/syscalls/sys_enter_openat"
.prog on_enter
  *(u32 *)(r10 -4) = 0
  r2 = r10
  r2 += -4
  r1 = map[counts]
  call 1
  if r0 == 0 goto out
  r1 = 1
  lock *(u64 *)(r0 +0) += r1
  r3 = map[counts][0]+4
  call twice
out: r0 = 0
  exit
.func twice
  w0 = (s8)w1
  r0 s/= -1
  r0 = be16 r0
  r2 = atomic64_fetch_add((u64 *)(r10 -8), r2)
  r0 = 0x1122334455667788 ll
  may_goto +0
  exit
