// The commands of bpf(2), by number; and link types. Rows in commands.cc.
#pragma once

#include <span>
#include <string_view>

#include "spec/types.h"

namespace skep::spec {

// clang-format off
enum class Command : uint32_t {
  BPF_MAP_CREATE, BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM, BPF_MAP_GET_NEXT_KEY, BPF_PROG_LOAD,
  BPF_OBJ_PIN, BPF_OBJ_GET, BPF_PROG_ATTACH, BPF_PROG_DETACH, BPF_PROG_TEST_RUN, BPF_PROG_GET_NEXT_ID,
  BPF_MAP_GET_NEXT_ID, BPF_PROG_GET_FD_BY_ID, BPF_MAP_GET_FD_BY_ID, BPF_OBJ_GET_INFO_BY_FD, BPF_PROG_QUERY,
  BPF_RAW_TRACEPOINT_OPEN, BPF_BTF_LOAD, BPF_BTF_GET_FD_BY_ID, BPF_TASK_FD_QUERY, BPF_MAP_LOOKUP_AND_DELETE_ELEM,
  BPF_MAP_FREEZE, BPF_BTF_GET_NEXT_ID, BPF_MAP_LOOKUP_BATCH, BPF_MAP_LOOKUP_AND_DELETE_BATCH, BPF_MAP_UPDATE_BATCH,
  BPF_MAP_DELETE_BATCH, BPF_LINK_CREATE, BPF_LINK_UPDATE, BPF_LINK_GET_FD_BY_ID, BPF_LINK_GET_NEXT_ID, BPF_ENABLE_STATS,
  BPF_ITER_CREATE, BPF_LINK_DETACH, BPF_PROG_BIND_MAP, BPF_TOKEN_CREATE, BPF_PROG_STREAM_READ_BY_FD,
  BPF_PROG_ASSOC_STRUCT_OPS,
};
enum class LinkType : uint32_t {
  BPF_LINK_TYPE_UNSPEC, BPF_LINK_TYPE_RAW_TRACEPOINT, BPF_LINK_TYPE_TRACING, BPF_LINK_TYPE_CGROUP, BPF_LINK_TYPE_ITER,
  BPF_LINK_TYPE_NETNS, BPF_LINK_TYPE_XDP, BPF_LINK_TYPE_PERF_EVENT, BPF_LINK_TYPE_KPROBE_MULTI,
  BPF_LINK_TYPE_STRUCT_OPS, BPF_LINK_TYPE_NETFILTER, BPF_LINK_TYPE_TCX, BPF_LINK_TYPE_UPROBE_MULTI,
  BPF_LINK_TYPE_NETKIT, BPF_LINK_TYPE_SOCKMAP, BPF_LINK_TYPE_TRACING_MULTI,
};
// clang-format on

struct CommandRow {
  Command command{};
  std::string_view name;  // "BPF_MAP_CREATE"
  KernelVersion since = 0;
  std::string_view summary;
};
struct LinkTypeRow {
  LinkType type{};
  std::string_view name;        // "BPF_LINK_TYPE_CGROUP"
  std::string_view short_name;  // "cgroup"
  KernelVersion since = 0;
};

[[nodiscard]] std::span<const CommandRow> commands();
[[nodiscard]] const CommandRow* find_command(uint32_t number);
[[nodiscard]] std::span<const LinkTypeRow> link_types();
[[nodiscard]] const LinkTypeRow* find_link_type(LinkType type);

}  // namespace skep::spec
