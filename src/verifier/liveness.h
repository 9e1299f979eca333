// Liveness: what instructions from here on can still read. A remembered state forgets the rest, so
// that it covers more states (prune.cc).
//
// Registers: known beforehand from the text (compute_register_liveness).
//
// Stack slots: learnt while walking, since a slot may be read through a pointer that only the walk
// knows. For each function *as called through one chain of callers* (an instance), and for each of its
// instructions, StackLiveness keeps which slots of each frame the instruction may have read on any visit,
// and which it overwrote on every visit. A slot is live before an instruction if it may be read there,
// or is live after it and is not overwritten. That answer is final for a state whose paths have all
// been walked: every read that they can do has been seen, by them or by the states that cut them off.
// A callee's reads of its callers' frames count as reads by the call.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "isa/insn.h"

namespace skep::verifier {

using SlotMask = uint64_t;  // bit i: slot i (fp-8*(i+1))
using RegisterMask = uint16_t;

// Instructions that may run after `insn`; at most two. Calls fall through.
struct Successors {
  uint32_t next[2];
  unsigned count = 0;
};
[[nodiscard]] Successors successors(std::span<const Insn> insns, uint32_t insn);

// For each instruction those it may run after: of[first[i]] to of[first[i + 1] - 1].
struct Predecessors {
  std::vector<uint32_t> first, of;
  explicit Predecessors(std::span<const Insn> insns = {});
  [[nodiscard]] std::span<const uint32_t> at(uint32_t insn) const {
    return std::span(of).subspan(first[insn], first[insn + 1] - first[insn]);
  }
};

// For each instruction the registers that are live before it. Linear: a mask can only grow.
[[nodiscard]] std::vector<RegisterMask> compute_register_liveness(std::span<const Insn> insns,
                                                                  const Predecessors& before);

class StackLiveness {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  void reset(std::span<const Insn> insns, const Predecessors* before);
  // The instance of the function at start..end called from `callsite` of `caller` (kNone: entered by
  // the walk itself).
  uint32_t instance(uint32_t caller, uint32_t callsite, uint32_t start, uint32_t end);

  // One visit of an instruction; marks in between are of that visit.
  void begin(uint32_t instance, uint32_t insn) {
    instance_ = instance;
    insn_ = insn;
    reads_.fill(0);
    writes_.fill(0);
  }
  void mark_read(uint32_t frame, SlotMask slots) { reads_[frame] |= slots; }
  void mark_write(uint32_t frame, SlotMask slots) { writes_[frame] |= slots; }
  void commit();

  // Slots of `frame` that are live before `insn` in this instance.
  [[nodiscard]] SlotMask live(uint32_t instance, uint32_t insn, uint32_t frame);
  [[nodiscard]] size_t memory() const { return memory_; }

 private:
  struct Marks {
    SlotMask read = 0;
    SlotMask write = ~SlotMask{0};  // of all visits
    SlotMask live = 0;
  };
  struct Instance {
    uint32_t caller, callsite, start, end, depth;
    std::vector<uint32_t> pending;  // instructions whose marks changed since the last refresh
    std::vector<Marks> marks;       // [(insn - start) * (depth + 1) + frame]
    [[nodiscard]] Marks& at(uint32_t insn, uint32_t frame) {
      return marks[size_t{insn - start} * (depth + 1) + frame];
    }
  };
  void refresh();
  void solve(Instance& instance);

  std::span<const Insn> insns_;
  const Predecessors* before_ = nullptr;
  std::vector<Instance> instances_;
  std::map<std::array<uint32_t, 3>, uint32_t> index_;
  std::array<SlotMask, isa::kMaxCallFrames> reads_{}, writes_{};
  uint32_t instance_ = 0, insn_ = 0;
  bool dirty_ = false;
  size_t memory_ = 0;
};

}  // namespace skep::verifier
