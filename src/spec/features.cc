// When the kernel's verifier and loader learnt what; and BTF's kinds.
#include "spec/features.h"

#include <iterator>

namespace skep::spec {
namespace {

constexpr KernelVersion v(unsigned major, unsigned minor) { return kernel_version(major, minor); }

// clang-format off
constexpr FeatureRow kFeatures[] = {
    {Feature::direct_packet_access, "direct_packet_access", v(4, 7), "packet bytes through data and data_end, after a bounds check"},
    {Feature::map_value_adjust, "map_value_adjust", v(4, 9), "variable offsets into map values"},
    {Feature::bpf_to_bpf_calls, "bpf_to_bpf_calls", v(4, 16), "functions called by functions"},
    {Feature::jmp32, "jmp32", v(5, 1), "conditional jumps on the low 32 bits"},
    {Feature::spin_lock, "spin_lock", v(5, 1), "bpf_spin_lock in map values"},
    {Feature::global_data, "global_data", v(5, 2), "global variables: direct access to array map values"},
    {Feature::mega_insns, "mega_insns", v(5, 2), "one million instructions verified, where 128 Ki were"},
    {Feature::bounded_loops, "bounded_loops", v(5, 3), "loops that end, without unrolling"},
    {Feature::btf_tracing, "btf_tracing", v(5, 5), "pointers typed by BTF, read without helpers"},
    {Feature::global_functions, "global_functions", v(5, 6), "functions verified once, on their own"},
    {Feature::sleepable, "sleepable", v(5, 10), "programs that may fault and wait"},
    {Feature::tail_calls_in_subprograms, "tail_calls_in_subprograms", v(5, 10), "tail calls beside function calls"},
    {Feature::kfuncs, "kfuncs", v(5, 13), "kernel functions called by BTF name"},
    {Feature::atomics, "atomics", v(5, 12), "fetch, exchange, compare-and-exchange, and, or, xor"},
    {Feature::callbacks, "callbacks", v(5, 13), "functions passed to helpers"},
    {Feature::timers, "timers", v(5, 15), "bpf_timer in map values"},
    {Feature::fixed_size_spill, "fixed_size_spill", v(5, 16), "bounds kept through spills of scalars"},
    {Feature::open_coded_iterators, "open_coded_iterators", v(6, 4), "loops over iterators: bpf_for, bpf_for_each"},
    {Feature::cpu_v4, "cpu_v4", v(6, 6), "signed division, sign-extending moves and loads, unconditional byte swaps, 32-bit jumps"},
    {Feature::may_goto, "may_goto", v(6, 9), "loops that the runtime ends"},
    {Feature::arena, "arena", v(6, 9), "memory shared with user space, address-space casts"},
    {Feature::exceptions, "exceptions", v(6, 7), "bpf_throw and assertions"},
    {Feature::private_stack, "private_stack", v(6, 13), "programs with a stack of their own"},
    {Feature::load_acquire, "load_acquire", v(6, 15), "load-acquire and store-release"},
    {Feature::res_spin_lock, "res_spin_lock", v(6, 15), "locks that give up on deadlock"},
    {Feature::signed_loads, "signed_loads", v(6, 6), "sign-extending loads"},
    {Feature::dynptrs, "dynptrs", v(5, 19), "pointers with run-time bounds"},
    {Feature::kptrs, "kptrs", v(5, 19), "kernel objects held in map values"},
    {Feature::precision_backtracking, "precision_backtracking", v(5, 3), "states pruned by the bounds that mattered"},
    {Feature::dead_code_elimination, "dead_code_elimination", v(5, 1), "unreachable instructions removed, not refused as jumps to nowhere"},
    {Feature::ringbuf, "ringbuf", v(5, 8), "references to ring buffer records"},
    {Feature::core_relocation, "core_relocation", v(5, 17), "CO-RE relocations done by the kernel"},
};
constexpr BtfKindRow kBtfKinds[] = {
    {0, "BTF_KIND_UNKN", v(4, 18)}, {1, "BTF_KIND_INT", v(4, 18)}, {2, "BTF_KIND_PTR", v(4, 18)}, {3, "BTF_KIND_ARRAY", v(4, 18)},
    {4, "BTF_KIND_STRUCT", v(4, 18)}, {5, "BTF_KIND_UNION", v(4, 18)}, {6, "BTF_KIND_ENUM", v(4, 18)}, {7, "BTF_KIND_FWD", v(4, 18)},
    {8, "BTF_KIND_TYPEDEF", v(4, 18)}, {9, "BTF_KIND_VOLATILE", v(4, 18)}, {10, "BTF_KIND_CONST", v(4, 18)}, {11, "BTF_KIND_RESTRICT", v(4, 18)},
    {12, "BTF_KIND_FUNC", v(5, 0)}, {13, "BTF_KIND_FUNC_PROTO", v(5, 0)}, {14, "BTF_KIND_VAR", v(5, 2)}, {15, "BTF_KIND_DATASEC", v(5, 2)},
    {16, "BTF_KIND_FLOAT", v(5, 13)}, {17, "BTF_KIND_DECL_TAG", v(5, 16)}, {18, "BTF_KIND_TYPE_TAG", v(5, 17)}, {19, "BTF_KIND_ENUM64", v(6, 0)},
};
// clang-format on

consteval bool rows_are_numbered() {
  for (size_t i = 0; i < std::size(kFeatures); i++) {
    if (static_cast<size_t>(kFeatures[i].feature) != i) return false;
  }
  for (size_t i = 0; i < std::size(kBtfKinds); i++) {
    if (kBtfKinds[i].kind != i) return false;
  }
  return std::size(kFeatures) == static_cast<size_t>(Feature::count);
}
static_assert(rows_are_numbered());

}  // namespace

std::span<const FeatureRow> features() { return kFeatures; }
const FeatureRow& feature(Feature which) { return kFeatures[static_cast<size_t>(which)]; }
std::span<const BtfKindRow> btf_kinds() { return kBtfKinds; }

}  // namespace skep::spec
