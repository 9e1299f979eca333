// The kernels that we know how to be. To add one: a row, in order; tests/verifier/profile_test.cc
// checks that features never go away.
#include <array>

#include "verifier/any_profile.h"

namespace skep::verifier {
namespace {

constexpr KernelProfile row(std::string_view name, unsigned major, unsigned minor) {
  const KernelVersion version = kernel_version(major, minor);
  const auto since = [version](unsigned since_major, unsigned since_minor) {
    return version >= kernel_version(since_major, since_minor);
  };
  KernelProfile profile;
  profile.name = name;
  profile.version = version;
  if (!since(5, 2)) {
    profile.max_insns = 4096;
    profile.max_processed = 131'072;
    profile.max_jumps_pending = 1024;
  }
  profile.subprograms = since(4, 16);
  profile.jmp32 = since(5, 1);
  profile.direct_values = since(5, 2);
  profile.bounded_loops = since(5, 3);
  profile.global_functions = since(5, 6);
  profile.tail_calls_in_subprograms = since(5, 10);
  profile.atomics = since(5, 12);
  profile.callbacks = since(5, 13);
  profile.variable_stack_access = since(5, 13);
  profile.scalar_word = since(5, 18);
  profile.isa_v4 = since(6, 6);
  profile.source_at_file = since(6, 8);
  profile.may_goto = since(6, 9);
  profile.load_acquire = since(6, 15);
  profile.tail_call_returns = since(6, 18);
  profile.null_in_register = since(7, 0);
  profile.division_ranges = since(7, 0);
  profile.forks_masks = profile.links_32_bits = since(6, 18);
  profile.static_liveness = since(6, 18);
  return profile;
}

constexpr std::array kProfiles = {
    row("4.19", 4, 19), row("5.4", 5, 4),   row("5.10", 5, 10),
    row("5.15", 5, 15), row("6.1", 6, 1),   row("6.6", 6, 6),
    row("6.12", 6, 12), row("6.18", 6, 18), row("newest", 7, 3),
};

}  // namespace

std::span<const KernelProfile> kernel_profiles() { return kProfiles; }

const KernelProfile* find_kernel_profile(std::string_view name) {
  for (const KernelProfile& profile : kProfiles) {
    if (profile.name == name) return &profile;
  }
  return nullptr;
}

const KernelProfile& newest_profile() { return kProfiles.back(); }

KernelProfile kernel_profile_of(KernelVersion version) {
  return row("", version >> 8, version & 0xff);
}

}  // namespace skep::verifier
