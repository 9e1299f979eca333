// Attaching: BPF_LINK_CREATE, BPF_LINK_UPDATE, BPF_LINK_DETACH, BPF_RAW_TRACEPOINT_OPEN, BPF_PROG_ATTACH,
// BPF_PROG_DETACH, BPF_PROG_QUERY, and ioctl(2) of perf events.
#include <algorithm>
#include <utility>

#include "engine/user/tracepoints.h"
#include "engine/user/user_engine.h"
#include "maps/local_storage.h"
#include "spec/attach_types.h"
#include "spec/prog_types.h"

namespace skep::engine {

using namespace user;

namespace {

using spec::LinkType;
constexpr uint32_t kUprobeMultiReturn = 1;  // BPF_F_UPROBE_MULTI_RETURN
constexpr uint32_t kMaxUprobeMulti = 1u << 20;
constexpr uint32_t kBaseFlags =
    BPF_F_ALLOW_OVERRIDE | BPF_F_ALLOW_MULTI | BPF_F_REPLACE | BPF_F_PREORDER;
constexpr uint32_t kOrderFlags = BPF_F_REPLACE | BPF_F_BEFORE | BPF_F_AFTER | BPF_F_ID | BPF_F_LINK;
constexpr uint32_t kLinkFlags =
    BPF_F_ALLOW_MULTI | BPF_F_BEFORE | BPF_F_AFTER | BPF_F_ID | BPF_F_LINK | BPF_F_PREORDER;

// The type of the programs that BPF_PROG_ATTACH hangs to a cgroup's hook; none for other hooks.
std::optional<ProgType> cgroup_prog_type(uint32_t attach_type) {
  const spec::AttachTypeRow* row = spec::find_attach_type(static_cast<AttachType>(attach_type));
  if (row == nullptr || !row->name.starts_with("BPF_CGROUP_")) return std::nullopt;
  for (const spec::ProgTypeRow& type : spec::prog_types()) {
    if ((row->prog_types & set_of(type.type)) != 0) return type.type;
  }
  return std::nullopt;
}

// Whether the engine has the hook.
Result<> check_hook_works(AttachType type) {
  const spec::AttachTypeRow* row = spec::find_attach_type(type);
  if (row == nullptr) return fail(EINVAL, "unknown attach type {}", static_cast<uint32_t>(type));
  if (row->user == spec::UserStatus::works) return {};
  return fail(EINVAL, "attach type {}: {}", row->name, row->user_reason);
}

bool is_uprobe(const EventObject& event) {
  return event.kind == EventObject::Kind::uprobe || event.kind == EventObject::Kind::uretprobe;
}
bool is_kprobe(const EventObject& event) {
  return event.kind == EventObject::Kind::kprobe || event.kind == EventObject::Kind::kretprobe;
}

// Whether the program may be hung to the hook: those that run for any attach type of their program type are
// not asked.
Result<> check_attach_type(const runtime::ProgObject& program, AttachType type) {
  const Program& source = program.verified().program();
  switch (source.type) {
    case ProgType::BPF_PROG_TYPE_CGROUP_SOCK:
    case ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR:
    case ProgType::BPF_PROG_TYPE_CGROUP_SOCKOPT:
    case ProgType::BPF_PROG_TYPE_SK_LOOKUP:
    case ProgType::BPF_PROG_TYPE_NETFILTER:
      if (source.expected_attach_type == type) return {};
      return fail(EINVAL, "program {} was loaded for attach type {}, not {}", source.name,
                  static_cast<uint32_t>(source.expected_attach_type), static_cast<uint32_t>(type));
    default: return {};
  }
}

// The values that the program keeps for this hook are there from now on, as long as their maps.
Result<> make_storage(const runtime::ProgObject& program, AttachType type) {
  for (const auto& map : program.maps()) {
    if (!maps::is_cgroup_storage(static_cast<MapType>(map->header().type))) continue;
    SKEP_CHECK(maps::make_hook_storage(map->header(), static_cast<uint32_t>(type)));
  }
  return {};
}

}  // namespace

Result<int64_t> UserEngine::publish_link(Call& call, std::shared_ptr<LinkObject> link) {
  links_.publish(link);
  return call.open(Handle(std::move(link)));
}

// ---- perf events and tracepoints ----

Result<> UserEngine::attach_uprobe(LinkObject& link) {
  hooks::UprobeSpec spec;
  spec.path = link.event->path;
  spec.file_offset = link.event->offset;
  spec.when = link.event->kind == EventObject::Kind::uretprobe ? hooks::kOnReturn : hooks::kOnEntry;
  spec.program = &link.program->header();
  spec.semaphore_offset = link.event->semaphore_offset;
  spec.cookie = link.cookie;
  spec.link = link.id;
  std::lock_guard lock(hooks_mutex_);
  SKEP_TRY(handle, uprobes_->attach(spec));
  link.release = [this, handle] {
    std::lock_guard guard(hooks_mutex_);
    uprobes_->detach(handle);
  };
  return {};
}

// All places or none.
Result<> UserEngine::attach_uprobes(LinkObject& link) {
  const LinkObject::UprobeMulti& multi = *link.uprobes;
  hooks::UprobeSpec spec;
  spec.path = multi.path;
  spec.when = link.attach_type == AttachType::BPF_TRACE_UPROBE_SESSION
                  ? hooks::kOnEntry | hooks::kOnReturn | hooks::kSession
              : (multi.flags & kUprobeMultiReturn) != 0 ? hooks::kOnReturn
                                                        : hooks::kOnEntry;
  spec.program = &link.program->header();
  spec.link = link.id;
  std::vector<uint32_t> handles;
  std::lock_guard lock(hooks_mutex_);
  for (size_t i = 0; i < multi.offsets.size(); ++i) {
    spec.file_offset = multi.offsets[i];
    spec.cookie = multi.cookies.empty() ? 0 : multi.cookies[i];
    spec.semaphore_offset = multi.semaphores.empty() ? 0 : multi.semaphores[i];
    auto handle = uprobes_->attach(spec);
    if (!handle) {
      for (uint32_t made : handles) uprobes_->detach(made);
      return fail(handle, "place {} of {}", i + 1, multi.offsets.size());
    }
    handles.push_back(*handle);
  }
  link.release = [this, handles = std::move(handles)] {
    std::lock_guard guard(hooks_mutex_);
    for (uint32_t handle : handles) uprobes_->detach(handle);
  };
  return {};
}

Result<> UserEngine::attach_syscall_function(LinkObject& link) {
  const auto point = link.event->kind == EventObject::Kind::kretprobe ? hooks::SyscallPoint::kExit
                                                                      : hooks::SyscallPoint::kEnter;
  std::lock_guard lock(hooks_mutex_);
  return hold_hook(link, session_->attach_syscall(static_cast<uint32_t>(link.event->offset), point,
                                                  &link.program->header(), link.cookie, link.id,
                                                  hooks::ContextKind::kSyscallFunction));
}

Result<> UserEngine::hold_hook(LinkObject& link, Result<hooks::AttachHandle> handle) {
  if (!handle) return fail(handle);
  link.release = [this, node = *handle] {
    std::lock_guard guard(hooks_mutex_);
    // It fails only for a handle that is not attached, which this one is.
    (void)session_->detach(node);
  };
  return {};
}

Result<> UserEngine::attach_tracepoint(LinkObject& link) {
  const ProgHeader* header = &link.program->header();
  uint64_t id = link.event->offset;
  std::lock_guard lock(hooks_mutex_);
  if (id == kRawSysEnter || id == kRawSysExit) {
    auto point = id == kRawSysExit ? hooks::SyscallPoint::kExit : hooks::SyscallPoint::kEnter;
    return hold_hook(link, session_->attach_all_syscalls(point, header, link.cookie, link.id));
  }
  if (id < kFirstSyscallTracepoint) return fail(EINVAL, "there is no tracepoint with id {}", id);
  id -= kFirstSyscallTracepoint;
  auto point = id % 2 != 0 ? hooks::SyscallPoint::kExit : hooks::SyscallPoint::kEnter;
  return hold_hook(link, session_->attach_syscall(static_cast<uint32_t>(id / 2), point, header,
                                                  link.cookie, link.id));
}

Result<std::shared_ptr<LinkObject>> UserEngine::attach_event(
    std::shared_ptr<runtime::ProgObject> program, std::shared_ptr<EventObject> event,
    uint64_t cookie) {
  ProgType wanted = is_uprobe(*event) || is_kprobe(*event) ? ProgType::BPF_PROG_TYPE_KPROBE
                                                           : ProgType::BPF_PROG_TYPE_TRACEPOINT;
  if (event->kind == EventObject::Kind::bpf_output || program->type() != wanted) {
    return fail(EINVAL, "program {} is of a type that can't be attached to this event",
                program->header().name);
  }
  auto link = std::make_shared<LinkObject>(links_.take_id(), program, AttachType::BPF_PERF_EVENT);
  link->kind = static_cast<uint32_t>(LinkType::BPF_LINK_TYPE_PERF_EVENT);
  link->event = event;
  link->cookie = cookie;
  Result<> attached = is_uprobe(*event)   ? attach_uprobe(*link)
                      : is_kprobe(*event) ? attach_syscall_function(*link)
                                          : attach_tracepoint(*link);
  if (!attached) return fail(attached, "attaching program {}", program->header().name);
  return link;
}

Result<> UserEngine::event_set_program(Caller& caller, int64_t event_fd, int64_t prog_fd) {
  SKEP_TRY(event, caller.get<EventObject>(event_fd));
  SKEP_TRY(program, caller.get<runtime::ProgObject>(prog_fd));
  std::lock_guard lock(event->mutex);
  if (event->link) return fail(EEXIST, "the event has a program");
  // The link is the event's and has no id of its own. It must not keep the event that keeps it.
  auto place = std::make_shared<EventObject>();
  place->kind = event->kind;
  place->path = event->path;
  place->offset = event->offset;
  place->semaphore_offset = event->semaphore_offset;
  SKEP_TRY(link, attach_event(program, place, 0));
  event->link = link;
  return {};
}

Result<std::shared_ptr<LinkObject>> UserEngine::attach_raw_tracepoint(
    std::shared_ptr<runtime::ProgObject> program, const std::string& name, uint64_t cookie) {
  bool exit = name == "sys_exit";
  if (!exit && name != "sys_enter")
    return fail(ENOENT, "raw tracepoint {}: the user engine has sys_enter and sys_exit", name);
  auto link = std::make_shared<LinkObject>(links_.take_id(), program, AttachType::BPF_TRACE_RAW_TP);
  link->kind = static_cast<uint32_t>(LinkType::BPF_LINK_TYPE_RAW_TRACEPOINT);
  link->name = name;
  link->cookie = cookie;
  std::lock_guard lock(hooks_mutex_);
  auto attached = hold_hook(
      *link, session_->attach_all_syscalls(
                 exit ? hooks::SyscallPoint::kExit : hooks::SyscallPoint::kEnter,
                 &program->header(), cookie, link->id, hooks::ContextKind::kRawTracepoint));
  if (!attached) return fail(attached, "attaching program {}", program->header().name);
  return link;
}

Result<int64_t> UserEngine::raw_tracepoint_open(Call& call) {
  SKEP_TRY(attr, call.read<RawTracepointAttr>(SKEP_ATTR_END(RawTracepointAttr, cookie)));
  SKEP_TRY(program, call.get<runtime::ProgObject>(static_cast<int32_t>(attr.prog_fd)));
  switch (program->type()) {
    case ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT:
    case ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE: break;
    default: return fail(EINVAL, "program {} is not a raw tracepoint's", program->header().name);
  }
  SKEP_TRY(name, call.caller().copy_string_in(attr.name, 128));
  SKEP_TRY(link, attach_raw_tracepoint(program, name, attr.cookie));
  return publish_link(call, std::move(link));
}

// ---- links ----

Result<int64_t> UserEngine::link_create_cgroup(Call& call, const LinkCreateAttr& attr,
                                               std::shared_ptr<runtime::ProgObject> program) {
  if ((attr.flags & ~kLinkFlags) != 0)
    return fail(EINVAL, "flags {:#x}: unknown to cgroup links", attr.flags);
  SKEP_CHECK(cgroup_of(call, static_cast<int32_t>(attr.target_fd)));
  CgroupHooks::Request request{.type = static_cast<AttachType>(attr.attach_type),
                               .program = program,
                               .flags = attr.flags | BPF_F_ALLOW_MULTI};
  SKEP_CHECK(find_neighbour(call, request, attr.cgroup.relative_fd));
  SKEP_CHECK(check_hook_works(request.type));
  request.expected_revision = attr.cgroup.expected_revision;
  auto link = std::make_shared<LinkObject>(links_.take_id(), program, request.type);
  link->kind = static_cast<uint32_t>(LinkType::BPF_LINK_TYPE_CGROUP);
  SKEP_CHECK(make_storage(*program, request.type));
  request.link = link.get();
  request.link_id = link->id;
  {
    std::lock_guard lock(hooks_mutex_);
    auto attached = cgroups_->attach(request);
    if (!attached) return fail(attached, "attaching program {}", program->header().name);
  }
  link->release = [this, self = link.get()] {
    std::lock_guard guard(hooks_mutex_);
    (void)cgroups_->detach(self->attach_type, nullptr, self);  // it is attached
  };
  return publish_link(call, std::move(link));
}

Result<int64_t> UserEngine::link_create_uprobes(Call& call, const LinkCreateAttr& attr,
                                                std::shared_ptr<runtime::ProgObject> program) {
  const auto& given = attr.uprobe_multi;
  const auto type = static_cast<AttachType>(attr.attach_type);
  if (attr.flags != 0) return fail(EINVAL, "flags {:#x}: none are known", attr.flags);
  if (program->type() != ProgType::BPF_PROG_TYPE_KPROBE ||
      program->verified().program().expected_attach_type != type)
    return fail(EINVAL, "program {} was loaded for another attach type", program->header().name);
  if ((given.flags & ~kUprobeMultiReturn) != 0 ||
      (type == AttachType::BPF_TRACE_UPROBE_SESSION && given.flags != 0))
    return fail(EINVAL, "uprobe_multi.flags {:#x}", given.flags);
  if (given.path == 0 || given.offsets == 0 || given.cnt == 0 ||
      static_cast<int32_t>(given.pid) < 0)
    return fail(EINVAL, "uprobe_multi wants a path, and places in it");
  if (given.cnt > kMaxUprobeMulti)
    return fail(E2BIG, "{} places, at most {}", given.cnt, kMaxUprobeMulti);
  LinkObject::UprobeMulti multi;
  multi.flags = given.flags;
  multi.pid = given.pid;
  SKEP_TRY(path, call.caller().copy_string_in(given.path, 4096));
  multi.path = path;
  auto read = [&](uint64_t address, std::vector<uint64_t>& to) -> Result<> {
    if (address == 0) return {};
    SKEP_TRY(bytes, call.caller().copy_in(address, given.cnt * sizeof(uint64_t)));
    to.resize(given.cnt);
    std::copy_n(bytes.begin(), bytes.size(), reinterpret_cast<std::byte*>(to.data()));
    return {};
  };
  SKEP_CHECK(read(given.offsets, multi.offsets));
  SKEP_CHECK(read(given.cookies, multi.cookies));
  SKEP_CHECK(read(given.ref_ctr_offsets, multi.semaphores));
  auto link = std::make_shared<LinkObject>(links_.take_id(), program, type);
  link->kind = static_cast<uint32_t>(LinkType::BPF_LINK_TYPE_UPROBE_MULTI);
  link->uprobes = std::move(multi);
  auto attached = attach_uprobes(*link);
  if (!attached) return fail(attached, "attaching program {}", program->header().name);
  return publish_link(call, std::move(link));
}

Result<int64_t> UserEngine::link_create(Call& call) {
  SKEP_TRY(attr, call.read<LinkCreateAttr>(SKEP_ATTR_END(LinkCreateAttr, uprobe_multi.pid)));
  auto type = static_cast<AttachType>(attr.attach_type);
  if (type == AttachType::BPF_STRUCT_OPS)
    return fail(EINVAL, "struct_ops links are made of struct_ops maps");
  SKEP_TRY(program, call.get<runtime::ProgObject>(static_cast<int32_t>(attr.prog_fd)));
  SKEP_CHECK(check_attach_type(*program, type));
  const Program& source = program->verified().program();
  switch (program->type()) {
    case ProgType::BPF_PROG_TYPE_TRACING:
      if (type != source.expected_attach_type)
        return fail(EINVAL, "program {} was loaded for another attach type", source.name);
      if (type == AttachType::BPF_TRACE_ITER) return link_create_iter(call, attr, program);
      if (auto works = check_hook_works(type); !works)
        return fail(EOPNOTSUPP, "program {}: {}", source.name, works.error().message());
      return fail(EOPNOTSUPP, "program {}: the user engine has no function to attach it to",
                  source.name);
    case ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT:
      return fail(EINVAL, "raw tracepoints are opened with BPF_RAW_TRACEPOINT_OPEN");
    case ProgType::BPF_PROG_TYPE_KPROBE:
    case ProgType::BPF_PROG_TYPE_TRACEPOINT:
    case ProgType::BPF_PROG_TYPE_PERF_EVENT: {
      if (type == AttachType::BPF_TRACE_UPROBE_MULTI ||
          type == AttachType::BPF_TRACE_UPROBE_SESSION)
        return link_create_uprobes(call, attr, program);
      if (type != AttachType::BPF_PERF_EVENT) {
        SKEP_CHECK(check_hook_works(type));
        return fail(EINVAL, "attach type {} of a {} program", attr.attach_type, source.name);
      }
      if (attr.flags != 0) return fail(EINVAL, "flags {:#x}: none are known", attr.flags);
      auto event = call.get<EventObject>(static_cast<int32_t>(attr.target_fd));
      if (!event) return fail(EBADF, "descriptor {} is not of a perf event", attr.target_fd);
      SKEP_TRY(link, attach_event(program, *event, attr.perf_event.bpf_cookie));
      return publish_link(call, std::move(link));
    }
    default: break;
  }
  auto wanted = cgroup_prog_type(attr.attach_type);
  if (!wanted || *wanted != program->type()) {
    if (!wanted) SKEP_CHECK(check_hook_works(type));
    return fail(EINVAL, "program {} can't be attached to attach type {}", source.name,
                attr.attach_type);
  }
  return link_create_cgroup(call, attr, program);
}

Result<int64_t> UserEngine::link_update(Call& call) {
  SKEP_TRY(attr, call.read<LinkUpdateAttr>(SKEP_ATTR_END(LinkUpdateAttr, old_prog_fd)));
  if ((attr.flags & ~BPF_F_REPLACE) != 0)
    return fail(EINVAL, "flags {:#x}: only BPF_F_REPLACE is known", attr.flags);
  SKEP_TRY(link, call.get<LinkObject>(static_cast<int32_t>(attr.link_fd)));
  SKEP_TRY(program, call.get<runtime::ProgObject>(static_cast<int32_t>(attr.new_prog_fd)));
  std::shared_ptr<runtime::ProgObject> expected;
  if ((attr.flags & BPF_F_REPLACE) != 0) {
    SKEP_TRY(old, call.get<runtime::ProgObject>(static_cast<int32_t>(attr.old_prog_fd)));
    expected = old;
  } else if (attr.old_prog_fd != 0) {
    return fail(EINVAL, "old_prog_fd goes with BPF_F_REPLACE");
  }
  const auto kind = static_cast<LinkType>(link->kind);
  if (kind != LinkType::BPF_LINK_TYPE_CGROUP && kind != LinkType::BPF_LINK_TYPE_ITER)
    return fail(EINVAL, "links of this kind keep their program");
  if (kind == LinkType::BPF_LINK_TYPE_CGROUP && !link->attached())
    return fail(ENOLINK, "the link is detached");
  std::shared_ptr<runtime::ProgObject> before;  // released outside the locks
  std::lock_guard hooks_lock(hooks_mutex_);
  std::lock_guard lock(link->mutex);
  const Program& is = link->program->verified().program();
  const Program& wants = program->verified().program();
  if (expected && link->program != expected)
    return fail(EPERM, "the link's program is another one");
  if (is.type != wants.type || (kind == LinkType::BPF_LINK_TYPE_ITER &&
                                (is.expected_attach_type != wants.expected_attach_type ||
                                 is.attach_btf_id != wants.attach_btf_id)))
    return fail(EINVAL, "program {} is of another type than the link's", wants.name);
  if (kind == LinkType::BPF_LINK_TYPE_CGROUP) {
    SKEP_CHECK(check_attach_type(*program, link->attach_type));
    SKEP_CHECK(cgroups_->replace(*link, program));
  }
  before = std::exchange(link->program, program);
  return 0;
}

Result<int64_t> UserEngine::link_detach(Call& call) {
  SKEP_TRY(attr, call.read<LinkDetachAttr>(SKEP_ATTR_END(LinkDetachAttr, link_fd)));
  SKEP_TRY(link, call.get<LinkObject>(static_cast<int32_t>(attr.link_fd)));
  if (static_cast<LinkType>(link->kind) != LinkType::BPF_LINK_TYPE_CGROUP)
    return fail(EOPNOTSUPP, "links of this kind are detached by closing them");
  link->detach();
  return 0;
}

// ---- BPF_PROG_ATTACH and its kin ----

Result<> UserEngine::cgroup_of(Call& call, int64_t fd) {
  auto cgroup = call.get<CgroupObject>(fd);
  if (!cgroup) return fail(EBADF, "descriptor {} is not of the traced processes", fd);
  return {};
}

// Whom BEFORE and AFTER mean.
Result<> UserEngine::find_neighbour(Call& call, CgroupHooks::Request& request, uint32_t fd_or_id) {
  if ((request.flags & (BPF_F_BEFORE | BPF_F_AFTER)) == 0) {
    if ((request.flags & (BPF_F_ID | BPF_F_LINK)) != 0 || fd_or_id != 0)
      return fail(EINVAL, "a neighbour goes with BPF_F_BEFORE or BPF_F_AFTER");
    return {};
  }
  const bool by_id = (request.flags & BPF_F_ID) != 0;
  if (fd_or_id == 0 && !by_id) {
    if ((request.flags & BPF_F_LINK) != 0) return fail(EINVAL, "BPF_F_LINK without a link");
    return {};
  }
  const auto fd = static_cast<int32_t>(fd_or_id);
  if ((request.flags & BPF_F_LINK) != 0) {
    if (by_id) {
      request.beside_link = links_.find(fd_or_id);
      if (!request.beside_link) return fail(ENOENT, "there is no link {}", fd_or_id);
      return {};
    }
    SKEP_TRY(link, call.get<LinkObject>(fd));
    request.beside_link = link;
    return {};
  }
  if (by_id) {
    request.beside_program = runtime_->find_program(fd_or_id);
    if (!request.beside_program) return fail(ENOENT, "there is no program {}", fd_or_id);
    return {};
  }
  SKEP_TRY(program, call.get<runtime::ProgObject>(fd));
  request.beside_program = program;
  return {};
}

Result<int64_t> UserEngine::prog_attach(Call& call) {
  SKEP_TRY(attr, call.read<ProgAttachAttr>(SKEP_ATTR_END(ProgAttachAttr, expected_revision)));
  auto type = cgroup_prog_type(attr.attach_type);
  if (!type) {
    SKEP_CHECK(check_hook_works(static_cast<AttachType>(attr.attach_type)));
    return fail(EINVAL, "nothing is attached to attach type {} this way", attr.attach_type);
  }
  if ((attr.attach_flags & ~(kBaseFlags | kOrderFlags)) != 0)
    return fail(EINVAL, "attach_flags {:#x}: unknown", attr.attach_flags);
  SKEP_TRY(program, call.get<runtime::ProgObject>(static_cast<int32_t>(attr.attach_bpf_fd)));
  if (program->type() != *type)
    return fail(EINVAL, "program {} is of another type", program->header().name);
  SKEP_CHECK(check_attach_type(*program, static_cast<AttachType>(attr.attach_type)));
  CgroupHooks::Request request{.type = static_cast<AttachType>(attr.attach_type),
                               .program = program,
                               .flags = attr.attach_flags,
                               .expected_revision = attr.expected_revision};
  if ((attr.attach_flags & BPF_F_ALLOW_MULTI) != 0 && (attr.attach_flags & BPF_F_REPLACE) != 0) {
    SKEP_TRY(replaced, call.get<runtime::ProgObject>(static_cast<int32_t>(attr.replace_bpf_fd)));
    if (replaced->type() != *type) return fail(EINVAL, "the program to replace is of another type");
    request.replaced = replaced;
  }
  SKEP_CHECK(cgroup_of(call, static_cast<int32_t>(attr.target_fd)));
  SKEP_CHECK(find_neighbour(call, request, attr.relative_fd));
  SKEP_CHECK(check_hook_works(request.type));
  SKEP_CHECK(make_storage(*program, request.type));
  std::lock_guard lock(hooks_mutex_);
  auto attached = cgroups_->attach(request);
  if (!attached) return fail(attached, "attaching program {}", program->header().name);
  return 0;
}

Result<int64_t> UserEngine::prog_detach(Call& call) {
  SKEP_TRY(attr, call.read<ProgAttachAttr>(SKEP_ATTR_END(ProgAttachAttr, expected_revision)));
  auto type = cgroup_prog_type(attr.attach_type);
  if (!type)
    return fail(EINVAL, "nothing is attached to attach type {} this way", attr.attach_type);
  if (attr.attach_flags != 0 || attr.relative_fd != 0)
    return fail(EINVAL, "detaching takes no flags and no other program");
  SKEP_CHECK(cgroup_of(call, static_cast<int32_t>(attr.target_fd)));
  // As the kernel: a descriptor that is no program's means "whichever is there".
  std::shared_ptr<runtime::ProgObject> program;
  auto named = call.get<runtime::ProgObject>(static_cast<int32_t>(attr.attach_bpf_fd));
  if (named && (*named)->type() == *type) program = *named;
  std::shared_ptr<runtime::ProgObject> kept;
  std::lock_guard lock(hooks_mutex_);
  SKEP_CHECK(cgroups_->detach(static_cast<AttachType>(attr.attach_type), program.get(), nullptr,
                              attr.expected_revision));
  return 0;
}

Result<int64_t> UserEngine::prog_query(Call& call) {
  SKEP_TRY(attr, call.read<ProgQueryAttr>(SKEP_ATTR_END(ProgQueryAttr, revision)));
  constexpr uint32_t kEffective = 1;  // BPF_F_QUERY_EFFECTIVE
  if ((attr.query_flags & ~kEffective) != 0)
    return fail(EINVAL, "query_flags {:#x}: unknown", attr.query_flags);
  if (!cgroup_prog_type(attr.attach_type))
    return fail(EINVAL, "attach type {} can't be asked", attr.attach_type);
  SKEP_CHECK(cgroup_of(call, static_cast<int32_t>(attr.target_fd)));
  const bool effective = (attr.query_flags & kEffective) != 0;
  if (effective && attr.prog_attach_flags != 0)
    return fail(EINVAL, "effective programs have no attach flags");
  std::vector<uint32_t> ids, flags;
  uint64_t revision = 0;
  uint32_t hook_flags = 0;
  {
    std::lock_guard lock(hooks_mutex_);
    const auto& hook = cgroups_->hook(static_cast<AttachType>(attr.attach_type));
    revision = hook.revision;
    hook_flags = effective ? 0 : hook.flags;
    if (effective) {
      for (const auto* one : hook.effective()) ids.push_back(one->program->id());
    } else {
      for (const auto& one : hook.list) {
        ids.push_back(one.program->id());
        flags.push_back(hook.flags);
      }
    }
  }
  const uint32_t room = attr.prog_cnt;
  attr.attach_flags = hook_flags;
  attr.prog_cnt = static_cast<uint32_t>(ids.size());
  attr.revision = revision;
  SKEP_CHECK(call.give(attr, attr.attach_flags));
  SKEP_CHECK(call.give(attr, attr.prog_cnt));
  if (!effective && call.size() >= SKEP_ATTR_END(ProgQueryAttr, revision))
    SKEP_CHECK(call.give(attr, attr.revision));
  if (room == 0 || attr.prog_ids == 0 || ids.empty()) return 0;
  const size_t fits = std::min<size_t>(room, ids.size());
  SKEP_CHECK(call.caller().copy_out(attr.prog_ids, bytes_of(ids).first(fits * sizeof(uint32_t))));
  if (attr.prog_attach_flags != 0)
    SKEP_CHECK(call.caller().copy_out(attr.prog_attach_flags,
                                      bytes_of(flags).first(fits * sizeof(uint32_t))));
  if (fits < ids.size())
    return fail(ENOSPC, "{} programs are attached, room for {}", ids.size(), room);
  return 0;
}

}  // namespace skep::engine
