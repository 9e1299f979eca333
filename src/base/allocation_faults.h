// For tests: makes allocations of this process's hive fail (ENOMEM), to see that whoever asked undoes what it had done.
// Null, as it is outside of tests: none does. Not thread-safe against allocations.
#pragma once

#include <functional>

namespace skep::hive {

// Asked before each allocation of control, data and code memory; true: it fails.
void refuse_allocations(std::function<bool()> asked);

}  // namespace skep::hive
