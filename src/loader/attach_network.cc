// Attaching to interfaces, network namespaces, netfilter hooks and socket maps.
#include <fcntl.h>

#include "base/fd.h"
#include "engine/kernel/netlink.h"
#include "loader/attach.h"

namespace skep::loader {

using engine::Cmd;
using engine::LinkCreateAttr;

namespace {

constexpr uint32_t kIpv4 = 2, kLocalIn = 1;  // NFPROTO_IPV4, NF_INET_LOCAL_IN
constexpr int32_t kBeforeConnTrack = -128;   // between defragmentation and filters

// Links to interfaces came with these versions; before, rtnetlink does it.
bool may_be_too_old(const Error& error) {
  return error.code() == EINVAL || error.code() == EOPNOTSUPP;
}

Result<uint32_t> chosen_interface(const Attaching& at) {
  if (at.options.interface.empty())
    return nowhere("no network interface is named", "--interface NAME");
  return engine::kernel::interface_index(at.options.interface);
}

Result<Link> attach_xdp(const Attaching& at) {
  if (at.kind.section.find("map") != std::string_view::npos)
    return nowhere("it runs from a devmap or cpumap", "put it into the map's values");
  SKEP_TRY(index, chosen_interface(at));
  Link link = at.new_link("XDP of " + at.options.interface);
  LinkCreateAttr create;
  create.prog_fd = at.prog_fd();
  create.target_fd = index;
  create.attach_type = static_cast<uint32_t>(AttachType::BPF_XDP);
  auto made = at.create(link, create);
  if (made) return link;
  if (!may_be_too_old(made.error())) return fail(made);
  if (auto set = engine::kernel::set_xdp(index, at.program.fd.get()); !set)
    return fail(set, "{}", link.where);
  link.undo = Undo([index] { (void)engine::kernel::set_xdp(index, -1); });
  return link;
}

Result<Link> attach_tc(const Attaching& at) {
  SKEP_TRY(index, chosen_interface(at));
  const bool netkit = at.kind.section.starts_with("netkit");
  const bool egress = at.kind.section.ends_with("egress") || at.options.egress;
  Link link = at.new_link(fmt::format("{} {} of {}", netkit ? "netkit" : "TC",
                                      netkit   ? at.kind.section.substr(7)
                                      : egress ? "egress"
                                               : "ingress",
                                      at.options.interface));
  LinkCreateAttr create;
  create.prog_fd = at.prog_fd();
  create.target_fd = index;
  create.attach_type = static_cast<uint32_t>(
      netkit ? at.kind.expected_attach_type
             : (egress ? AttachType::BPF_TCX_EGRESS : AttachType::BPF_TCX_INGRESS));
  const bool action = at.program.program.type == ProgType::BPF_PROG_TYPE_SCHED_ACT;
  if (action) return nowhere("a TC action is part of a filter", "tc filter … action bpf");
  auto made = at.create(link, create);
  if (made) return link;
  if (netkit || !may_be_too_old(made.error())) return fail(made);
  auto filter = engine::kernel::add_tc_filter(index, egress, at.program.fd.get(), link.program);
  if (!filter) return fail(filter, "{}", link.where);
  link.undo = Undo([filter = *filter] { (void)engine::kernel::remove_tc_filter(filter); });
  return link;
}

Result<Link> attach_netns(const Attaching& at) {
  const std::string path = at.options.netns.empty() ? "/proc/self/ns/net" : at.options.netns;
  SKEP_TRY(netns, open_file(path, O_RDONLY | O_CLOEXEC));
  Link link = at.new_link(fmt::format("{} of {}", at.kind.section, path));
  LinkCreateAttr create;
  create.prog_fd = at.prog_fd();
  create.target_fd = static_cast<uint32_t>(netns.get());
  create.attach_type = static_cast<uint32_t>(at.kind.expected_attach_type);
  SKEP_CHECK(at.create(link, create));
  return link;
}

Result<Link> attach_netfilter(const Attaching& at) {
  Link link = at.new_link("netfilter: IPv4, local in");
  LinkCreateAttr create;
  create.prog_fd = at.prog_fd();
  create.attach_type = static_cast<uint32_t>(AttachType::BPF_NETFILTER);
  create.netfilter = {.pf = kIpv4, .hooknum = kLocalIn, .priority = kBeforeConnTrack, .flags = 0};
  SKEP_CHECK(at.create(link, create));
  return link;
}

// sk_msg and sk_skb run for the sockets of a map: the object's, where it has one.
Result<Link> attach_sockmap(const Attaching& at) {
  const LoadedMap* found = nullptr;
  for (const LoadedMap& map : at.maps) {
    if (map.spec->type != MapType::BPF_MAP_TYPE_SOCKMAP &&
        map.spec->type != MapType::BPF_MAP_TYPE_SOCKHASH)
      continue;
    if (found != nullptr)
      return nowhere(fmt::format("the object has several socket maps ({}, {})", found->spec->name,
                                 map.spec->name),
                     "attach it with Engine::bpf(BPF_PROG_ATTACH)");
    found = &map;
  }
  if (found == nullptr)
    return nowhere("the object has no socket map", "declare a BPF_MAP_TYPE_SOCKMAP");
  Link link = at.new_link(fmt::format("{} of map {}", at.kind.section, found->spec->name));
  engine::ProgAttachAttr attach;
  attach.target_fd = static_cast<uint32_t>(found->fd.get());
  attach.attach_bpf_fd = at.prog_fd();
  attach.attach_type = static_cast<uint32_t>(at.kind.expected_attach_type);
  int64_t result = at.engine.call(Cmd::BPF_PROG_ATTACH, attach);
  if (result < 0) return std::unexpected(engine_error(at.engine, result, link.where));
  link.undo = Undo([engine = &at.engine, attach]() mutable {
    (void)engine->call(Cmd::BPF_PROG_DETACH, attach);
  });
  return link;
}

}  // namespace

Result<Link> attach_network(const Attaching& at) {
  using enum ProgType;
  switch (at.program.program.type) {
    case BPF_PROG_TYPE_XDP: return attach_xdp(at);
    case BPF_PROG_TYPE_SCHED_CLS:
    case BPF_PROG_TYPE_SCHED_ACT: return attach_tc(at);
    case BPF_PROG_TYPE_FLOW_DISSECTOR:
    case BPF_PROG_TYPE_SK_LOOKUP: return attach_netns(at);
    case BPF_PROG_TYPE_NETFILTER: return attach_netfilter(at);
    case BPF_PROG_TYPE_SK_MSG:
    case BPF_PROG_TYPE_SK_SKB: return attach_sockmap(at);
    case BPF_PROG_TYPE_SOCKET_FILTER:
      return nowhere("a socket filter belongs to a socket",
                     "setsockopt(SO_ATTACH_BPF) in the program that owns it");
    case BPF_PROG_TYPE_SK_REUSEPORT:
      return nowhere("it belongs to a socket",
                     "setsockopt(SO_ATTACH_REUSEPORT_EBPF) in the program that owns it");
    case BPF_PROG_TYPE_LWT_IN:
    case BPF_PROG_TYPE_LWT_OUT:
    case BPF_PROG_TYPE_LWT_XMIT:
    case BPF_PROG_TYPE_LWT_SEG6LOCAL:
      return nowhere("it belongs to a route", "pin it, then: ip route … encap bpf");
    case BPF_PROG_TYPE_SYSCALL:
      return nowhere("a syscall program is called, not attached", "skep exec FILE --via kernel");
    case BPF_PROG_TYPE_LIRC_MODE2:
      return fail(EOPNOTSUPP,
                  "infrared receivers (lirc_mode2) are not supported: no machine that this is "
                  "tested on has one");
    default:
      return nowhere(fmt::format("SEC(\"{}\") does not say where", at.program.spec->section),
                     "attach it in your own program");
  }
}

}  // namespace skep::loader
