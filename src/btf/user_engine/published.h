// types.h as C++, in a namespace of its own: published::task_struct is what a program sees as struct task_struct, for
// whoever fills one. Freestanding.
#pragma once

#include <cstddef>

namespace skep::published {
#include "btf/user_engine/types.h"

static_assert(sizeof(pt_regs) == 168);
static_assert(sizeof(trace_event_raw_sys_enter) == 64);
static_assert(offsetof(syscall_trace_enter, args) == offsetof(trace_event_raw_sys_enter, args));
static_assert(offsetof(syscall_trace_exit, ret) == offsetof(trace_event_raw_sys_exit, ret));
static_assert(sizeof(__sk_buff) == 192 && sizeof(xdp_md) == 24);
}  // namespace skep::published
