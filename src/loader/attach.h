// How a loaded program becomes a Link, one function a kind. Each says in its error what was expected.
#pragma once

#include "loader/internal.h"

namespace skep::loader {

// What all of them need.
struct Attaching {
  engine::Engine& engine;
  const object::Object& object;
  std::span<const LoadedMap> maps;
  const LoadedProgram& program;
  const ProgramKind& kind;
  const spec::Section& section;
  const AttachOptions& options;

  [[nodiscard]] uint32_t prog_fd() const { return static_cast<uint32_t>(program.fd.get()); }
  [[nodiscard]] Link new_link(std::string where) const {
    Link link;
    link.program = program.spec->name;
    link.where = std::move(where);
    return link;
  }
  // BPF_LINK_CREATE into link.fd.
  [[nodiscard]] Result<> create(Link& link, engine::LinkCreateAttr attr) const;
  // perf_event_open into link.event, and the program on it.
  [[nodiscard]] Result<> attach_event(Link& link, const engine::PerfEventAttr& attr, int pid,
                                      int cpu, uint64_t cookie) const;
  [[nodiscard]] const LoadedMap* find_map(std::string_view name) const;
};

[[nodiscard]] Result<Link> attach_kprobe(const Attaching& at, std::string function);
[[nodiscard]] Result<Link> attach_kprobe_multi(const Attaching& at);
[[nodiscard]] Result<Link> attach_uprobe(const Attaching& at);
[[nodiscard]] Result<Link> attach_uprobe_multi(const Attaching& at);
[[nodiscard]] Result<Link> attach_usdt(const Attaching& at);
// XDP, TC, netkit, netns, netfilter, sockmaps: what SEC() alone does not place. ENOTSUP with `left to the caller`
// where the options don't, either.
[[nodiscard]] Result<Link> attach_network(const Attaching& at);

// A program that nothing says where to attach.
[[nodiscard]] std::unexpected<Error> nowhere(std::string reason, std::string hint);

}  // namespace skep::loader
