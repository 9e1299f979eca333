// Helpers that the event maps define (HelperFn); map_helpers.cc gives them their ids. Freestanding.
#pragma once

#include "object/helper_context.h"

namespace skep::maps {

#define SKEP_HELPER(name)                                                        \
  uint64_t name(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, \
                HelperContext* context)

SKEP_HELPER(ringbuf_reserve);  // ringbuf.cc
SKEP_HELPER(ringbuf_submit);
SKEP_HELPER(ringbuf_discard);
SKEP_HELPER(ringbuf_output);
SKEP_HELPER(ringbuf_query);
SKEP_HELPER(ringbuf_reserve_dynptr);
SKEP_HELPER(ringbuf_submit_dynptr);
SKEP_HELPER(ringbuf_discard_dynptr);
SKEP_HELPER(user_ringbuf_drain);  // user_ringbuf.cc
SKEP_HELPER(perf_event_output);   // perf_event_array.cc
SKEP_HELPER(get_stackid);         // stack_trace.cc

#undef SKEP_HELPER

}  // namespace skep::maps
