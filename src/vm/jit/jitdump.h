// jit-PID.dump: native code, its names and source lines, in the format that `perf inject --jit` reads
// (tools/perf/Documentation/jitdump-specification.txt). Unlike a perf map it has the code itself, so perf annotate
// shows it, and perf takes it for code in shared memory, too.
//
//   header:  "JiTD" as u32 | version 1 | size 40 | ELF machine | 0 | pid | timestamp u64 | flags u64
//   record:  kind u32 | size u32 | timestamp u64 | …
//     2, source lines of what comes next:  address u64 | count u64 | count × (address u64 | line u32 | 0 u32 | file\0)
//     0, code:  pid u32 | tid u32 | address u64 | address u64 | size u64 | number u64 | name\0 | bytes
//
// perf finds the file by an executable mapping of it in the process that the name and the header say; a record may
// be about another process. Timestamps are CLOCK_MONOTONIC (perf record -k mono).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string_view>
#include <vector>

#include "vm/jit/jit.h"

namespace skep::jit {

class JitDump {
 public:
  // `writer`: the process that maps the file. `now`: ns.
  JitDump(pid_t writer, uint64_t now);
  // One record a BPF function, as `pid` sees it from `now` on. `tag`: 16 hexadecimal digits.
  void add(const VerifiedProgram& program, const NativeCode& code, std::string_view tag, pid_t pid,
           uint64_t now);
  // What was added since the last call; at first the header, too.
  [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  template <class T>
  void number(T value);
  void text(std::string_view value);
  void add_lines(const VerifiedProgram& program, const NativeCode& code, uint32_t from, uint32_t to,
                 uint64_t now);

  std::vector<std::byte> bytes_;
  uint64_t count_ = 0;
};

}  // namespace skep::jit
