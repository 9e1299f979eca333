// FaultGuard: while one lives, a load of native code that faults (BPF_PROBE_MEM) goes on at its fixup instead
// of killing this process. Signal dispositions are a process's, so this is the one place of the library
// that touches them, and only around runs of programs that have such loads.
#pragma once

namespace skep::runtime {

class FaultGuard {
 public:
  // `needed` false: does nothing.
  explicit FaultGuard(bool needed);
  ~FaultGuard();
  FaultGuard(const FaultGuard&) = delete;
  FaultGuard& operator=(const FaultGuard&) = delete;

 private:
  bool installed_;
};

}  // namespace skep::runtime
