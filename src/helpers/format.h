// The printf of programs: bpf_trace_printk, bpf_trace_vprintk, bpf_snprintf. The kernel's rules
// (bpf_bprintf_prepare): each conversion takes one 64-bit argument.
//
//   %[-+ 0][width] then  d i u x X  l?  ll?   integers
//                        c            a character
//                        s ps? pks pus  a string at an address (%ps and the like: below)
//                        p pK px      an address, 16 hex digits
//                        pS ps pB     a symbol; there is no symbol table here: 0x and the address
//                        pI4 pi4 pI6 pi6  an IP address at an address, in network order
//   %%
//
// Control characters, other conversions, and a '%' at the end are refused. Freestanding.
#pragma once

#include <cstdint>

#include "object/helper_context.h"

namespace skep::helpers {

// Formats into out[size] (always NUL-terminated where size > 0); the text's whole length without the
// NUL, also where it did not fit; or -EINVAL. `fmt` has a NUL within fmt_size, or -EINVAL.
int64_t format_text(HelperContext* run, char* out, uint64_t size, const char* fmt,
                    uint64_t fmt_size, const uint64_t* arguments, uint32_t count);

}  // namespace skep::helpers
