// The BPF helpers that work on maps, as HelperFn by BPF_FUNC id. runtime/ and the agent put them
// into the process page beside helpers/'s. Freestanding.
#pragma once

#include <span>

#include "object/helper_context.h"

namespace skep::maps {

std::span<const HelperBinding> map_helper_bindings();

}  // namespace skep::maps
