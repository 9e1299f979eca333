// The soundness oracle. A program that the verifier accepts is run on the interpreter over memory of which
// every access is checked; and, where the verifier was told to let every number matter, before each
// instruction the live registers must lie inside one of the states that the verifier walked it with.
//
// Shared by tests/verifier/soundness_test.cc (programs made from seeds) and fuzz/verifier_fuzz.cc.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "isa/insn.h"
#include "spec/context_layout.h"
#include "verifier/state.h"
#include "verifier/verifier.h"
#include "vm/interpreter.h"

namespace skep::soundness {

// All that a program can reach: an XDP context, its packet, one map value.
struct Universe {
  static constexpr uint32_t kValueSize = 48, kPacketSize = 40;
  alignas(8) std::array<uint8_t, kValueSize> value{};
  alignas(8) std::array<uint8_t, kPacketSize> packet{};
  alignas(8) spec::XdpContext ctx{};

  void fill(uint64_t seed) {
    const auto next = [&] {
      seed ^= seed << 13;
      seed ^= seed >> 7;
      seed ^= seed << 17;
      return seed;
    };
    for (uint8_t& b : value) b = static_cast<uint8_t>(next());
    for (uint8_t& b : packet) b = static_cast<uint8_t>(next());
    // Numbers near where things change.
    static constexpr uint32_t kEdges[] = {0,  1,   2,          7,          8,         63,
                                          64, 255, 0x7fffffff, 0x80000000, 0xffffffff};
    const auto number = [&] {
      const uint64_t r = next();
      return (r & 1) != 0 ? kEdges[(r >> 8) % std::size(kEdges)] : static_cast<uint32_t>(r >> 16);
    };
    ctx.ingress_ifindex = number();
    ctx.rx_queue_index = number();
    ctx.egress_ifindex = number();
    ctx.data = reinterpret_cast<uint64_t>(packet.data());
    ctx.data_end = ctx.data + next() % (kPacketSize + 1);
    ctx.data_meta = ctx.data;
  }
  [[nodiscard]] MapDescriptor map() const {
    MapDescriptor map;
    map.name = "m";
    map.type = MapType::BPF_MAP_TYPE_ARRAY;
    map.key_size = 4;
    map.value_size = kValueSize;
    map.max_entries = 1;
    map.address = 0x1000;
    map.value_address = reinterpret_cast<uint64_t>(value.data());
    return map;
  }
};

class StateRecorder : public verifier::Observer {
 public:
  struct State {
    uint32_t frame;
    uint16_t live;
    std::array<verifier::RegState, isa::kRegisters> regs;
  };
  void at(uint32_t insn, uint32_t frame, const verifier::RegState* regs, uint16_t live) override {
    constexpr size_t kMost = 400;
    if (states.size() <= insn) states.resize(insn + 1);
    if (states[insn].size() > kMost) return;
    State state{frame, live, {}};
    std::copy(regs, regs + isa::kRegisters, state.regs.begin());
    states[insn].push_back(state);
    if (states[insn].size() > kMost) overflowed = true;
  }
  std::vector<std::vector<State>> states;
  bool overflowed = false;
};

struct Run {
  const StateRecorder* recorder = nullptr;
  const Universe* universe = nullptr;
  std::array<uint64_t, 64> frame_ends{};
  std::string finding;
};

inline bool inside(const Run& run, const verifier::RegState& reg, uint64_t value) {
  using verifier::Base;
  const auto offset_from = [&](uint64_t base) {
    return reg.number.contains(value - base - static_cast<uint64_t>(int64_t{reg.off}));
  };
  switch (reg.base) {
    case Base::scalar: return reg.number.contains(value);
    case Base::stack: return offset_from(run.frame_ends[reg.frame]);
    case Base::map_value:
      return (reg.maybe_null() && value == 0) ||
             offset_from(reinterpret_cast<uint64_t>(run.universe->value.data()));
    case Base::ctx: return offset_from(reinterpret_cast<uint64_t>(&run.universe->ctx));
    case Base::packet: {
      if (!offset_from(run.universe->ctx.data)) return false;
      // The range that was learnt is there.
      return reg.range <= 0 || reg.off > reg.range || !reg.number.is_constant() ||
             run.universe->ctx.data + static_cast<uint64_t>(reg.range) <=
                 run.universe->ctx.data_end;
    }
    case Base::packet_end: return value == run.universe->ctx.data_end;
    default: return true;
  }
}

inline void check_step(void* data, const vm::TraceEvent& event) {
  Run& run = *static_cast<Run*>(data);
  if (!run.finding.empty() || event.frame >= run.frame_ends.size()) return;
  run.frame_ends[event.frame] = event.stack + isa::kMaxStackBytes;
  if (run.recorder == nullptr) return;
  const auto& all = run.recorder->states;
  if (event.insn >= all.size() || all[event.insn].empty()) {
    run.finding = fmt::format("insn {} ran, but the verifier never came there", event.insn);
    return;
  }
  for (const StateRecorder::State& state : all[event.insn]) {
    if (state.frame != event.frame) continue;
    bool fits = true;
    for (unsigned r = 0; r < isa::kFramePointer && fits; ++r) {
      fits = ((state.live >> r) & 1) == 0 || inside(run, state.regs[r], event.registers[r]);
    }
    if (fits) return;
  }
  run.finding = fmt::format("insn {}: no state of {} holds", event.insn, all[event.insn].size());
  for (unsigned r = 0; r < isa::kRegisters; ++r)
    run.finding += fmt::format(" r{}={:#x}", r, event.registers[r]);
}

struct Outcome {
  bool accepted = false;
  std::string finding;  // empty: all is well
};

// Verifies, and where accepted runs it with `seeds` different inputs.
inline Outcome judge(std::vector<Insn> insns, uint64_t seed, unsigned runs,
                     verifier::Options options) {
  Universe universe;
  Program program;
  program.name = "generated";
  program.type = ProgType::BPF_PROG_TYPE_XDP;
  program.license = "GPL";
  program.insns = std::move(insns);
  program.maps.push_back(universe.map());
  Outcome outcome;
  StateRecorder recorder;
  const bool embed = options.every_number_matters;
  if (embed) options.observer = &recorder;
  const verifier::Report report = verifier::verify(program, options);
  outcome.accepted = report.accepted();
  if (!report.accepted()) {
    if (report.rejection->rule == verifier::Rule::internal)
      outcome.finding = "internal: " + report.rejection->message;
    return outcome;
  }
  Run run;
  run.universe = &universe;
  run.recorder = embed && !recorder.overflowed ? &recorder : nullptr;
  const std::array<vm::MemoryRegion, 3> regions{
      {{reinterpret_cast<uint64_t>(universe.value.data()),
        reinterpret_cast<uint64_t>(universe.value.data() + Universe::kValueSize), true},
       {reinterpret_cast<uint64_t>(universe.packet.data()),
        reinterpret_cast<uint64_t>(universe.packet.data() + Universe::kPacketSize), true},
       {reinterpret_cast<uint64_t>(&universe.ctx), reinterpret_cast<uint64_t>(&universe.ctx + 1),
        false}}};
  std::array<vm::MemoryRegion, 3> exact = regions;
  vm::InterpreterOptions how;
  how.trace = check_step;
  how.trace_data = &run;
  how.check_memory = true;
  how.regions = exact;
  auto interpreter = vm::Interpreter::make(*report.verified, how);
  if (!interpreter) return outcome;  // calls a helper: not run here
  for (unsigned i = 0; i < runs && outcome.finding.empty(); ++i) {
    universe.fill(seed * 0x9e3779b97f4a7c15u + i + 1);
    exact[1].end = universe.ctx.data_end;  // only what the packet has
    HelperContext context;
    context.ctx = &universe.ctx;
    context.fuel = 200'000;
    const Result<uint64_t> result = interpreter->run(&universe.ctx, &context);
    if (!run.finding.empty()) outcome.finding = run.finding;
    if (!result && result.error().code() != ETIME) outcome.finding = result.error().text();
  }
  return outcome;
}

}  // namespace skep::soundness
