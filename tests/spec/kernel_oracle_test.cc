// The running kernel as the oracle of the tables: it is asked, by loading programs of two or three
// instructions, which context accesses and which helpers it allows. Loads only; nothing is attached. Skipped, saying
// why, where bpf(2) is refused. What a kernel's version or configuration decides is left out.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "spec/attach_types.h"
#include "spec/context.h"
#include "spec/helpers.h"
#include "spec/map_types.h"
#include "spec/prog_types.h"

namespace skep::spec {
namespace {

using enum ProgType;

struct RawInsn {
  uint8_t opcode = 0, registers = 0;  // dst | src << 4
  int16_t offset = 0;
  int32_t imm = 0;
};
struct LoadAttributes {  // of BPF_PROG_LOAD, to expected_attach_type
  uint32_t prog_type = 0, insn_cnt = 0;
  uint64_t insns = 0, license = 0;
  uint32_t log_level = 0, log_size = 0;
  uint64_t log_buf = 0;
  uint32_t kern_version = 0, prog_flags = 0;
  char prog_name[16] = {};
  uint32_t prog_ifindex = 0, expected_attach_type = 0;
};
constexpr RawInsn kExit{.opcode = 0x95};
RawInsn set(uint8_t reg, int32_t value) { return {.opcode = 0xb7, .registers = reg, .imm = value}; }

// 0, or an errno.
int load(ProgType type, AttachType attach, const std::vector<RawInsn>& insns,
         std::string* log = nullptr) {
  static char buffer[1 << 16];
  LoadAttributes attributes;
  attributes.prog_type = static_cast<uint32_t>(type);
  attributes.expected_attach_type = static_cast<uint32_t>(attach);
  attributes.insns = reinterpret_cast<uint64_t>(insns.data());
  attributes.insn_cnt = static_cast<uint32_t>(insns.size());
  attributes.license = reinterpret_cast<uint64_t>("GPL");
  if (log != nullptr) {
    attributes.log_level = 1;
    attributes.log_size = sizeof buffer;
    attributes.log_buf = reinterpret_cast<uint64_t>(buffer);
    buffer[0] = 0;
  }
  const long fd = ::syscall(SYS_bpf, 5, &attributes, sizeof attributes);
  const int error = fd < 0 ? errno : 0;
  if (fd >= 0) ::close(static_cast<int>(fd));
  if (log != nullptr) *log = buffer;
  return error;
}
int load_trivial(ProgType type, AttachType attach) {
  return load(type, attach, {set(0, return_range(type, attach).min), kExit});
}
#define SKIP_WITHOUT_BPF()                                                                   \
  if (const int error = load_trivial(BPF_PROG_TYPE_SOCKET_FILTER, {}); error != 0) {         \
    GTEST_SKIP() << "bpf(2) refuses to load a socket filter here: " << std::strerror(error); \
  }

uint8_t size_code(unsigned size) {
  return size == 8 ? 0x18 : size == 4 ? 0x00 : size == 2 ? 0x08 : 0x10;
}

bool kernel_allows(ProgType type, AttachType attach, int64_t offset, unsigned size, bool write) {
  const RawInsn access = write ? RawInsn{.opcode = static_cast<uint8_t>(0x63 | size_code(size)),
                                         .registers = 0x21,
                                         .offset = static_cast<int16_t>(offset)}
                               : RawInsn{.opcode = static_cast<uint8_t>(0x61 | size_code(size)),
                                         .registers = 0x13,
                                         .offset = static_cast<int16_t>(offset)};
  return load(type, attach, {set(2, 0), access, set(0, return_range(type, attach).min), kExit}) ==
         0;
}

// The attach types that make a difference to a type's context; {0} for those where none does.
std::vector<AttachType> attaches_of(ProgType type) {
  std::vector<AttachType> all;
  if (find_prog_type(type)->attach_type_required) {
    for (const AttachTypeRow& row : attach_types()) {
      if (in_set(row.prog_types, type)) all.push_back(row.type);
    }
    return all;
  }
  if (type == BPF_PROG_TYPE_XDP) return {AttachType::BPF_XDP, AttachType::BPF_XDP_DEVMAP};
  return {AttachType{}};
}

TEST(KernelOracle, agrees_on_every_context_access) {
  SKIP_WITHOUT_BPF();
  unsigned asked = 0;
  for (const ContextRow& context : contexts()) {
    if (context.rule != ContextRule::fields && context.type != BPF_PROG_TYPE_TRACEPOINT &&
        context.type != BPF_PROG_TYPE_KPROBE)
      continue;
    if (context.type == BPF_PROG_TYPE_NETFILTER)
      continue;  // its pointers come from the kernel's BTF
    for (AttachType attach : attaches_of(context.type)) {
      if (load_trivial(context.type, attach) != 0) continue;  // not built in
      const auto end = std::min<int64_t>(context.size, 300) + 8;
      // Linux 6.18 lets tracepoint programs read before their context (it compares a negative offset unsigned).
      const int64_t begin = context.type == BPF_PROG_TYPE_TRACEPOINT ? 0 : -8;
      for (int64_t offset = begin; offset < end; offset++) {
        for (unsigned size : {1u, 2u, 4u, 8u}) {
          for (bool write : {false, true}) {
            if (write && context.type == BPF_PROG_TYPE_KPROBE)
              continue;  // allowed since 7.0, for the kernel's own probes
            const ContextAccess mine =
                check_context_access(context.type, attach, offset, size, write);
            const bool kernel = kernel_allows(context.type, attach, offset, size, write);
            asked++;
            EXPECT_EQ(mine.denial == ContextDenial::none, kernel)
                << find_prog_type(context.type)->short_name << " ("
                << find_attach_type(attach)->short_name
                << "): " << (write ? "store of " : "load of ") << size << " bytes at " << offset
                << ": " << denial_text(mine.denial);
            if (::testing::Test::HasFailure() && ::testing::UnitTest::GetInstance()
                                                         ->current_test_info()
                                                         ->result()
                                                         ->total_part_count() > 40)
              return;
          }
        }
      }
    }
  }
  EXPECT_GT(asked, 10000u);
}

// What kernels between 6.12 and 7.3 differ in, or what a lockdown or a configuration takes away.
bool changed_since_or_configured(uint32_t id, ProgType type, AttachType attach) {
  switch (id) {
    case BPF_FUNC_probe_write_user:
    case BPF_FUNC_override_return:
    case BPF_FUNC_probe_read:
    case BPF_FUNC_probe_read_str:
    case BPF_FUNC_probe_read_kernel:
    case BPF_FUNC_probe_read_kernel_str: return true;
    case BPF_FUNC_setsockopt:
    case BPF_FUNC_getsockopt:
      return type == BPF_PROG_TYPE_CGROUP_SOCK ||
             attach == AttachType::BPF_CGROUP_UNIX_GETPEERNAME ||
             attach == AttachType::BPF_CGROUP_UNIX_GETSOCKNAME;
    case BPF_FUNC_skb_pull_data: return type == BPF_PROG_TYPE_LWT_SEG6LOCAL;
    default: return false;
  }
}

TEST(KernelOracle, agrees_on_which_program_types_may_call_a_helper) {
  SKIP_WITHOUT_BPF();
  utsname name{};
  unsigned major = 0, minor = 0;
  ASSERT_EQ(::uname(&name), 0);
  ASSERT_EQ(std::sscanf(name.release, "%u.%u", &major, &minor), 2);
  if (kernel_version(major, minor) < kernel_version(6, 12))
    GTEST_SKIP() << "Linux " << name.release << " gives fewer helpers than the table's 7.3";
  unsigned asked = 0;
  std::string differences;
  for (const ProgTypeRow& type : prog_types().subspan(1)) {
    for (AttachType attach : attaches_of(type.type)) {
      if (load_trivial(type.type, attach) != 0) continue;
      for (uint32_t id = 1; id < kHelperIds; id++) {
        std::string log;
        load(type.type, attach,
             {RawInsn{.opcode = 0x85, .imm = static_cast<int32_t>(id)}, set(0, 0), kExit}, &log);
        const bool kernel = log.find("cannot use helper") == std::string::npos &&
                            log.find("unknown func") == std::string::npos;
        const Helper* row = find_helper(id, type.type);
        const bool mine =
            row != nullptr && (row->attach_types == 0 || in_set(row->attach_types, attach));
        asked++;
        if (mine != kernel && !changed_since_or_configured(id, type.type, attach)) {
          differences += std::string(type.short_name) + " " +
                         std::string(find_attach_type(attach)->short_name) + " " +
                         std::string(find_helper(id)->name) +
                         (mine ? ": table yes, kernel no\n" : ": table no, kernel yes\n");
        }
      }
    }
  }
  EXPECT_EQ(differences, "");
  EXPECT_GT(asked, 3000u);
}

TEST(KernelOracle, agrees_on_what_programs_may_return) {
  SKIP_WITHOUT_BPF();
  unsigned asked = 0;
  for (const ProgTypeRow& type : prog_types().subspan(1)) {
    if (type.needs_attach_btf) continue;
    for (const AttachTypeRow& attach : attach_types()) {
      if (fixed_attach_type(type.type, attach.type) != attach.type) continue;
      if (!attach_type_allowed(type.type, attach.type)) {
        EXPECT_NE(load_trivial(type.type, attach.type), 0)
            << type.short_name << " with " << attach.short_name;
        continue;
      }
      // Only attach types that go with the program type: what others mean to it, the kernel does not say.
      if (!in_set(attach.prog_types, type.type) || load_trivial(type.type, attach.type) != 0)
        continue;
      const ReturnRange range = return_range(type.type, attach.type);
      for (int32_t value : {-2, -1, 0, 1, 2, 3, 4, 1000}) {
        const bool mine = !range.limited || (value >= range.min && value <= range.max);
        EXPECT_EQ(load(type.type, attach.type, {set(0, value), kExit}) == 0, mine)
            << type.short_name << " (" << attach.short_name << ") returning " << value;
        asked++;
      }
    }
  }
  EXPECT_GT(asked, 200u);
}

struct MapAttributes {  // of BPF_MAP_CREATE, to map_flags
  uint32_t map_type = 0, key_size = 0, value_size = 0, max_entries = 0, map_flags = 0,
           inner_map_fd = 0, numa_node = 0;
};
int create_map(MapType type, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags) {
  MapAttributes attributes;
  attributes.map_type = static_cast<uint32_t>(type);
  attributes.key_size = key;
  attributes.value_size = value;
  attributes.max_entries = entries;
  attributes.map_flags = flags;
  const long fd = ::syscall(SYS_bpf, 0, &attributes, sizeof attributes);
  return fd < 0 ? -errno : static_cast<int>(fd);
}
// Types that can be made from these attributes alone.
bool is_plain(const MapTypeRow& row) {
  switch (row.type) {
    case MapType::BPF_MAP_TYPE_UNSPEC:
    case MapType::BPF_MAP_TYPE_STRUCT_OPS:
    case MapType::BPF_MAP_TYPE_RHASH:
    case MapType::BPF_MAP_TYPE_INSN_ARRAY:
    case MapType::BPF_MAP_TYPE_ARENA: return false;
    case MapType::BPF_MAP_TYPE_SK_STORAGE:
    case MapType::BPF_MAP_TYPE_INODE_STORAGE:
    case MapType::BPF_MAP_TYPE_TASK_STORAGE:
    case MapType::BPF_MAP_TYPE_CGRP_STORAGE: return false;  // want BTF
    default: return !row.map_in_map;
  }
}
uint32_t entries_of(const MapTypeRow& row) {
  return row.max_entries_zero ? 0 : row.max_entries_power_of_two ? 4096 : 2;
}

TEST(KernelOracle, agrees_on_key_and_value_sizes_and_flags) {
  SKIP_WITHOUT_BPF();
  unsigned asked = 0;
  for (const MapTypeRow& row : map_types()) {
    if (!is_plain(row)) continue;
    const uint32_t key = row.key.min, entries = entries_of(row);
    const uint32_t value = row.value.min;
    const int fd = create_map(row.type, key, value, entries, row.required_flags);
    if (fd < 0) {
      // Not built in; or it wants a capability. Never because of the sizes that the row calls right.
      EXPECT_TRUE(fd == -EPERM || fd == -EINVAL || fd == -EOPNOTSUPP)
          << row.short_name << ": " << std::strerror(-fd);
      ADD_FAILURE() << row.short_name
                    << " with the smallest sizes of its row: " << std::strerror(-fd);
      continue;
    }
    ::close(fd);
    for (uint32_t size :
         {0u, 1u, 2u, 3u, 4u, 5u, 7u, 8u, 12u, 16u, 20u, 64u, 260u, 264u, 512u, 520u}) {
      const int with_key = create_map(row.type, size, value, entries, row.required_flags);
      const int with_value = create_map(row.type, key, size, entries, row.required_flags);
      EXPECT_EQ(with_key >= 0, row.key.allows(size)) << row.short_name << " with a key of " << size;
      EXPECT_EQ(with_value >= 0, row.value.allows(size))
          << row.short_name << " with a value of " << size;
      if (with_key >= 0) ::close(with_key);
      if (with_value >= 0) ::close(with_value);
      asked += 2;
    }
    for (unsigned bit = 0; bit < 14; bit++) {
      const uint32_t flag = 1u << bit;
      if (flag == BPF_F_NUMA_NODE || flag == BPF_F_STACK_BUILD_ID)
        continue;  // NUMA node 0 is not -1; other value sizes
      const int made = create_map(row.type, key, value, entries, row.required_flags ^ flag);
      const bool mine = ((row.required_flags ^ flag) & ~row.flags) == 0 &&
                        ((row.required_flags ^ flag) & row.required_flags) == row.required_flags;
      EXPECT_EQ(made >= 0, mine) << row.short_name << " with flag " << bit;
      if (made >= 0) ::close(made);
      asked++;
    }
  }
  EXPECT_GT(asked, 800u);
}

TEST(KernelOracle, agrees_on_which_maps_a_helper_takes) {
  SKIP_WITHOUT_BPF();
  unsigned asked = 0;
  for (const MapTypeRow& row : map_types()) {
    if (!is_plain(row)) continue;
    const int fd =
        create_map(row.type, row.key.min, row.value.min, entries_of(row), row.required_flags);
    if (fd < 0) continue;
    for (uint32_t id = 1; id < kHelperIds; id++) {
      const Helper* helper = find_helper(id);
      if (helper->arguments[0].kind != ArgKind::const_map_ptr &&
          helper->arguments[1].kind != ArgKind::const_map_ptr)
        continue;
      const uint8_t reg = helper->arguments[0].kind == ArgKind::const_map_ptr ? 1 : 2;
      // The map check comes after the arguments', so give each what it wants where that is easy.
      std::vector<RawInsn> insns{{.opcode = 0xbf, .registers = 0x16}};  // r6 = r1
      for (int16_t slot = -64; slot < 0; slot += 8)
        insns.push_back({.opcode = 0x7a, .registers = 10, .offset = slot});
      bool possible = true;
      for (uint8_t i = 0; i < 5; i++) {
        const auto to = static_cast<uint8_t>(i + 1);
        switch (helper->arguments[i].kind) {
          case ArgKind::none: break;
          case ArgKind::const_map_ptr:
            insns.push_back(
                {.opcode = 0x18, .registers = static_cast<uint8_t>(reg | 0x10), .imm = fd});
            insns.push_back({});
            break;
          case ArgKind::map_key:
          case ArgKind::map_value:
          case ArgKind::mem:
          case ArgKind::stack:
            insns.push_back({.opcode = 0xbf, .registers = static_cast<uint8_t>(to | 0xa0)});
            insns.push_back({.opcode = 0x07, .registers = to, .imm = -64});
            break;
          case ArgKind::mem_size:
          case ArgKind::mem_size_or_zero:
          case ArgKind::alloc_size_or_zero: insns.push_back(set(to, 8)); break;
          case ArgKind::ctx:
            insns.push_back({.opcode = 0xbf, .registers = static_cast<uint8_t>(to | 0x60)});
            break;
          case ArgKind::anything:
          case ArgKind::scalar: insns.push_back(set(to, 0)); break;
          default: possible = false; break;
        }
      }
      if (!possible) continue;
      insns.push_back({.opcode = 0x85, .imm = static_cast<int32_t>(id)});
      insns.push_back(set(0, 0));
      insns.push_back(kExit);
      for (ProgType type : {BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_XDP, BPF_PROG_TYPE_KPROBE,
                            BPF_PROG_TYPE_SOCK_OPS, BPF_PROG_TYPE_SK_SKB, BPF_PROG_TYPE_SK_MSG}) {
        if (!in_set(helper->prog_types, type)) continue;
        std::string log;
        const int error = load(type, AttachType::BPF_CGROUP_INET_INGRESS, insns, &log);
        if (log.find("cannot use helper") != std::string::npos) continue;
        // Socket maps may be updated and deleted from by some program types only.
        const bool sockmap =
            row.type == MapType::BPF_MAP_TYPE_SOCKMAP || row.type == MapType::BPF_MAP_TYPE_SOCKHASH;
        if (sockmap && (id == BPF_FUNC_map_update_elem || id == BPF_FUNC_map_delete_elem)) continue;
        // What the table allows is not refused for the map; what it does not allow is refused, for the map or before.
        const bool for_the_map = log.find("cannot pass map_type") != std::string::npos;
        EXPECT_FALSE(map_helper_allowed(row.type, id) ? for_the_map : error == 0)
            << row.short_name << " into " << helper->name << "\n"
            << log.substr(log.size() - std::min<size_t>(log.size(), 500));
        asked++;
      }
    }
    ::close(fd);
  }
  EXPECT_GT(asked, 500u);
}

}  // namespace
}  // namespace skep::spec
