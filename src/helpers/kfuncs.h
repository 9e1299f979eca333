// The kfuncs' bodies, by spec::KfuncNumber: runtime/ and the agent put them into the process page. Each takes
// the five registers and the run, as helpers do. Freestanding.
#pragma once

#include <span>

#include "helpers/bodies.h"
#include "object/helper_context.h"
#include "spec/kfunc_numbers.h"

namespace skep::helpers {

#define SKEP_DECLARE(name) SKEP_HELPER(name);
SKEP_KFUNC_NAMES(SKEP_DECLARE)
#undef SKEP_DECLARE

[[nodiscard]] std::span<const HelperFn, spec::kKfuncs> kfunc_bodies();

}  // namespace skep::helpers
