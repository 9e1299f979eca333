// From what a user writes ("libc.so.6:malloc", "bash:readline+4", "/opt/x/server:0x12f0") to a
// place in a file: which binary, which function, at which file offset.
//
// Names of binaries are searched as the system would: one with a slash is a path; `lib*.so*` is
// looked up as ld.so does (LD_LIBRARY_PATH is not followed: the traced command may have another);
// any other along PATH, then as a library.
//
// A C++ function may be written as in the source, with its parameters where several have that name:
// "libx.so:ns::Class::method", "server:handle(Request const&)".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "hooks/elf_image.h"

namespace skep::hooks {

struct Target {
  std::string binary;    // as written
  std::string function;  // empty: `offset` is a file offset
  uint64_t offset = 0;   // bytes past the function's start, or into the file
};

// "BINARY:FUNCTION[@VERSION][+OFFSET]" or "BINARY:0xOFFSET"; EINVAL with the accepted forms.
[[nodiscard]] Result<Target> parse_target(std::string_view text);

// Where libraries are searched for. The default is this system's.
struct LibrarySearch {
  std::string cache = "/etc/ld.so.cache";
  std::vector<std::string> directories = {"/lib/x86_64-linux-gnu",
                                          "/usr/lib/x86_64-linux-gnu",
                                          "/lib64",
                                          "/usr/lib64",
                                          "/lib",
                                          "/usr/lib"};
};

// The path of the binary that `name` means; `path_variable` is a PATH. ENOENT says where was
// searched.
[[nodiscard]] Result<std::string> find_binary(std::string_view name, std::string_view path_variable,
                                              const LibrarySearch& search = {});
// The path that the library cache `bytes` (/etc/ld.so.cache, glibc's "new" format) has for `soname`
// on x86-64; empty where it has none or is malformed.
[[nodiscard]] std::string find_in_library_cache(ByteSpan bytes, std::string_view soname);

// A place to probe.
struct Place {
  std::string function;      // the name found, with its version; empty for a bare file offset
  uint64_t vaddr = 0;        // of the probed instruction
  uint64_t file_offset = 0;  // of the probed instruction
  CodeRange bounds;          // of the function that it lies in
  bool bounds_exact = false;
  bool ifunc_resolved = false;  // the implementation that this machine's resolver chose
};

// Finds target's function in `image`, the file at `path`. An ENOENT names the closest symbols. For
// an indirect function (glibc's strlen) the resolver is asked which implementation it would choose,
// which only works where this process has the same library loaded (libc, libm); else ENOTSUP.
[[nodiscard]] Result<Place> find_place(const ElfImage& image, const std::string& path,
                                       const Target& target);

// Names in `image` that look like `name`, best first, at most `limit`.
[[nodiscard]] std::vector<std::string> similar_symbols(const ElfImage& image, std::string_view name,
                                                       size_t limit = 3);

// The separate debug file of a binary with this build-id; empty where there is none.
[[nodiscard]] std::string debug_file_of(ByteSpan build_id);

}  // namespace skep::hooks
