#include "loader/attach.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/kernel/facts.h"
#include "spec/attach_types.h"
#include "spec/lookup.h"

namespace skep::loader {

using engine::Cmd;
using engine::LinkCreateAttr;
using engine::PerfEventAttr;

namespace {

constexpr uint64_t kCloseOnExec = 8;                             // PERF_FLAG_FD_CLOEXEC
constexpr unsigned long kSetBpf = 0x40042408, kEnable = 0x2400;  // PERF_EVENT_IOC_*
constexpr uint64_t kFrequency = 1u << 10;                        // perf_event_attr::freq

Result<Link> attach_tracepoint(const Attaching& at) {
  const std::string_view target = at.kind.target;
  const size_t slash = target.find('/');
  if (slash == target.npos) {
    return fail(EINVAL, "SEC(\"{}\"): expected tracepoint/CATEGORY/NAME", at.program.spec->section);
  }
  SKEP_TRY(id, at.engine.tracepoint_id(target.substr(0, slash), target.substr(slash + 1)));
  PerfEventAttr attr;
  attr.type = engine::PERF_TYPE_TRACEPOINT;
  attr.config = id;
  Link link = at.new_link("tracepoint " + at.kind.target);
  SKEP_CHECK(at.attach_event(link, attr, -1, 0, at.options.cookie));
  return link;
}

// BPF_RAW_TRACEPOINT_OPEN: with a name, a raw tracepoint; without, where the program was loaded for.
Result<Link> attach_raw(const Attaching& at, const std::string& name, std::string where) {
  engine::RawTracepointAttr attr;
  attr.name = name.empty() ? 0 : address_of(name.c_str());
  attr.prog_fd = at.prog_fd();
  attr.cookie = at.options.cookie;
  int64_t fd = at.engine.call(Cmd::BPF_RAW_TRACEPOINT_OPEN, attr);
  if (fd < 0) {
    Error error = engine_error(at.engine, fd, where);
    if (fd != -ENOENT || name.empty()) return std::unexpected(std::move(error));
    return std::unexpected(
        std::move(error).with_hint("the kernel has no raw tracepoint of that name"));
  }
  Link link = at.new_link(std::move(where));
  link.fd = engine::EngineFd(&at.engine, static_cast<int>(fd));
  return link;
}

Result<Link> attach_iterator(const Attaching& at) {
  Link link = at.new_link("iterator " + at.kind.target);
  link.is_iterator = true;
  LinkCreateAttr create;
  create.prog_fd = at.prog_fd();
  create.attach_type = static_cast<uint32_t>(AttachType::BPF_TRACE_ITER);
  // union bpf_iter_link_info: map.map_fd, for iterators over a map's elements; task.pid is another at the same place.
  uint32_t info[4] = {};
  if (at.kind.target.starts_with("bpf_map_elem") || at.kind.target == "bpf_sk_storage_map" ||
      at.kind.target == "sockmap") {
    const LoadedMap* only = nullptr;
    for (const LoadedMap& map : at.maps)
      if (!map.spec->is_globals) only = only == nullptr ? &map : only;
    if (only == nullptr) return nowhere("the object has no map to iterate over", "declare one");
    info[0] = static_cast<uint32_t>(only->fd.get());
    create.iter.iter_info = address_of(info);
    create.iter.iter_info_len = sizeof info;
  } else if (at.kind.target.starts_with("task") && at.options.pid != 0) {
    info[1] = static_cast<uint32_t>(at.options.pid);  // task.pid, behind task.tid
    create.iter.iter_info = address_of(info);
    create.iter.iter_info_len = sizeof info;
  }
  SKEP_CHECK(at.create(link, create));
  return link;
}

Result<Link> attach_cgroup(const Attaching& at) {
  if (is_kernel(at.engine) && at.options.cgroup.empty())
    return nowhere("no cgroup is named", "--cgroup PATH, a directory of cgroup version 2");
  SKEP_TRY(fd, at.engine.open_cgroup(at.options.cgroup));
  Link link = at.new_link(at.options.cgroup.empty()
                              ? std::string(at.kind.section)
                              : fmt::format("{} of {}", at.kind.section, at.options.cgroup));
  link.event = engine::EngineFd(&at.engine, fd);
  LinkCreateAttr create;
  create.prog_fd = at.prog_fd();
  create.target_fd = static_cast<uint32_t>(fd);
  create.attach_type = static_cast<uint32_t>(at.kind.expected_attach_type);
  if (at.kind.section == "cgroup/skb") create.attach_type = 0;  // ingress
  if (auto made = at.create(link, create);
      made || made.error().code() != EINVAL || !is_kernel(at.engine)) {
    if (!made) return fail(made);
    return link;
  }
  engine::ProgAttachAttr attach;  // before 5.7
  attach.target_fd = static_cast<uint32_t>(fd);
  attach.attach_bpf_fd = at.prog_fd();
  attach.attach_type = create.attach_type;
  attach.attach_flags = 2;  // BPF_F_ALLOW_MULTI
  int64_t result = at.engine.call(Cmd::BPF_PROG_ATTACH, attach);
  if (result < 0) return std::unexpected(engine_error(at.engine, result, link.where));
  link.undo = Undo([engine = &at.engine, attach, cgroup = std::move(link.event)]() mutable {
    (void)engine->call(Cmd::BPF_PROG_DETACH, attach);
  });
  return link;
}

Result<Link> attach_perf_event(const Attaching& at) {
  PerfEventAttr attr;
  attr.type = engine::PERF_TYPE_SOFTWARE;
  attr.config = 0;  // PERF_COUNT_SW_CPU_CLOCK
  attr.sample_period = at.options.sample_hz;
  attr.bits = kFrequency;
  const std::string where = fmt::format("cpu-clock, {} times a second", at.options.sample_hz);
  Link link = at.new_link(where);
  if (at.options.pid != 0) {
    SKEP_CHECK(at.attach_event(link, attr, at.options.pid, -1, at.options.cookie));
    return link;
  }
  for (uint32_t cpu = 0; cpu < at.engine.possible_cpus(); ++cpu) {
    Link one = at.new_link(where);
    auto made = at.attach_event(one, attr, -1, static_cast<int>(cpu), at.options.cookie);
    if (!made && made.error().code() == ENODEV) continue;  // possible, but not there
    if (!made) return fail(made);
    link.more.push_back(std::move(one));
  }
  return link;
}

}  // namespace

Error engine_error(const engine::Engine& engine, int64_t result, std::string_view what) {
  const int code = static_cast<int>(-result);
  if (auto error = engine.last_error(); error && error->code() == code) return *error;
  Error error(code, fmt::format("{}: {}", what, errno_text(code)));
  if (code == EPERM && is_kernel(engine))
    return std::move(error).with_hint(engine::kernel::privilege_hint());
  return error;
}

std::unexpected<Error> nowhere(std::string reason, std::string hint) {
  return std::unexpected(Error(EDESTADDRREQ, std::move(reason)).with_hint(std::move(hint)));
}

Result<> Attaching::create(Link& link, LinkCreateAttr attr) const {
  int64_t fd = engine.call(Cmd::BPF_LINK_CREATE, attr);
  if (fd >= 0) {
    link.fd = engine::EngineFd(&engine, static_cast<int>(fd));
    return {};
  }
  const auto* row = spec::find_attach_type(static_cast<AttachType>(attr.attach_type));
  const uint32_t version = engine.kernel_version() >> 8;
  if (fd == -EINVAL && is_kernel(engine) && row != nullptr && row->since > version) {
    return fail(ENOTSUP, "{}: {} came with Linux {}.{}, and this is {}.{}", link.where, row->name,
                row->since >> 8, row->since & 0xff, version >> 8, version & 0xff);
  }
  return std::unexpected(engine_error(engine, fd, link.where));
}

Result<> Attaching::attach_event(Link& link, const PerfEventAttr& attr, int pid, int cpu,
                                 uint64_t cookie) const {
  int64_t fd = engine.perf_event_open(attr, pid, cpu, -1, kCloseOnExec);
  if (fd < 0) return std::unexpected(engine_error(engine, fd, link.where + ": perf_event_open"));
  link.event = engine::EngineFd(&engine, static_cast<int>(fd));
  LinkCreateAttr create;
  create.prog_fd = prog_fd();
  create.target_fd = static_cast<uint32_t>(fd);
  create.attach_type = static_cast<uint32_t>(AttachType::BPF_PERF_EVENT);
  create.perf_event.bpf_cookie = cookie;
  auto made = this->create(link, create);
  if (made || !is_kernel(engine) ||
      (made.error().code() != EINVAL && made.error().code() != ENOTSUP) || cookie != 0)
    return made;
  // Before 5.15 a program is set on the event itself, and goes with it.
  if (::ioctl(static_cast<int>(fd), kSetBpf, program.fd.get()) != 0 ||
      ::ioctl(static_cast<int>(fd), kEnable, 0) != 0)
    return std::unexpected(engine_error(engine, -errno, link.where));
  return {};
}

const LoadedMap* Attaching::find_map(std::string_view name) const {
  for (const LoadedMap& map : maps)
    if (map.spec->name == name) return &map;
  return nullptr;
}

Result<Link> Loader::attach(const LoadedProgram& program, const AttachOptions& options) {
  SKEP_TRY(kind, classify_section(program.spec->section));
  const spec::Section& section = *spec::parse_section_name(program.spec->section)->section;
  const Attaching at{*engine_, *object_, maps_, program, kind, section, options};
  using enum spec::AttachBehaviour;
  const bool user = !is_kernel(*engine_);
  switch (section.attach) {
    case tracepoint: return attach_tracepoint(at);
    case raw_tracepoint: return attach_raw(at, kind.target, "raw tracepoint " + kind.target);
    case uprobe: return attach_uprobe(at);
    case cgroup: return attach_cgroup(at);
    case iter: return attach_iterator(at);
    case trace:
    case lsm:
      if (user) break;
      return attach_raw(at, "", fmt::format("{} {}", kind.section, kind.target));
    case kprobe: return attach_kprobe(at, kind.target);
    case ksyscall:
      if (kind.target.empty()) return nowhere("no system call is named", "SEC(\"ksyscall/NAME\")");
      return attach_kprobe(at, options.syscall_prefix + kind.target);
    case kprobe_multi:
    case kprobe_session:
      if (user) break;
      return attach_kprobe_multi(at);
    case uprobe_multi:
    case uprobe_session: return attach_uprobe_multi(at);
    case usdt: return attach_usdt(at);
    case perf_event:
      if (user) break;
      return attach_perf_event(at);
    case none:
    case netfilter:
      if (user) break;
      return attach_network(at);
    case struct_ops:
      return fail(EINVAL, "a struct_ops program is attached by its map, with attach_all()");
    case trace_multi: break;
  }
  return fail(EOPNOTSUPP, "SEC(\"{}\"): the {} engine can't attach {} programs{}",
              program.spec->section, engine_->name(), kind.section, user ? " to a command" : "");
}

Result<std::vector<Link>> Loader::attach_all(const AttachOptions& options) {
  std::vector<Link> links;
  unattached_.clear();
  for (const LoadedProgram& program : programs_) {
    if (!program.fd || program.program.type == ProgType::BPF_PROG_TYPE_STRUCT_OPS) continue;
    auto link = attach(program, options);
    if (link) {
      links.push_back(std::move(*link));
      continue;
    }
    if (link.error().code() == EDESTADDRREQ && is_kernel(*engine_)) {
      unattached_.push_back(
          {program.spec->name, link.error().message() + ": " + link.error().hint()});
      continue;
    }
    return fail(link, "{}: program {}", object_->name(), program.spec->name);
  }
  for (StructOps& ops : struct_ops_) {
    auto link = attach_struct_ops(ops);
    if (!link) return fail(link, "{}", object_->name());
    links.push_back(std::move(*link));
  }
  return links;
}

}  // namespace skep::loader
