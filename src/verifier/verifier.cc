// One verification from beginning to end.
#include "verifier/verifier.h"

#include <chrono>

#include "verifier/env.h"

namespace skep::verifier {

namespace {

// Licences that count as GPL-compatible: the kernel's list.
bool is_gpl_compatible(std::string_view license) {
  return license == "GPL" || license == "GPL v2" || license == "GPL and additional rights" ||
         license == "Dual BSD/GPL" || license == "Dual MIT/GPL" || license == "Dual MPL/GPL";
}

constexpr uint32_t kStrictAlignment = 1u << 0, kAnyAlignment = 1u << 1, kTestStateFreq = 1u << 3;

}  // namespace

Verifier::Verifier(const Program& program, const Options& options)
    : program_(program),
      options_(options),
      profile_(options.profile != nullptr ? *options.profile : newest_profile()),
      insns_(program.insns),
      count_(static_cast<uint32_t>(program.insns.size())),
      allow_leaks_(options.privileged || options.cap_perfmon),
      allow_uninit_stack_(allow_leaks_ && profile_.version >= kernel_version(6, 3)),
      capable_(options.privileged || options.cap_bpf),
      strict_alignment_(options.strict_alignment || (program.flags & kStrictAlignment) != 0),
      bypass_spec_v1_(allow_leaks_),
      bypass_spec_v4_(allow_leaks_) {
  if ((program.flags & kAnyAlignment) != 0 && !options.strict_alignment) strict_alignment_ = false;
  if ((program.flags & kTestStateFreq) != 0) options_.test_state_freq = true;
}

Verifier::~Verifier() {
  for (FuncState* frame : all_frames_) delete frame;
  for (VerifierState* state : all_states_) delete state;
  for (CachedState* cached : all_cached_) delete cached;
}

Report Verifier::run() {
  const auto begin = std::chrono::steady_clock::now();
  Report report;
  const auto checks = [&] {
    const uint32_t limit = capable_ ? profile_.max_insns : profile_.max_insns_unprivileged;
    if (count_ == 0 || program_.insns.size() > limit) {
      return reject(Rule::bad_program_size, E2BIG, "program has {} instructions, expected 1 to {}",
                    program_.insns.size(), limit);
    }
    aux_.resize(count_);
    kernel_btf_ =
        program_.attach_btf != nullptr ? program_.attach_btf.get() : options_.kernel_btf.get();
    gpl_ = is_gpl_compatible(program_.license);
    if (!check_attach_target()) return false;
    maps_.reserve(program_.maps.size() * 2);
    for (const MapDescriptor& map : program_.maps) {
      MapInfo info;
      info.map = &map;
      find_special_fields(info);
      maps_.push_back(std::move(info));
    }
    for (size_t i = 0; i < program_.maps.size(); ++i) {
      if (program_.maps[i].inner == nullptr) continue;
      MapInfo inner;
      inner.map = program_.maps[i].inner.get();
      find_special_fields(inner);
      maps_[i].inner = static_cast<int32_t>(maps_.size());
      maps_.push_back(std::move(inner));
    }
    // Of maps that the program does not name nothing is asked.
    std::vector<bool> named(maps_.size(), false);
    for (uint32_t i = 0; i < count_; ++i) {
      const Insn& insn = insns_[i];
      if (!isa::is_ld_imm64(insn)) continue;
      ++i;
      const bool map =
          insn.src == isa::BPF_PSEUDO_MAP_IDX || insn.src == isa::BPF_PSEUDO_MAP_IDX_VALUE;
      if (!map || insn.imm < 0 || static_cast<size_t>(insn.imm) >= program_.maps.size()) continue;
      named[static_cast<size_t>(insn.imm)] = true;
      if (const int32_t inner = maps_[static_cast<size_t>(insn.imm)].inner; inner >= 0)
        named[static_cast<size_t>(inner)] = true;
    }
    for (size_t i = 0; i < maps_.size(); ++i) {
      if (!named[i]) continue;
      if (!maps_[i].problem.empty()) {
        return reject(Rule::bad_map_for_program, EINVAL, "map '{}': {}", maps_[i].map->name,
                      maps_[i].problem);
      }
      if (maps_[i].map->type != MapType::BPF_MAP_TYPE_ARENA || i >= program_.maps.size()) continue;
      if (arena_ >= 0)
        return reject(Rule::bad_map_for_program, EBUSY, "Only one arena per program");
      if (!options_.privileged) {
        return reject(Rule::not_privileged, EPERM,
                      "CAP_BPF and CAP_PERFMON are required to use arena");
      }
      arena_ = static_cast<int>(i);
    }
    if (!check_text()) return false;
    if (logging_all() && profile_.version >= kernel_version(7, 0)) log_call_order();
    find_throwers();
    find_packet_changers();
    find_loops();
    before_ = Predecessors(insns_);
    const std::vector<RegisterMask> live = compute_register_liveness(insns_, before_);
    for (uint32_t i = 0; i < count_; ++i) aux_[i].live = live[i];
    stack_liveness_.reset(insns_, &before_);
    cached_.resize(count_);
    const bool sleepable =
        (program_.flags & kSleepableFlag) != 0 || program_.type == ProgType::BPF_PROG_TYPE_SYSCALL;
    if (!verify_subprogram(0, sleepable)) return false;
    // Global functions: those that were called, or, in kernels before 6.8, all; and, since 7.0, as their callers
    // may sleep or not.
    const bool by_context = profile_.version >= kernel_version(7, 0);
    std::vector<std::array<bool, 2>> done(subs_.size());
    for (bool again = true; again;) {
      again = false;
      for (uint32_t s = 1; s < subs_.size(); ++s) {
        const SubprogramInfo& sub = subs_[s];
        if (!sub.global) continue;
        for (const bool may_sleep : {false, true}) {
          bool wanted = may_sleep ? sub.called_sleepable : sub.called;
          if (sub.is_exception_callback) wanted = may_sleep == sleepable;
          if (!by_context) {
            const bool any = sub.called || sub.called_sleepable ||
                             profile_.version < kernel_version(6, 8) || sub.is_exception_callback;
            wanted = any && may_sleep == sleepable;
          }
          if (done[s][may_sleep] || !wanted) continue;
          done[s][may_sleep] = again = true;
          if (!verify_subprogram(s, may_sleep)) return false;
          if (logging_all()) {
            log("Func#{} ('{}') is safe for any args that match its prototype\n", s, subs_[s].name);
          }
        }
      }
    }
    return check_stack_depths();
  };
  const bool ok = checks();
  stats_.time_ns = static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin)
          .count());
  if (ok && !rejection_) {
    finalize(report);
  } else {
    if (!rejection_) reject(Rule::internal, EFAULT, "rejected without a reason");
    report.rejection = std::move(rejection_);
  }
  finish_stats(report);
  return report;
}

Report verify(const Program& program, const Options& options) {
  return Verifier(program, options).run();
}

}  // namespace skep::verifier
