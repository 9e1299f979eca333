// The BTF that the user engine publishes where a kernel has /sys/kernel/btf/vmlinux.
#pragma once

#include <memory>

#include "btf/btf.h"

namespace skep::btf {

// Made anew at each call (about 0.1 ms): keep it. It is part of the program and always valid.
[[nodiscard]] std::shared_ptr<const Btf> user_engine_btf();

}  // namespace skep::btf
