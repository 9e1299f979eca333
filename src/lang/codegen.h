// An analysed script to an Object: instructions, maps, and BTF of the maps.
#pragma once

#include "lang/lang.h"

namespace skep::lang {

// E2BIG where a probe needs more than the 512 bytes of stack that a BPF program has.
[[nodiscard]] Result<Compiled> generate(const Script& script);

}  // namespace skep::lang
