// The helpers that work without maps: BPF_FUNC id to body. runtime/ and the agent put them into the process
// page, beside those of maps/. Freestanding.
//
// To add a helper: its body in the file of its kind, a line in bodies.h and in bindings.cc, "works" in
// spec/helpers.cc. tests/helpers compares the two lists.
#pragma once

#include <cstdint>
#include <span>

#include "object/helper_context.h"

namespace skep::helpers {

[[nodiscard]] std::span<const HelperBinding> helper_bindings();  // by id

// Ids that spec/ says work and that other rooms bind: maps/ (lookup … ringbuf … get_stackid), and vm/
// (tail_call, which is code, not a call).
[[nodiscard]] std::span<const uint32_t> bound_elsewhere();  // by id

}  // namespace skep::helpers
