// One run of clang: found, fed through memory files, waited for.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace skep::cc {

struct ClangBinary {
  std::string path;
  std::string identity;  // path, size, modification time: changes when the compiler does
};
// `wanted`: a path or a name; "": $SKEP_CLANG, then the known names in $PATH.
[[nodiscard]] Result<ClangBinary> find_clang(const std::string& wanted);

struct VirtualFile {
  std::string path;  // absolute; where clang sees it
  std::string text;
};
struct ClangRun {
  int status = 0;  // exit status
  std::vector<std::byte> object;
  std::string diagnostics;
  std::string depfile;  // make's syntax, as -MD writes it
};
// `arguments`: without the compiler's name, -o and -MF.
[[nodiscard]] Result<ClangRun> run_clang(const ClangBinary& clang,
                                         const std::vector<std::string>& arguments,
                                         const std::vector<VirtualFile>& files,
                                         std::chrono::milliseconds timeout);

}  // namespace skep::cc
