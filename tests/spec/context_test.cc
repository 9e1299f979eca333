// Context access: what each program type may load and store, and what a loaded pointer becomes.
#include "spec/context.h"

#include <gtest/gtest.h>

#include "spec/context_layout.h"

namespace skep::spec {
namespace {

using enum ProgType;
using enum AttachType;

ContextDenial read(ProgType type, int64_t offset, unsigned size, AttachType attach = {}) {
  return check_context_access(type, attach, offset, size, false).denial;
}
ContextDenial write(ProgType type, int64_t offset, unsigned size, AttachType attach = {}) {
  return check_context_access(type, attach, offset, size, true).denial;
}

TEST(Context, packet_pointers_are_whole_and_become_64_bit_loads_behind_the_struct) {
  const auto data =
      check_context_access(BPF_PROG_TYPE_SCHED_CLS, {}, offsetof(SkBuffContext, data32), 4, false);
  ASSERT_EQ(data.denial, ContextDenial::none);
  EXPECT_EQ(data.field->pointer, PointerKind::packet);
  EXPECT_EQ(data.field->hidden, offsetof(SkBuffContext, data));
  EXPECT_EQ(read(BPF_PROG_TYPE_SCHED_CLS, 76, 2), ContextDenial::size);
  EXPECT_EQ(read(BPF_PROG_TYPE_SCHED_CLS, 78, 2), ContextDenial::size);
  EXPECT_EQ(read(BPF_PROG_TYPE_SOCKET_FILTER, 76, 4), ContextDenial::no_field);
  EXPECT_EQ(check_context_access(BPF_PROG_TYPE_XDP, {}, 0, 4, false, true).denial,
            ContextDenial::sign_extended);
  EXPECT_EQ(check_context_access(BPF_PROG_TYPE_XDP, {}, 4, 4, false).field->pointer,
            PointerKind::packet_end);
}
TEST(Context, numbers_may_be_read_narrow_but_not_written_narrow) {
  EXPECT_EQ(read(BPF_PROG_TYPE_SOCKET_FILTER, 0, 4), ContextDenial::none);
  EXPECT_EQ(read(BPF_PROG_TYPE_SOCKET_FILTER, 1, 1), ContextDenial::none);
  EXPECT_EQ(read(BPF_PROG_TYPE_SOCKET_FILTER, 2, 2), ContextDenial::none);
  EXPECT_EQ(read(BPF_PROG_TYPE_SOCKET_FILTER, 1, 2), ContextDenial::misaligned);
  EXPECT_EQ(read(BPF_PROG_TYPE_SOCKET_FILTER, 0, 8), ContextDenial::size);
  EXPECT_EQ(write(BPF_PROG_TYPE_SCHED_CLS, 8, 4), ContextDenial::none);
  EXPECT_EQ(write(BPF_PROG_TYPE_SCHED_CLS, 8, 2), ContextDenial::size);
  EXPECT_EQ(write(BPF_PROG_TYPE_SOCKET_FILTER, 8, 4), ContextDenial::read_only);
  EXPECT_EQ(write(BPF_PROG_TYPE_SCHED_CLS, 0, 4), ContextDenial::read_only);
}
TEST(Context, the_control_block_takes_any_aligned_access_inside_it) {
  EXPECT_EQ(write(BPF_PROG_TYPE_SOCKET_FILTER, 48, 4), ContextDenial::none);
  EXPECT_EQ(write(BPF_PROG_TYPE_SOCKET_FILTER, 56, 8), ContextDenial::none);
  EXPECT_EQ(write(BPF_PROG_TYPE_SOCKET_FILTER, 64, 8), ContextDenial::size);
  EXPECT_EQ(read(BPF_PROG_TYPE_SOCKET_FILTER, 67, 1), ContextDenial::none);
}
TEST(Context, padding_and_what_lies_outside_is_refused) {
  EXPECT_EQ(read(BPF_PROG_TYPE_SCHED_CLS, 181, 1), ContextDenial::no_field);
  EXPECT_EQ(read(BPF_PROG_TYPE_SCHED_CLS, 192, 8), ContextDenial::outside);  // the hidden pointers
  EXPECT_EQ(read(BPF_PROG_TYPE_SCHED_CLS, -4, 4), ContextDenial::outside);
  EXPECT_EQ(read(BPF_PROG_TYPE_XDP, 24, 4), ContextDenial::outside);
}
TEST(Context, fields_depend_on_the_expected_attach_type) {
  EXPECT_EQ(read(BPF_PROG_TYPE_XDP, 20, 4, BPF_XDP), ContextDenial::attach_type);
  EXPECT_EQ(read(BPF_PROG_TYPE_XDP, 20, 4, BPF_XDP_DEVMAP), ContextDenial::none);
  EXPECT_EQ(read(BPF_PROG_TYPE_CGROUP_SOCK, 24, 4, BPF_CGROUP_INET4_POST_BIND),
            ContextDenial::none);
  EXPECT_EQ(read(BPF_PROG_TYPE_CGROUP_SOCK, 24, 4, BPF_CGROUP_INET6_POST_BIND),
            ContextDenial::attach_type);
  EXPECT_EQ(read(BPF_PROG_TYPE_CGROUP_SOCK, 44, 4, BPF_CGROUP_INET4_POST_BIND),
            ContextDenial::none);
  EXPECT_EQ(write(BPF_PROG_TYPE_CGROUP_SOCK, 44, 4, BPF_CGROUP_INET4_POST_BIND),
            ContextDenial::read_only);
  EXPECT_EQ(write(BPF_PROG_TYPE_CGROUP_SOCK, 16, 4, BPF_CGROUP_INET_SOCK_CREATE),
            ContextDenial::none);
  EXPECT_EQ(write(BPF_PROG_TYPE_CGROUP_SOCK, 16, 4, BPF_CGROUP_INET4_POST_BIND),
            ContextDenial::attach_type);
  EXPECT_EQ(write(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 4, 4, BPF_CGROUP_INET4_BIND),
            ContextDenial::none);
  EXPECT_EQ(read(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 4, 4, BPF_CGROUP_INET6_BIND),
            ContextDenial::attach_type);
  EXPECT_EQ(write(BPF_PROG_TYPE_CGROUP_SOCKOPT, 36, 4, BPF_CGROUP_GETSOCKOPT), ContextDenial::none);
  EXPECT_EQ(write(BPF_PROG_TYPE_CGROUP_SOCKOPT, 28, 4, BPF_CGROUP_GETSOCKOPT),
            ContextDenial::attach_type);
  EXPECT_EQ(write(BPF_PROG_TYPE_CGROUP_SOCKOPT, 28, 4, BPF_CGROUP_SETSOCKOPT), ContextDenial::none);
}
TEST(Context, ipv6_addresses_may_be_accessed_in_pairs_of_words) {
  EXPECT_EQ(read(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 8, 8, BPF_CGROUP_INET6_CONNECT),
            ContextDenial::none);
  EXPECT_EQ(write(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 16, 8, BPF_CGROUP_INET6_CONNECT),
            ContextDenial::none);
  EXPECT_EQ(read(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 24, 8, BPF_CGROUP_INET6_CONNECT),
            ContextDenial::size);
  EXPECT_EQ(read(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 12, 8, BPF_CGROUP_INET6_CONNECT),
            ContextDenial::misaligned);
}
TEST(Context, tracing_contexts_are_bytes) {
  EXPECT_EQ(read(BPF_PROG_TYPE_TRACEPOINT, 0, 8),
            ContextDenial::outside);  // the record's common part
  EXPECT_EQ(read(BPF_PROG_TYPE_TRACEPOINT, 8, 4), ContextDenial::none);
  EXPECT_EQ(read(BPF_PROG_TYPE_TRACEPOINT, 24, 8), ContextDenial::none);
  EXPECT_EQ(read(BPF_PROG_TYPE_TRACEPOINT, 8192, 8), ContextDenial::outside);
  EXPECT_EQ(write(BPF_PROG_TYPE_TRACEPOINT, 16, 8), ContextDenial::read_only);
  EXPECT_EQ(read(BPF_PROG_TYPE_KPROBE, 112, 8), ContextDenial::none);
  EXPECT_EQ(read(BPF_PROG_TYPE_KPROBE, 160, 8), ContextDenial::none);
  EXPECT_EQ(read(BPF_PROG_TYPE_KPROBE, 168, 8), ContextDenial::outside);
  EXPECT_EQ(read(BPF_PROG_TYPE_RAW_TRACEPOINT, 88, 8), ContextDenial::none);
  EXPECT_EQ(read(BPF_PROG_TYPE_RAW_TRACEPOINT, 96, 8), ContextDenial::outside);
  EXPECT_EQ(read(BPF_PROG_TYPE_PERF_EVENT, 0, 4), ContextDenial::size);
  EXPECT_EQ(read(BPF_PROG_TYPE_PERF_EVENT, 168, 1), ContextDenial::none);
}
TEST(Context, pointers_to_sockets_say_what_they_point_to) {
  EXPECT_EQ(check_context_access(BPF_PROG_TYPE_SOCKET_FILTER, {}, 168, 8, false).field->pointer,
            PointerKind::sock_common_or_null);
  EXPECT_EQ(
      check_context_access(BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, 0, 8, false).field->pointer,
      PointerKind::socket_or_null);
  EXPECT_EQ(check_pointed_access(PointedStruct::bpf_sock, 8, 4, false).denial, ContextDenial::none);
  EXPECT_EQ(check_pointed_access(PointedStruct::bpf_sock_common, 8, 4, false).denial,
            ContextDenial::no_field);
  EXPECT_EQ(check_pointed_access(PointedStruct::bpf_sock, 0, 4, true).denial,
            ContextDenial::read_only);
  EXPECT_EQ(check_pointed_access(PointedStruct::bpf_sock, 48, 4, false).denial,
            ContextDenial::none);
  EXPECT_EQ(check_pointed_access(PointedStruct::bpf_tcp_sock, 80, 8, false).denial,
            ContextDenial::none);
  EXPECT_EQ(check_pointed_access(PointedStruct::bpf_tcp_sock, 80, 4, false).denial,
            ContextDenial::size);
  EXPECT_EQ(check_pointed_access(PointedStruct::bpf_flow_keys, 16, 4, true).denial,
            ContextDenial::none);
}
TEST(Context, every_allowed_access_is_aligned_and_inside) {
  for (const ContextRow& row : contexts()) {
    for (int64_t offset = -16; offset < 300; offset++) {
      for (unsigned size : {1u, 2u, 4u, 8u}) {
        for (uint32_t attach = 0; attach < kAttachTypes; attach++) {
          const auto access =
              check_context_access(row.type, static_cast<AttachType>(attach), offset, size, false);
          if (access.denial != ContextDenial::none) continue;
          ASSERT_GE(offset, row.min_offset) << row.name;
          ASSERT_LE(offset + size, row.size) << row.name;
          if (row.rule != ContextRule::unaligned) {
            ASSERT_EQ(offset % size, 0) << row.name;
          }
          if (access.field != nullptr && access.field->pointer != PointerKind::none) {
            ASSERT_EQ(size, access.field->size) << row.name;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace skep::spec
