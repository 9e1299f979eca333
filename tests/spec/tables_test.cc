// The tables against each other, and against facts that every user of eBPF knows by heart. Order and
// uniqueness are static_asserts beside the rows.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "spec/attach_types.h"
#include "spec/commands.h"
#include "spec/context.h"
#include "spec/context_layout.h"
#include "spec/features.h"
#include "spec/helpers.h"
#include "spec/kfuncs.h"
#include "spec/lookup.h"
#include "spec/map_types.h"
#include "spec/prog_types.h"
#include "spec/sections.h"

namespace skep::spec {
namespace {

using enum ProgType;
using enum AttachType;
using enum MapType;

// ---- helpers ----

unsigned arguments_in(std::string_view prototype) {
  const auto open = prototype.find('('), close = prototype.rfind(')');
  const std::string_view list = prototype.substr(open + 1, close - open - 1);
  return list == "void" ? 0 : 1 + static_cast<unsigned>(std::ranges::count(list, ','));
}
TEST(Helpers, prototypes_have_as_many_arguments_as_the_verifier_checks) {
  for (const Helper& row : helpers()) {
    const bool variadic = row.prototype.ends_with("...)");
    const unsigned declared = arguments_in(row.prototype);
    if (variadic) {
      EXPECT_EQ(row.argument_count(), declared - 1) << row.name;
    } else if (row.id != BPF_FUNC_tcp_send_ack && row.id != BPF_FUNC_dynptr_read) {
      EXPECT_LE(row.argument_count(), declared) << row.name;
    }
    EXPECT_NE(row.prototype.find("bpf_" + std::string(row.name) + "("), std::string_view::npos)
        << row.name;
  }
}
TEST(Helpers, a_size_follows_the_memory_that_it_measures) {
  for (const Helper& row : helpers()) {
    for (unsigned i = 0; i < row.argument_count(); i++) {
      const Argument& argument = row.arguments[i];
      const bool is_size =
          argument.kind == ArgKind::mem_size || argument.kind == ArgKind::mem_size_or_zero;
      if (is_size) {
        ASSERT_GT(i, 0u) << row.name;
        EXPECT_EQ(row.arguments[i - 1].kind, ArgKind::mem) << row.name;
      }
      if (argument.kind == ArgKind::mem) {
        const bool next_is_size =
            i + 1 < 5 && (row.arguments[i + 1].kind == ArgKind::mem_size ||
                          row.arguments[i + 1].kind == ArgKind::mem_size_or_zero);
        EXPECT_NE(next_is_size, argument.has(kFixedSize)) << row.name << " argument " << i + 1;
        EXPECT_EQ(argument.has(kFixedSize), argument.size != 0) << row.name;
      }
    }
  }
}
TEST(Helpers, every_id_has_its_name_and_is_found_by_it) {
  for (uint32_t id = 1; id < kHelperIds; id++) {
    const Helper* row = find_helper(id);
    ASSERT_NE(row, nullptr) << id;
    EXPECT_EQ(find_helper(row->name), row);
    EXPECT_EQ(find_helper("bpf_" + std::string(row->name)), row);
    EXPECT_NE(row->prog_types, 0u) << row->name;
    EXPECT_GE(row->since, kernel_version(3, 19)) << row->name;
  }
  EXPECT_EQ(find_helper(0u), nullptr);
  EXPECT_EQ(find_helper(kHelperIds), nullptr);
  EXPECT_EQ(find_helper("BPF_FUNC_tail_call")->id, 12u);
#define SKEP_CHECK_NAME(helper, number) EXPECT_EQ(find_helper(uint32_t{number})->name, #helper);
  SKEP_HELPER_IDS(SKEP_CHECK_NAME)
#undef SKEP_CHECK_NAME
}
TEST(Helpers, program_types_get_the_helpers_that_the_kernel_gives_them) {
  EXPECT_NE(find_helper(BPF_FUNC_map_lookup_elem, BPF_PROG_TYPE_XDP), nullptr);
  EXPECT_EQ(find_helper(BPF_FUNC_xdp_adjust_head, BPF_PROG_TYPE_KPROBE), nullptr);
  EXPECT_NE(find_helper(BPF_FUNC_xdp_adjust_head, BPF_PROG_TYPE_XDP), nullptr);
  EXPECT_EQ(find_helper(BPF_FUNC_probe_read, BPF_PROG_TYPE_SOCKET_FILTER), nullptr);
  EXPECT_NE(find_helper(BPF_FUNC_override_return, BPF_PROG_TYPE_KPROBE), nullptr);
  EXPECT_EQ(find_helper(BPF_FUNC_override_return, BPF_PROG_TYPE_TRACEPOINT), nullptr);
  EXPECT_NE(find_helper(BPF_FUNC_get_stackid, BPF_PROG_TYPE_PERF_EVENT), nullptr);
  EXPECT_EQ(find_helper(BPF_FUNC_rc_repeat, BPF_PROG_TYPE_XDP), nullptr);
  EXPECT_EQ(find_helper(BPF_FUNC_skb_pull_data, BPF_PROG_TYPE_LWT_SEG6LOCAL), nullptr);
  EXPECT_EQ(find_helper(BPF_FUNC_spin_lock, BPF_PROG_TYPE_LIRC_MODE2), nullptr);
}
TEST(Helpers, one_id_may_have_other_arguments_in_other_program_types) {
  EXPECT_EQ(find_helper(BPF_FUNC_get_socket_cookie, BPF_PROG_TYPE_SOCKET_FILTER)->arguments[0].kind,
            ArgKind::ctx);
  EXPECT_EQ(find_helper(BPF_FUNC_get_socket_cookie, BPF_PROG_TYPE_TRACING)->arguments[0].kind,
            ArgKind::btf_id_sock_common);
  EXPECT_EQ(find_helper(BPF_FUNC_redirect_map, BPF_PROG_TYPE_KPROBE), nullptr);
}
TEST(Helpers, properties_that_the_verifier_relies_on) {
  EXPECT_TRUE(find_helper(BPF_FUNC_ringbuf_reserve)->acquires);
  EXPECT_TRUE(find_helper(BPF_FUNC_ringbuf_submit)->releases());
  EXPECT_TRUE(find_helper(BPF_FUNC_skb_change_tail)->changes_packet);
  EXPECT_TRUE(find_helper(BPF_FUNC_tail_call)->changes_packet);
  EXPECT_TRUE(find_helper(BPF_FUNC_trace_printk)->gpl_only);
  EXPECT_FALSE(find_helper(BPF_FUNC_map_update_elem)->gpl_only);
  EXPECT_TRUE(find_helper(BPF_FUNC_copy_from_user)->might_sleep);
  EXPECT_TRUE(find_helper(BPF_FUNC_map_lookup_elem)->packet_access);
  EXPECT_TRUE(find_helper(BPF_FUNC_loop)->has_callback());
  EXPECT_EQ(find_helper(BPF_FUNC_map_lookup_elem)->returns, ReturnKind::map_value);
  EXPECT_TRUE(find_helper(BPF_FUNC_map_lookup_elem)->return_flags & kMaybeNull);
  EXPECT_EQ(find_helper(BPF_FUNC_get_current_task_btf)->return_btf_type, "task_struct");
  EXPECT_EQ(find_helper(BPF_FUNC_get_current_comm)->arguments[0].flags, kUninit | kWrite);
  EXPECT_EQ(find_helper(BPF_FUNC_strtol)->arguments[3].size, 8);
  EXPECT_TRUE(in_set(find_helper(BPF_FUNC_get_retval, BPF_PROG_TYPE_CGROUP_SOCK_ADDR)->attach_types,
                     BPF_CGROUP_INET4_BIND));
  EXPECT_FALSE(
      in_set(find_helper(BPF_FUNC_get_retval, BPF_PROG_TYPE_CGROUP_SOCK_ADDR)->attach_types,
             BPF_CGROUP_UDP4_RECVMSG));
}
TEST(Helpers, map_helpers_take_the_maps_that_the_kernel_lets_them) {
  EXPECT_TRUE(map_helper_allowed(BPF_MAP_TYPE_HASH, BPF_FUNC_map_lookup_elem));
  EXPECT_FALSE(map_helper_allowed(BPF_MAP_TYPE_PROG_ARRAY, BPF_FUNC_map_lookup_elem));
  EXPECT_TRUE(map_helper_allowed(BPF_MAP_TYPE_PROG_ARRAY, BPF_FUNC_tail_call));
  EXPECT_FALSE(map_helper_allowed(BPF_MAP_TYPE_RINGBUF, BPF_FUNC_map_update_elem));
  EXPECT_TRUE(map_helper_allowed(BPF_MAP_TYPE_RINGBUF, BPF_FUNC_ringbuf_output));
  EXPECT_FALSE(map_helper_allowed(BPF_MAP_TYPE_ARRAY_OF_MAPS, BPF_FUNC_map_update_elem));
  EXPECT_TRUE(map_helper_allowed(BPF_MAP_TYPE_BLOOM_FILTER, BPF_FUNC_map_peek_elem));
  EXPECT_FALSE(map_helper_allowed(BPF_MAP_TYPE_BLOOM_FILTER, BPF_FUNC_map_pop_elem));
  EXPECT_TRUE(map_helper_allowed(BPF_MAP_TYPE_STACK_TRACE, BPF_FUNC_get_stackid));
  EXPECT_FALSE(map_helper_allowed(BPF_MAP_TYPE_INSN_ARRAY, BPF_FUNC_map_lookup_elem));
}
TEST(Helpers, a_map_argument_names_the_maps_it_takes) {
  for (const Helper& row : helpers()) {
    const bool takes_map = std::ranges::any_of(
        row.arguments, [](const Argument& a) { return a.kind == ArgKind::const_map_ptr; });
    const bool any_map = row.id == BPF_FUNC_timer_init;
    if (takes_map && !any_map) {
      EXPECT_NE(row.map_types, 0u) << row.name;
    }
    if (!takes_map) {
      EXPECT_EQ(row.map_types, 0u) << row.name;
    }
  }
}

// ---- maps, programs, attach types ----

TEST(MapTypes, are_found_by_every_name_and_say_their_sizes) {
  for (const MapTypeRow& row : map_types()) {
    EXPECT_EQ(find_map_type(row.name), &row);
    EXPECT_EQ(find_map_type(row.short_name), &row);
  }
  EXPECT_EQ(find_map_type("PERCPU_HASH")->type, BPF_MAP_TYPE_PERCPU_HASH);
  EXPECT_EQ(find_map_type("hsah"), nullptr);
  EXPECT_TRUE(find_map_type(BPF_MAP_TYPE_ARRAY)->key.allows(4));
  EXPECT_FALSE(find_map_type(BPF_MAP_TYPE_ARRAY)->key.allows(8));
  EXPECT_FALSE(find_map_type(BPF_MAP_TYPE_ARRAY)->value.allows(0));
  EXPECT_TRUE(find_map_type(BPF_MAP_TYPE_RINGBUF)->value.allows(0));
  EXPECT_FALSE(find_map_type(BPF_MAP_TYPE_STACK_TRACE)->value.allows(12));
  EXPECT_TRUE(find_map_type(BPF_MAP_TYPE_PERCPU_ARRAY)->per_cpu);
}
TEST(ProgTypes, are_found_by_every_name) {
  for (const ProgTypeRow& row : prog_types()) {
    EXPECT_EQ(find_prog_type(row.name), &row);
    EXPECT_EQ(find_prog_type(row.short_name), &row);
    EXPECT_EQ(find_prog_type(row.type), &row);
  }
  EXPECT_EQ(find_prog_type(static_cast<ProgType>(99)), nullptr);
}
TEST(AttachTypes, go_with_the_program_types_that_expect_them) {
  EXPECT_TRUE(attach_type_allowed(BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET4_POST_BIND));
  EXPECT_FALSE(attach_type_allowed(BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET4_BIND));
  EXPECT_FALSE(attach_type_allowed(BPF_PROG_TYPE_SYSCALL, BPF_CGROUP_INET_EGRESS));
  EXPECT_TRUE(attach_type_allowed(BPF_PROG_TYPE_KPROBE, BPF_TRACE_UPROBE_MULTI));
  EXPECT_EQ(fixed_attach_type(BPF_PROG_TYPE_CGROUP_SOCK, {}), BPF_CGROUP_INET_SOCK_CREATE);
  for (const AttachTypeRow& row : attach_types()) EXPECT_EQ(find_attach_type(row.name), &row);
}
TEST(AttachTypes, limit_what_programs_return) {
  EXPECT_FALSE(return_range(BPF_PROG_TYPE_KPROBE, {}).limited);
  EXPECT_TRUE(return_range(BPF_PROG_TYPE_KPROBE, BPF_TRACE_KPROBE_SESSION).limited);
  EXPECT_FALSE(return_range(BPF_PROG_TYPE_XDP, BPF_XDP).limited);
  EXPECT_EQ(return_range(BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET4_POST_BIND).max, 1);
  EXPECT_EQ(return_range(BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS).max, 3);
  EXPECT_EQ(return_range(BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS).max, 1);
  EXPECT_EQ(return_range(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UDP4_RECVMSG).min, 1);
  EXPECT_EQ(return_range(BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY).max, 0);
  EXPECT_FALSE(return_range(BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN).limited);
}

// ---- sections ----

struct Parsed {
  ProgType type;
  std::string target;
};
void expect_section(std::string_view name, ProgType type, std::string_view target) {
  const auto found = parse_section_name(name);
  ASSERT_TRUE(found) << name;
  EXPECT_EQ(found->section->prog_type, type) << name;
  EXPECT_EQ(found->target, target) << name;
}
TEST(Sections, names_mean_programs) {
  expect_section("xdp", BPF_PROG_TYPE_XDP, "");
  expect_section("kprobe/do_unlinkat", BPF_PROG_TYPE_KPROBE, "do_unlinkat");
  expect_section("kprobe", BPF_PROG_TYPE_KPROBE, "");
  expect_section("uprobe//usr/lib/libc.so.6:malloc+4", BPF_PROG_TYPE_KPROBE,
                 "/usr/lib/libc.so.6:malloc+4");
  expect_section("tracepoint/syscalls/sys_enter_openat", BPF_PROG_TYPE_TRACEPOINT,
                 "syscalls/sys_enter_openat");
  expect_section("tp/sched/sched_switch", BPF_PROG_TYPE_TRACEPOINT, "sched/sched_switch");
  expect_section("cgroup/post_bind4", BPF_PROG_TYPE_CGROUP_SOCK, "");
  expect_section("socket", BPF_PROG_TYPE_SOCKET_FILTER, "");
  expect_section("lsm.s/file_open", BPF_PROG_TYPE_LSM, "file_open");
  expect_section("usdt/./a.out:prov:name", BPF_PROG_TYPE_KPROBE, "./a.out:prov:name");
}
TEST(Sections, unknown_names_mean_nothing) {
  EXPECT_FALSE(parse_section_name("xdp2"));
  EXPECT_FALSE(parse_section_name("xdp/whatever"));
  EXPECT_FALSE(parse_section_name("kprobes/x"));
  EXPECT_FALSE(parse_section_name(""));
  EXPECT_FALSE(parse_section_name(".maps"));
}
TEST(Sections, a_question_mark_keeps_the_program_from_loading) {
  const auto found = parse_section_name("?fentry.s/vfs_read");
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->autoload);
  EXPECT_TRUE(found->section->sleepable);
  EXPECT_TRUE(found->section->attach_btf);
  EXPECT_TRUE(parse_section_name("xdp")->autoload);
}
TEST(Sections, all_116_rows_name_known_types_and_find_themselves) {
  EXPECT_EQ(sections().size(), 116u);
  for (const Section& row : sections()) {
    ASSERT_NE(find_prog_type(row.prog_type), nullptr) << row.prefix;
    const auto found = parse_section_name(row.prefix);
    ASSERT_TRUE(found) << row.prefix;
    EXPECT_EQ(found->section, &row) << row.prefix;
    if (row.has_attach_type) {
      const AttachTypeRow* attach = find_attach_type(row.attach_type);
      ASSERT_NE(attach, nullptr);
      EXPECT_TRUE(in_set(attach->prog_types, row.prog_type)) << row.prefix;
      EXPECT_TRUE(attach_type_allowed(row.prog_type, row.attach_type)) << row.prefix;
    }
    if (row.sleepable) {
      EXPECT_TRUE(find_prog_type(row.prog_type)->can_sleep) << row.prefix;
    }
    if (row.user == UserStatus::works) {
      EXPECT_EQ(find_prog_type(row.prog_type)->user, UserStatus::works) << row.prefix;
    }
  }
}
TEST(Sections, probes_on_return_say_so) {
  for (const Section& row : sections()) {
    const bool named = row.prefix.starts_with("kret") || row.prefix.starts_with("uret");
    EXPECT_EQ(row.is_return, named) << row.prefix;
  }
}

// ---- commands, features, kfuncs, names ----

TEST(Commands, have_the_kernels_numbers) {
  EXPECT_EQ(find_command(0)->name, "BPF_MAP_CREATE");
  EXPECT_EQ(find_command(5)->name, "BPF_PROG_LOAD");
  EXPECT_EQ(find_command(28)->name, "BPF_LINK_CREATE");
  EXPECT_EQ(find_command(36)->name, "BPF_TOKEN_CREATE");
  EXPECT_EQ(find_command(1000), nullptr);
  EXPECT_EQ(find_link_type(LinkType::BPF_LINK_TYPE_XDP)->short_name, "xdp");
}
TEST(Features, have_unique_names) {
  std::set<std::string_view> names;
  for (const FeatureRow& row : features()) EXPECT_TRUE(names.insert(row.name).second) << row.name;
  EXPECT_EQ(feature(Feature::bounded_loops).since, kernel_version(5, 3));
  EXPECT_EQ(btf_kinds()[4].name, "BTF_KIND_STRUCT");
}
TEST(Kfuncs, are_found_by_name) {
  for (const Kfunc& row : kfuncs()) {
    EXPECT_EQ(find_kfunc(row.name), &row);
    EXPECT_NE(row.prototype.find(std::string(row.name) + "("), std::string_view::npos) << row.name;
  }
  EXPECT_EQ(find_kfunc("bpf_no_such"), nullptr);
}
TEST(Lookup, counts_edits) {
  EXPECT_EQ(edit_distance("kprobe", "kprobe", 5), 0u);
  EXPECT_EQ(edit_distance("hsah", "hash", 5), 1u);  // neighbours swapped
  EXPECT_EQ(edit_distance("aray", "array", 5), 1u);
  EXPECT_EQ(edit_distance("", "abc", 5), 3u);
  EXPECT_EQ(edit_distance("abcdef", "uvwxyz", 2), 3u);
}
TEST(Lookup, suggests_the_nearest_name_only_where_it_is_near) {
  EXPECT_EQ(closest_name("percpu_hsah", map_types(), &MapTypeRow::short_name), "percpu_hash");
  EXPECT_EQ(closest_name("map_lokup_elem", helpers(), &Helper::name), "map_lookup_elem");
  EXPECT_EQ(closest_name("tracepont", sections(), &Section::prefix), "tracepoint");
  EXPECT_EQ(closest_name("frobnicate", sections(), &Section::prefix), "");
}

}  // namespace
}  // namespace skep::spec
