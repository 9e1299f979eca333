// A program's native code as text: source line, bytecode, native instructions, in the order of the native code.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

#include "object/verified_program.h"
#include "vm/jit/jit.h"

namespace skep::cli {

struct NativeListing {
  std::string text;
  nlohmann::json rows;  // [{"offset", "bytes", "text", "insn"?, "line"?}, …]
};

// x86-64 only.
[[nodiscard]] NativeListing native_listing(const VerifiedProgram& program,
                                           const jit::NativeCode& code);

}  // namespace skep::cli
