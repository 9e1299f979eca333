// Compiling .bpf.c: clang in a child process, our headers, a cache.
//
//   cc::Options options;
//   options.target = btf::user_engine_btf();               // what vmlinux.h is made from
//   auto compiled = cc::compile("opensnoop.bpf.c", options);
//   if (!compiled) ...                                     // could not try: no such file, no clang, timeout
//   if (!compiled->ok) print(compiled->diagnostics);        // clang refused: its own words
//   auto object = object::open_object(compiled->object, "opensnoop.bpf.c");
//   for (auto& [variable, text] : compiled->comments) object->set_comment(variable, text);
//
// Nothing of a compilation is ever on disk but the cache: headers and vmlinux.h reach clang through an overlay
// of memory files, the object comes back through another. So an interrupt leaves nothing behind. The child dies with
// its parent.
//
// The headers: <bpf/bpf_helpers.h>, <bpf/bpf_tracing.h>, <bpf/bpf_core_read.h>, <bpf/bpf_endian.h> and
// "vmlinux.h", cut to the types that the source names, or whole where the cut one does not do.
//
// A cache entry is found by (source, flags, compiler, target BTF, our headers) and valid if all files that
// were included are unchanged. An entry that is damaged, or a cache that can't be written, only costs time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "btf/btf.h"

namespace skep::cc {

struct Options {
  std::string cpu = "v3";                  // -mcpu
  std::vector<std::string> flags;          // more of clang's: -DX=1, -Idir
  std::shared_ptr<const btf::Btf> target;  // none: there is no vmlinux.h
  std::string clang;                       // path; "": $SKEP_CLANG, clang-19 … clang-11, clang
  std::string cache_dir;                   // "": $XDG_CACHE_HOME/skep or ~/.cache/skep
  bool use_cache = true;
  bool color = false;  // -fcolor-diagnostics
  std::chrono::milliseconds timeout{60'000};
};

struct Compiled {
  bool ok = false;
  std::vector<std::byte> object;  // empty where !ok
  std::string diagnostics;        // clang's, verbatim; warnings where ok
  // The /// text before, or ///< behind, a global or a map of SEC(".maps"): its name, text. That of the file, which
  // begins "/// @description" and stands before neither: "", text.
  std::vector<std::pair<std::string, std::string>> comments;
  bool from_cache = false;
};

// ENOENT: no source, or no clang (the hint says which package has it). ETIMEDOUT. ECANCELED: the
// compiler was killed by a signal.
[[nodiscard]] Result<Compiled> compile(const std::string& path, const Options& options);

// vmlinux.h for a source that uses these words as identifiers: the types so named, the types that members so
// named point to, and all that they need.
[[nodiscard]] std::string minimal_vmlinux_h(const btf::Btf& btf,
                                            const std::vector<std::string>& words);

// The identifiers in C source, without those in comments and literals; sorted, each once.
[[nodiscard]] std::vector<std::string> identifiers(std::string_view source);

[[nodiscard]] std::vector<std::pair<std::string, std::string>> variable_comments(
    std::string_view source);

// <bpf/bpf_helper_defs.h>, from spec's table of helpers.
[[nodiscard]] std::string helper_defs_h();

}  // namespace skep::cc
