// The rows of bpf(2)'s commands and of the link types. Facts: include/uapi/linux/bpf.h of Linux 7.3.
#include "spec/commands.h"

#include <iterator>

namespace skep::spec {
namespace {

constexpr KernelVersion v(unsigned major, unsigned minor) { return kernel_version(major, minor); }

// clang-format off
constexpr CommandRow kCommands[] = {
    {Command::BPF_MAP_CREATE, "BPF_MAP_CREATE", v(3, 18), "make a map"},
    {Command::BPF_MAP_LOOKUP_ELEM, "BPF_MAP_LOOKUP_ELEM", v(3, 18), "copy out the value of a key"},
    {Command::BPF_MAP_UPDATE_ELEM, "BPF_MAP_UPDATE_ELEM", v(3, 18), "set the value of a key"},
    {Command::BPF_MAP_DELETE_ELEM, "BPF_MAP_DELETE_ELEM", v(3, 18), "remove a key"},
    {Command::BPF_MAP_GET_NEXT_KEY, "BPF_MAP_GET_NEXT_KEY", v(3, 18), "walk the keys"},
    {Command::BPF_PROG_LOAD, "BPF_PROG_LOAD", v(3, 18), "verify and load a program"},
    {Command::BPF_OBJ_PIN, "BPF_OBJ_PIN", v(4, 4), "give an object a path"},
    {Command::BPF_OBJ_GET, "BPF_OBJ_GET", v(4, 4), "open an object by its path"},
    {Command::BPF_PROG_ATTACH, "BPF_PROG_ATTACH", v(4, 10), "attach a program to a cgroup, socket map or device"},
    {Command::BPF_PROG_DETACH, "BPF_PROG_DETACH", v(4, 10), "undo PROG_ATTACH"},
    {Command::BPF_PROG_TEST_RUN, "BPF_PROG_TEST_RUN", v(4, 12), "run a program on given data"},
    {Command::BPF_PROG_GET_NEXT_ID, "BPF_PROG_GET_NEXT_ID", v(4, 13), "walk the programs"},
    {Command::BPF_MAP_GET_NEXT_ID, "BPF_MAP_GET_NEXT_ID", v(4, 13), "walk the maps"},
    {Command::BPF_PROG_GET_FD_BY_ID, "BPF_PROG_GET_FD_BY_ID", v(4, 13), "open a program by id"},
    {Command::BPF_MAP_GET_FD_BY_ID, "BPF_MAP_GET_FD_BY_ID", v(4, 13), "open a map by id"},
    {Command::BPF_OBJ_GET_INFO_BY_FD, "BPF_OBJ_GET_INFO_BY_FD", v(4, 13), "describe an object"},
    {Command::BPF_PROG_QUERY, "BPF_PROG_QUERY", v(4, 15), "list the programs attached to a hook"},
    {Command::BPF_RAW_TRACEPOINT_OPEN, "BPF_RAW_TRACEPOINT_OPEN", v(4, 17), "attach to a raw tracepoint"},
    {Command::BPF_BTF_LOAD, "BPF_BTF_LOAD", v(4, 18), "load BTF"},
    {Command::BPF_BTF_GET_FD_BY_ID, "BPF_BTF_GET_FD_BY_ID", v(4, 18), "open BTF by id"},
    {Command::BPF_TASK_FD_QUERY, "BPF_TASK_FD_QUERY", v(4, 18), "say what a perf event fd traces"},
    {Command::BPF_MAP_LOOKUP_AND_DELETE_ELEM, "BPF_MAP_LOOKUP_AND_DELETE_ELEM", v(4, 20), "take a value out"},
    {Command::BPF_MAP_FREEZE, "BPF_MAP_FREEZE", v(5, 2), "make a map read-only to user space"},
    {Command::BPF_BTF_GET_NEXT_ID, "BPF_BTF_GET_NEXT_ID", v(5, 4), "walk the BTF objects"},
    {Command::BPF_MAP_LOOKUP_BATCH, "BPF_MAP_LOOKUP_BATCH", v(5, 6), "copy out many values"},
    {Command::BPF_MAP_LOOKUP_AND_DELETE_BATCH, "BPF_MAP_LOOKUP_AND_DELETE_BATCH", v(5, 6), "take many values out"},
    {Command::BPF_MAP_UPDATE_BATCH, "BPF_MAP_UPDATE_BATCH", v(5, 6), "set many values"},
    {Command::BPF_MAP_DELETE_BATCH, "BPF_MAP_DELETE_BATCH", v(5, 6), "remove many keys"},
    {Command::BPF_LINK_CREATE, "BPF_LINK_CREATE", v(5, 7), "attach a program, as an object"},
    {Command::BPF_LINK_UPDATE, "BPF_LINK_UPDATE", v(5, 7), "replace the program of a link"},
    {Command::BPF_LINK_GET_FD_BY_ID, "BPF_LINK_GET_FD_BY_ID", v(5, 8), "open a link by id"},
    {Command::BPF_LINK_GET_NEXT_ID, "BPF_LINK_GET_NEXT_ID", v(5, 8), "walk the links"},
    {Command::BPF_ENABLE_STATS, "BPF_ENABLE_STATS", v(5, 8), "count runs and run time while the fd is open"},
    {Command::BPF_ITER_CREATE, "BPF_ITER_CREATE", v(5, 8), "open a BPF iterator for reading"},
    {Command::BPF_LINK_DETACH, "BPF_LINK_DETACH", v(5, 9), "detach a link by force"},
    {Command::BPF_PROG_BIND_MAP, "BPF_PROG_BIND_MAP", v(5, 10), "keep a map as long as a program"},
    {Command::BPF_TOKEN_CREATE, "BPF_TOKEN_CREATE", v(6, 9), "delegate BPF rights"},
    {Command::BPF_PROG_STREAM_READ_BY_FD, "BPF_PROG_STREAM_READ_BY_FD", v(6, 17), "read a program's output streams"},
    {Command::BPF_PROG_ASSOC_STRUCT_OPS, "BPF_PROG_ASSOC_STRUCT_OPS", v(7, 0), "tie a program to a struct_ops map"},
};
constexpr LinkTypeRow kLinkTypes[] = {
    {LinkType::BPF_LINK_TYPE_UNSPEC, "BPF_LINK_TYPE_UNSPEC", "unspec", v(5, 7)},
    {LinkType::BPF_LINK_TYPE_RAW_TRACEPOINT, "BPF_LINK_TYPE_RAW_TRACEPOINT", "raw_tracepoint", v(5, 7)},
    {LinkType::BPF_LINK_TYPE_TRACING, "BPF_LINK_TYPE_TRACING", "tracing", v(5, 7)},
    {LinkType::BPF_LINK_TYPE_CGROUP, "BPF_LINK_TYPE_CGROUP", "cgroup", v(5, 7)},
    {LinkType::BPF_LINK_TYPE_ITER, "BPF_LINK_TYPE_ITER", "iter", v(5, 8)},
    {LinkType::BPF_LINK_TYPE_NETNS, "BPF_LINK_TYPE_NETNS", "netns", v(5, 8)},
    {LinkType::BPF_LINK_TYPE_XDP, "BPF_LINK_TYPE_XDP", "xdp", v(5, 9)},
    {LinkType::BPF_LINK_TYPE_PERF_EVENT, "BPF_LINK_TYPE_PERF_EVENT", "perf_event", v(5, 15)},
    {LinkType::BPF_LINK_TYPE_KPROBE_MULTI, "BPF_LINK_TYPE_KPROBE_MULTI", "kprobe_multi", v(5, 18)},
    {LinkType::BPF_LINK_TYPE_STRUCT_OPS, "BPF_LINK_TYPE_STRUCT_OPS", "struct_ops", v(6, 4)},
    {LinkType::BPF_LINK_TYPE_NETFILTER, "BPF_LINK_TYPE_NETFILTER", "netfilter", v(6, 4)},
    {LinkType::BPF_LINK_TYPE_TCX, "BPF_LINK_TYPE_TCX", "tcx", v(6, 6)},
    {LinkType::BPF_LINK_TYPE_UPROBE_MULTI, "BPF_LINK_TYPE_UPROBE_MULTI", "uprobe_multi", v(6, 6)},
    {LinkType::BPF_LINK_TYPE_NETKIT, "BPF_LINK_TYPE_NETKIT", "netkit", v(6, 7)},
    {LinkType::BPF_LINK_TYPE_SOCKMAP, "BPF_LINK_TYPE_SOCKMAP", "sockmap", v(6, 10)},
    {LinkType::BPF_LINK_TYPE_TRACING_MULTI, "BPF_LINK_TYPE_TRACING_MULTI", "tracing_multi", v(7, 2)},
};
// clang-format on

consteval bool rows_are_numbered() {
  for (uint32_t i = 0; i < std::size(kCommands); i++) {
    if (static_cast<uint32_t>(kCommands[i].command) != i) return false;
  }
  for (uint32_t i = 0; i < std::size(kLinkTypes); i++) {
    if (static_cast<uint32_t>(kLinkTypes[i].type) != i) return false;
  }
  return true;
}
static_assert(rows_are_numbered());

}  // namespace

std::span<const CommandRow> commands() { return kCommands; }
const CommandRow* find_command(uint32_t number) {
  return number < std::size(kCommands) ? &kCommands[number] : nullptr;
}
std::span<const LinkTypeRow> link_types() { return kLinkTypes; }
const LinkTypeRow* find_link_type(LinkType type) {
  const auto number = static_cast<uint32_t>(type);
  return number < std::size(kLinkTypes) ? &kLinkTypes[number] : nullptr;
}

}  // namespace skep::spec
