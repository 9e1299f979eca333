// Bodies of the redirecting helpers (ports.cc), for map_helpers.cc. Freestanding.
#pragma once

#include <cstdint>

#include "object/helper_context.h"

namespace skep::maps {

uint64_t redirect_map(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, HelperContext*);
uint64_t redirect(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, HelperContext*);

}  // namespace skep::maps
