// Attaching: BPF_LINK_CREATE, BPF_LINK_DETACH, BPF_RAW_TRACEPOINT_OPEN, BPF_PROG_ATTACH, BPF_PROG_DETACH.
#include <algorithm>
#include <utility>

#include "engine/user/memory.h"
#include "engine/user/user_engine.h"

namespace skep::engine {

using namespace user;

namespace {

// BPF_LINK_TYPE_*.
constexpr uint32_t kLinkRawTracepoint = 1, kLinkCgroup = 3, kLinkPerfEvent = 7;
constexpr uint64_t kFirstSyscallTracepoint = 16, kRawSysEnter = 2, kRawSysExit = 3;
constexpr uint32_t BPF_F_ALLOW_OVERRIDE = 1, BPF_F_ALLOW_MULTI = 2;

}  // namespace

namespace user {

LinkObject::LinkObject(uint32_t link_id, std::shared_ptr<runtime::ProgObject> prog, AttachType type)
    : id(link_id), program(std::move(prog)), attach_type(type) {}

LinkObject::~LinkObject() { detach(); }

void LinkObject::detach() {
  if (auto once = std::exchange(release, nullptr)) once();
}

}  // namespace user

Result<int64_t> UserEngine::publish_link(std::shared_ptr<LinkObject> link) {
  {
    std::lock_guard lock(mutex_);
    std::erase_if(links_, [](const auto& row) { return row.second.expired(); });
    links_.emplace(link->id, link);
  }
  SKEP_TRY(fd, descriptors_.open(std::move(link)));
  return fd;
}

Result<> UserEngine::attach_uprobe(LinkObject& link) {
  hooks::UprobeSpec spec;
  spec.path = link.event->path;
  spec.file_offset = link.event->offset;
  spec.when = link.event->kind == EventObject::Kind::uretprobe ? hooks::kOnReturn : hooks::kOnEntry;
  spec.program = &link.program->header();
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
  ProgType type = program->type();
  bool is_probe =
      event->kind == EventObject::Kind::uprobe || event->kind == EventObject::Kind::uretprobe;
  ProgType wanted = is_probe ? ProgType::BPF_PROG_TYPE_KPROBE : ProgType::BPF_PROG_TYPE_TRACEPOINT;
  if (event->kind == EventObject::Kind::bpf_output || type != wanted) {
    return fail(EINVAL, "program {} is of a type that can't be attached to this event",
                program->header().name);
  }
  auto link = std::make_shared<LinkObject>(next_link_id_++, program, AttachType::BPF_PERF_EVENT);
  link->kind = kLinkPerfEvent;
  link->event = event;
  link->cookie = cookie;
  const ProgHeader& header = program->header();
  Result<> attached = is_probe ? attach_uprobe(*link) : attach_tracepoint(*link);
  if (!attached) return fail(attached, "attaching program {}", header.name);
  return link;
}

Result<std::shared_ptr<LinkObject>> UserEngine::attach_cgroup(
    std::shared_ptr<runtime::ProgObject> program, AttachType type) {
  const Program& source = program->verified().program();
  if (source.expected_attach_type != type) {
    return fail(EINVAL, "program {} was loaded for attach type {}, not {}", source.name,
                static_cast<uint32_t>(source.expected_attach_type), static_cast<uint32_t>(type));
  }
  auto link = std::make_shared<LinkObject>(next_link_id_++, program, type);
  link->kind = kLinkCgroup;
  std::lock_guard lock(hooks_mutex_);
  auto attached = hold_hook(
      *link, session_->attach_cgroup(static_cast<uint32_t>(type), &program->header(), 0, link->id));
  if (!attached) return fail(attached, "attaching program {}", source.name);
  return link;
}

Result<int64_t> UserEngine::link_create(void* raw, uint32_t size) {
  SKEP_TRY(attr, read_attr<LinkCreateAttr>(raw, size));
  if (attr.flags != 0) return fail(EINVAL, "flags {:#x}: none are known", attr.flags);
  SKEP_TRY(program, descriptors_.get<runtime::ProgObject>(attr.prog_fd));
  SKEP_TRY(target, descriptors_.get_any(attr.target_fd));
  if (auto* event = std::get_if<std::shared_ptr<EventObject>>(&target)) {
    if (static_cast<AttachType>(attr.attach_type) != AttachType::BPF_PERF_EVENT) {
      return fail(EINVAL, "attach type {} on a perf event", attr.attach_type);
    }
    SKEP_TRY(link, attach_event(program, *event, attr.perf_event.bpf_cookie));
    return publish_link(std::move(link));
  }
  if (std::holds_alternative<std::shared_ptr<CgroupObject>>(target)) {
    SKEP_TRY(link, attach_cgroup(program, static_cast<AttachType>(attr.attach_type)));
    return publish_link(std::move(link));
  }
  return fail(EINVAL, "descriptor {} is nothing that a program can be attached to", attr.target_fd);
}

Result<int64_t> UserEngine::link_detach(void* raw, uint32_t size) {
  SKEP_TRY(attr, read_attr<LinkDetachAttr>(raw, size));
  SKEP_TRY(link, descriptors_.get<LinkObject>(attr.link_fd));
  link->detach();
  return 0;
}

Result<int64_t> UserEngine::raw_tracepoint_open(void* raw, uint32_t size) {
  SKEP_TRY(attr, read_attr<RawTracepointAttr>(raw, size));
  SKEP_TRY(program, descriptors_.get<runtime::ProgObject>(attr.prog_fd));
  if (program->type() != ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT) {
    return fail(EINVAL, "program {} is not a raw tracepoint's", program->header().name);
  }
  SKEP_TRY(name, copy_string_in(attr.name, 128));
  bool exit = name == "sys_exit";
  if (!exit && name != "sys_enter") {
    return fail(ENOENT, "raw tracepoint {}: the user engine has sys_enter and sys_exit", name);
  }
  auto link = std::make_shared<LinkObject>(next_link_id_++, program, AttachType::BPF_TRACE_RAW_TP);
  link->kind = kLinkRawTracepoint;
  link->name = name;
  link->cookie = attr.cookie;
  {
    std::lock_guard lock(hooks_mutex_);
    auto attached = hold_hook(
        *link, session_->attach_all_syscalls(
                   exit ? hooks::SyscallPoint::kExit : hooks::SyscallPoint::kEnter,
                   &program->header(), attr.cookie, link->id, hooks::ContextKind::kRawTracepoint));
    if (!attached) return fail(attached, "attaching program {}", program->header().name);
  }
  return publish_link(std::move(link));
}

Result<int64_t> UserEngine::prog_attach(void* raw, uint32_t size) {
  SKEP_TRY(attr, read_attr<ProgAttachAttr>(raw, size));
  if ((attr.attach_flags & ~(BPF_F_ALLOW_OVERRIDE | BPF_F_ALLOW_MULTI)) != 0) {
    return fail(EINVAL, "attach_flags {:#x}: only ALLOW_OVERRIDE and ALLOW_MULTI are known",
                attr.attach_flags);
  }
  SKEP_TRY(program, descriptors_.get<runtime::ProgObject>(attr.attach_bpf_fd));
  SKEP_CHECK(descriptors_.get<CgroupObject>(attr.target_fd));
  auto type = static_cast<AttachType>(attr.attach_type);
  std::shared_ptr<LinkObject> replaced;
  {
    std::lock_guard lock(mutex_);
    for (const auto& link : attached_) {
      if (link->attach_type == type && link->program == program) {
        return fail(EINVAL, "program {} is attached there already", program->header().name);
      }
    }
  }
  SKEP_TRY(link, attach_cgroup(program, type));
  std::lock_guard lock(mutex_);
  if ((attr.attach_flags & BPF_F_ALLOW_MULTI) == 0) {
    // Without MULTI a hook has one program: the new one takes the old one's place.
    auto before = std::find_if(attached_.begin(), attached_.end(),
                               [&](const auto& other) { return other->attach_type == type; });
    if (before != attached_.end()) {
      replaced = std::move(*before);
      attached_.erase(before);
    }
  }
  attached_.push_back(std::move(link));
  return 0;
}

Result<int64_t> UserEngine::prog_detach(void* raw, uint32_t size) {
  SKEP_TRY(attr, read_attr<ProgAttachAttr>(raw, size));
  SKEP_CHECK(descriptors_.get<CgroupObject>(attr.target_fd));
  std::shared_ptr<runtime::ProgObject> program;
  if (attr.attach_bpf_fd != 0) {
    SKEP_TRY(named, descriptors_.get<runtime::ProgObject>(attr.attach_bpf_fd));
    program = named;
  }
  std::shared_ptr<LinkObject> gone;
  std::lock_guard lock(mutex_);
  auto found = std::find_if(attached_.begin(), attached_.end(), [&](const auto& link) {
    return link->attach_type == static_cast<AttachType>(attr.attach_type) &&
           (!program || link->program == program);
  });
  if (found == attached_.end()) return fail(ENOENT, "no such program is attached there");
  gone = std::move(*found);
  attached_.erase(found);
  return 0;
}

}  // namespace skep::engine
