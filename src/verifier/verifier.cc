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
    for (size_t i = 0; i < maps_.size(); ++i) {
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
    find_packet_changers();
    find_throwers();
    find_loops();
    before_ = Predecessors(insns_);
    const std::vector<RegisterMask> live = compute_register_liveness(insns_, before_);
    for (uint32_t i = 0; i < count_; ++i) aux_[i].live = live[i];
    stack_liveness_.reset(insns_, &before_);
    cached_.resize(count_);
    if (!verify_subprogram(0)) return false;
    // Global functions: those that were called, or, in kernels before 6.8, all.
    std::vector<bool> done(subs_.size(), false);
    for (bool again = true; again;) {
      again = false;
      for (uint32_t s = 1; s < subs_.size(); ++s) {
        const bool wanted =
            subs_[s].global && (subs_[s].called || profile_.version < kernel_version(6, 8));
        if (done[s] || !wanted) continue;
        done[s] = again = true;
        if (!verify_subprogram(s)) return false;
        if (logging_all())
          log("Func#{} ('{}') is safe for any args that match its prototype\n", s, subs_[s].name);
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
