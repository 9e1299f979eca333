// Profiles of versions between profile.h's rows, for `skep requires`: what a version learnt is by its own number.
#pragma once

#include "verifier/profile.h"

namespace skep::verifier {

[[nodiscard]] KernelProfile kernel_profile_of(KernelVersion version);  // its name is empty

}  // namespace skep::verifier
