// The map types' rows. Facts: the map_alloc_check() and map_alloc() of each type and
// check_map_func_compatibility() of Linux 7.3.
#include "spec/map_types.h"

#include <algorithm>
#include <iterator>

#include "spec/helpers.h"

namespace skep::spec {
namespace {

using enum MapType;
constexpr KernelVersion v(unsigned major, unsigned minor) { return kernel_version(major, minor); }
constexpr UserStatus kWorks = UserStatus::works;

constexpr uint32_t kMost =
    0x7fffffff;  // "as large as memory allows": the engine refuses with E2BIG
constexpr uint32_t kPerCpuMost = 32768;  // the kernel's PCPU_MIN_UNIT_SIZE
constexpr SizeRule kNone{0, 0}, kAny{1, kMost}, kIndex{4, 4}, kFd{4, 4},
    kPerCpuValue{1, kPerCpuMost};
constexpr uint32_t kAccess = BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG;
constexpr uint32_t kUserAccess = BPF_F_RDONLY | BPF_F_WRONLY;
constexpr uint32_t kHashFlags = BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE | kAccess | BPF_F_ZERO_SEED;
constexpr uint32_t kLruFlags = BPF_F_NO_COMMON_LRU | BPF_F_NUMA_NODE | kAccess | BPF_F_ZERO_SEED;

constexpr std::string_view kNoSockets =
    "the user engine has no sockets, devices or other CPUs to redirect to";
constexpr std::string_view kNoCgroups =
    "the user engine has no cgroups, inodes or sockets to keep storage on";
constexpr std::string_view kNotYet = "the user engine does not have it yet";
constexpr std::string_view kNoKernel =
    "it holds implementations of the kernel's own operation tables";

// clang-format off
constexpr MapTypeRow kRows[] = {
    {.type = BPF_MAP_TYPE_UNSPEC, .name = "BPF_MAP_TYPE_UNSPEC", .short_name = "unspec", .since = v(3, 18), .user_reason = "it is no map type"},
    {.type = BPF_MAP_TYPE_HASH, .name = "BPF_MAP_TYPE_HASH", .short_name = "hash", .since = v(3, 19), .key = kAny, .value = kAny, .flags = kHashFlags, .user = kWorks},
    {.type = BPF_MAP_TYPE_ARRAY, .name = "BPF_MAP_TYPE_ARRAY", .short_name = "array", .since = v(3, 19), .key = kIndex, .value = kAny,
     .flags = BPF_F_NUMA_NODE | BPF_F_MMAPABLE | kAccess | BPF_F_INNER_MAP, .array_like = true, .direct_value_access = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_PROG_ARRAY, .name = "BPF_MAP_TYPE_PROG_ARRAY", .short_name = "prog_array", .since = v(4, 2), .key = kIndex, .value = kFd,
     .flags = BPF_F_NUMA_NODE | kUserAccess, .array_like = true, .values_are_fds = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_PERF_EVENT_ARRAY, .name = "BPF_MAP_TYPE_PERF_EVENT_ARRAY", .short_name = "perf_event_array", .since = v(4, 3), .key = kIndex, .value = kFd,
     .flags = BPF_F_NUMA_NODE | kUserAccess | BPF_F_PRESERVE_ELEMS, .array_like = true, .values_are_fds = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_PERCPU_HASH, .name = "BPF_MAP_TYPE_PERCPU_HASH", .short_name = "percpu_hash", .since = v(4, 6), .key = kAny, .value = kPerCpuValue,
     .flags = kHashFlags & ~BPF_F_NUMA_NODE, .per_cpu = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_PERCPU_ARRAY, .name = "BPF_MAP_TYPE_PERCPU_ARRAY", .short_name = "percpu_array", .since = v(4, 6), .key = kIndex, .value = kPerCpuValue,
     .flags = kAccess, .per_cpu = true, .array_like = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_STACK_TRACE, .name = "BPF_MAP_TYPE_STACK_TRACE", .short_name = "stack_trace", .since = v(4, 6), .key = {4, 4}, .value = {8, 127 * 32, 8},
     .flags = BPF_F_NUMA_NODE | kUserAccess | BPF_F_STACK_BUILD_ID, .user = kWorks},
    {.type = BPF_MAP_TYPE_CGROUP_ARRAY, .name = "BPF_MAP_TYPE_CGROUP_ARRAY", .short_name = "cgroup_array", .since = v(4, 8), .key = kIndex, .value = kFd,
     .flags = BPF_F_NUMA_NODE | kUserAccess, .array_like = true, .values_are_fds = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_LRU_HASH, .name = "BPF_MAP_TYPE_LRU_HASH", .short_name = "lru_hash", .since = v(4, 10), .key = kAny, .value = kAny, .flags = kLruFlags, .user = kWorks},
    {.type = BPF_MAP_TYPE_LRU_PERCPU_HASH, .name = "BPF_MAP_TYPE_LRU_PERCPU_HASH", .short_name = "lru_percpu_hash", .since = v(4, 10), .key = kAny, .value = kPerCpuValue,
     .flags = kLruFlags & ~BPF_F_NUMA_NODE, .per_cpu = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_LPM_TRIE, .name = "BPF_MAP_TYPE_LPM_TRIE", .short_name = "lpm_trie", .since = v(4, 11), .key = {5, 260}, .value = kAny,
     .flags = BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE | kAccess, .required_flags = BPF_F_NO_PREALLOC, .user = kWorks},
    {.type = BPF_MAP_TYPE_ARRAY_OF_MAPS, .name = "BPF_MAP_TYPE_ARRAY_OF_MAPS", .short_name = "array_of_maps", .since = v(4, 12), .key = kIndex, .value = kFd,
     .flags = BPF_F_NUMA_NODE | kUserAccess, .array_like = true, .map_in_map = true, .values_are_fds = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_HASH_OF_MAPS, .name = "BPF_MAP_TYPE_HASH_OF_MAPS", .short_name = "hash_of_maps", .since = v(4, 12), .key = kAny, .value = kFd,
     .flags = kHashFlags, .map_in_map = true, .values_are_fds = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_DEVMAP, .name = "BPF_MAP_TYPE_DEVMAP", .short_name = "devmap", .since = v(4, 14), .key = kIndex, .value = {4, 8, 4},
     .flags = BPF_F_NUMA_NODE | kUserAccess, .array_like = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_SOCKMAP, .name = "BPF_MAP_TYPE_SOCKMAP", .short_name = "sockmap", .since = v(4, 14), .key = kIndex, .value = {4, 8, 4},
     .flags = BPF_F_NUMA_NODE | kUserAccess, .array_like = true, .values_are_fds = true, .user_reason = kNoSockets},
    {.type = BPF_MAP_TYPE_CPUMAP, .name = "BPF_MAP_TYPE_CPUMAP", .short_name = "cpumap", .since = v(4, 15), .key = kIndex, .value = {4, 8, 4},
     .flags = BPF_F_NUMA_NODE, .array_like = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_XSKMAP, .name = "BPF_MAP_TYPE_XSKMAP", .short_name = "xskmap", .since = v(4, 18), .key = kIndex, .value = kFd,
     .flags = BPF_F_NUMA_NODE | kUserAccess, .array_like = true, .values_are_fds = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_SOCKHASH, .name = "BPF_MAP_TYPE_SOCKHASH", .short_name = "sockhash", .since = v(4, 18), .key = {1, 512}, .value = {4, 8, 4},
     .flags = BPF_F_NUMA_NODE | kUserAccess, .values_are_fds = true, .user_reason = kNoSockets},
    {.type = BPF_MAP_TYPE_CGROUP_STORAGE, .name = "BPF_MAP_TYPE_CGROUP_STORAGE", .short_name = "cgroup_storage", .since = v(4, 19), .key = {8, 16, 8}, .value = {1, 1 << 20},
     .flags = BPF_F_NUMA_NODE | kAccess, .max_entries_zero = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, .name = "BPF_MAP_TYPE_REUSEPORT_SOCKARRAY", .short_name = "reuseport_sockarray", .since = v(4, 19), .key = kIndex, .value = {4, 8, 4},
     .flags = BPF_F_NUMA_NODE | kAccess, .array_like = true, .values_are_fds = true, .user_reason = kNoSockets},
    {.type = BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE, .name = "BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE", .short_name = "percpu_cgroup_storage", .since = v(4, 20), .key = {8, 16, 8}, .value = kPerCpuValue,
     .flags = BPF_F_NUMA_NODE | kAccess, .max_entries_zero = true, .per_cpu = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_QUEUE, .name = "BPF_MAP_TYPE_QUEUE", .short_name = "queue", .since = v(4, 20), .key = kNone, .value = kAny,
     .flags = BPF_F_NUMA_NODE | kAccess, .user = kWorks},
    {.type = BPF_MAP_TYPE_STACK, .name = "BPF_MAP_TYPE_STACK", .short_name = "stack", .since = v(4, 20), .key = kNone, .value = kAny,
     .flags = BPF_F_NUMA_NODE | kAccess, .user = kWorks},
    {.type = BPF_MAP_TYPE_SK_STORAGE, .name = "BPF_MAP_TYPE_SK_STORAGE", .short_name = "sk_storage", .since = v(5, 2), .key = {4, 4}, .value = {1, 1 << 16},
     .flags = BPF_F_NO_PREALLOC | BPF_F_CLONE, .required_flags = BPF_F_NO_PREALLOC, .max_entries_zero = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_DEVMAP_HASH, .name = "BPF_MAP_TYPE_DEVMAP_HASH", .short_name = "devmap_hash", .since = v(5, 4), .key = {4, 4}, .value = {4, 8, 4},
     .flags = BPF_F_NUMA_NODE | kUserAccess, .user = kWorks},
    {.type = BPF_MAP_TYPE_STRUCT_OPS, .name = "BPF_MAP_TYPE_STRUCT_OPS", .short_name = "struct_ops", .since = v(5, 6), .key = {4, 4}, .value = kAny,
     .flags = BPF_F_LINK | BPF_F_VTYPE_BTF_OBJ_FD, .freezable = false, .user_reason = kNoKernel},
    {.type = BPF_MAP_TYPE_RINGBUF, .name = "BPF_MAP_TYPE_RINGBUF", .short_name = "ringbuf", .since = v(5, 8), .key = kNone, .value = kNone,
     .flags = BPF_F_NUMA_NODE | BPF_F_RB_OVERWRITE, .max_entries_power_of_two = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_INODE_STORAGE, .name = "BPF_MAP_TYPE_INODE_STORAGE", .short_name = "inode_storage", .since = v(5, 10), .key = {4, 4}, .value = {1, 1 << 16},
     .flags = BPF_F_NO_PREALLOC, .required_flags = BPF_F_NO_PREALLOC, .max_entries_zero = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_TASK_STORAGE, .name = "BPF_MAP_TYPE_TASK_STORAGE", .short_name = "task_storage", .since = v(5, 11), .key = {4, 4}, .value = {1, 1 << 16},
     .flags = BPF_F_NO_PREALLOC, .required_flags = BPF_F_NO_PREALLOC, .max_entries_zero = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_BLOOM_FILTER, .name = "BPF_MAP_TYPE_BLOOM_FILTER", .short_name = "bloom_filter", .since = v(5, 16), .key = kNone, .value = kAny,
     .flags = BPF_F_NUMA_NODE | BPF_F_ZERO_SEED | kAccess, .user = kWorks},
    {.type = BPF_MAP_TYPE_USER_RINGBUF, .name = "BPF_MAP_TYPE_USER_RINGBUF", .short_name = "user_ringbuf", .since = v(6, 1), .key = kNone, .value = kNone,
     .flags = BPF_F_NUMA_NODE, .max_entries_power_of_two = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_CGRP_STORAGE, .name = "BPF_MAP_TYPE_CGRP_STORAGE", .short_name = "cgrp_storage", .since = v(6, 2), .key = {4, 4}, .value = {1, 1 << 16},
     .flags = BPF_F_NO_PREALLOC, .required_flags = BPF_F_NO_PREALLOC, .max_entries_zero = true, .user = kWorks},
    {.type = BPF_MAP_TYPE_ARENA, .name = "BPF_MAP_TYPE_ARENA", .short_name = "arena", .since = v(6, 9), .key = kNone, .value = kNone,
     .flags = BPF_F_MMAPABLE | BPF_F_SEGV_ON_FAULT | BPF_F_NO_USER_CONV, .required_flags = BPF_F_MMAPABLE, .freezable = false, .user_reason = kNotYet},
    {.type = BPF_MAP_TYPE_INSN_ARRAY, .name = "BPF_MAP_TYPE_INSN_ARRAY", .short_name = "insn_array", .since = v(6, 19), .key = kIndex, .value = {16, 16},
     .flags = 0, .array_like = true, .direct_value_access = true, .user_reason = kNotYet},
    {.type = BPF_MAP_TYPE_RHASH, .name = "BPF_MAP_TYPE_RHASH", .short_name = "rhash", .since = v(7, 2), .key = kAny, .value = kAny,
     .flags = BPF_F_NO_PREALLOC | kAccess, .required_flags = BPF_F_NO_PREALLOC, .user_reason = kNotYet},
};
// clang-format on

// By number, none left out: a row's place is its type.
consteval bool rows_are_numbered() {
  for (uint32_t i = 0; i < std::size(kRows); i++) {
    if (static_cast<uint32_t>(kRows[i].type) != i) return false;
  }
  return true;
}
static_assert(rows_are_numbered() && std::size(kRows) == kMapTypes);
static_assert(std::ranges::all_of(kRows, [](const MapTypeRow& row) {
  return (row.user == UserStatus::works) == row.user_reason.empty() &&
         (row.required_flags & ~row.flags) == 0;
}));

}  // namespace

std::span<const MapTypeRow> map_types() { return kRows; }
const MapTypeRow* find_map_type(MapType type) {
  const auto number = static_cast<uint32_t>(type);
  return number < std::size(kRows) ? &kRows[number] : nullptr;
}
const MapTypeRow* find_map_type(std::string_view name) {
  const auto* row = std::ranges::find_if(kRows, [&](const MapTypeRow& r) {
    return r.name == name || r.short_name == name || r.name.substr(13) == name;
  });
  return row != std::end(kRows) ? row : nullptr;
}

// The helpers' rows name the map types that each takes; a helper without a const_map_ptr takes none.
bool map_helper_allowed(MapType map, uint32_t helper_id) {
  for (const Helper* row = find_helper(helper_id);
       row != nullptr && row != helpers().data() + helpers().size() && row->id == helper_id;
       row++) {
    if (in_set(row->map_types, map)) return true;
  }
  return false;
}

}  // namespace skep::spec
