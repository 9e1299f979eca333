// BPF_*_GET_NEXT_ID, BPF_*_GET_FD_BY_ID, BPF_OBJ_GET_INFO_BY_FD, BPF_TASK_FD_QUERY.
#include <algorithm>
#include <array>
#include <climits>

#include "engine/user/tracepoints.h"
#include "engine/user/user_engine.h"

namespace skep::engine {

using namespace user;

namespace {

constexpr int kENOTSUPP = 524;

// An array that the caller may ask for: as many as fit, and the true count back.
template <class T>
Result<> give_array(const Caller& caller, uint64_t address, uint32_t& count,
                    const std::vector<T>& items) {
  uint32_t room = count;
  count = static_cast<uint32_t>(items.size());
  size_t fits = std::min<size_t>(room, items.size());
  return caller.copy_out(address, bytes_of(items).first(fits * sizeof(T)));
}
// The same, counted in bytes, as xlated and jited dumps are.
Result<> give_bytes(const Caller& caller, uint64_t address, uint32_t& length, ByteSpan bytes) {
  uint32_t room = length;
  length = static_cast<uint32_t>(bytes.size());
  return caller.copy_out(address, bytes.first(std::min<size_t>(room, bytes.size())));
}

template <class T>
ByteSpan as_bytes_of(const T& value) {
  return {reinterpret_cast<const std::byte*>(&value), sizeof value};
}

// The caller's copy, which says what it wants: E2BIG where it is longer than ours and set there.
template <class Info>
Result<Info> read_info(const Caller& caller, const ObjInfoAttr& attr) {
  if (attr.info_len > 4096) return fail(E2BIG, "info of {} bytes", attr.info_len);
  SKEP_TRY(bytes, caller.copy_in(attr.info, attr.info_len));
  for (size_t at = sizeof(Info); at < bytes.size(); ++at) {
    if (bytes[at] != std::byte{0})
      return fail(E2BIG, "info of {} bytes is known, byte {} is set", sizeof(Info), at);
  }
  Info info;
  std::copy_n(bytes.data(), std::min(bytes.size(), sizeof info),
              reinterpret_cast<std::byte*>(&info));
  return info;
}
Result<int64_t> give_info(const Call& call, ObjInfoAttr& attr, ByteSpan info) {
  attr.info_len = std::min<uint32_t>(attr.info_len, static_cast<uint32_t>(info.size()));
  SKEP_CHECK(call.caller().copy_out(attr.info, info.first(attr.info_len)));
  SKEP_CHECK(call.give(attr, attr.info_len));
  return 0;
}

Result<> check_record_size(uint32_t count, uint32_t& size, uint32_t expected) {
  if ((count != 0 || size != 0) && size != expected)
    return fail(EINVAL, "records of {} bytes, expected {}", size, expected);
  size = expected;
  return {};
}

Result<> prog_code_info(const Caller& caller, const runtime::ProgObject& program, ProgInfo& info) {
  const Program& source = program.verified().program();
  const jit::NativeCode& native = program.native();
  info.btf_id = program.btf() ? program.btf()->id() : 0;
  if (program.btf()) {
    SKEP_CHECK(give_array(caller, info.func_info, info.nr_func_info, source.func_info));
    SKEP_CHECK(give_array(caller, info.line_info, info.nr_line_info, source.line_info));
    std::vector<uint64_t> jited_lines;
    for (const LineInfo& line : source.line_info) {
      uint32_t offset = line.insn_off < native.lines.size() ? native.lines[line.insn_off] : 0;
      jited_lines.push_back(native.block.address + offset);
    }
    SKEP_CHECK(give_array(caller, info.jited_line_info, info.nr_jited_line_info, jited_lines));
  } else {
    info.nr_func_info = info.nr_line_info = info.nr_jited_line_info = 0;
  }
  std::vector<uint64_t> symbols;
  std::vector<uint32_t> lengths;
  for (uint32_t offset : native.subprograms) {
    symbols.push_back(native.block.address + offset);
    auto next = std::upper_bound(native.subprograms.begin(), native.subprograms.end(), offset);
    lengths.push_back((next == native.subprograms.end() ? native.code_size : *next) - offset);
  }
  // The kernel gives each function the tag of its own instructions; ours have one code block, and the first is
  // the program's.
  std::vector<std::array<uint8_t, 8>> tags(std::max<size_t>(1, native.subprograms.size()),
                                           std::to_array(program.header().tag));
  SKEP_CHECK(give_array(caller, info.prog_tags, info.nr_prog_tags, tags));
  SKEP_CHECK(give_array(caller, info.jited_ksyms, info.nr_jited_ksyms, symbols));
  return give_array(caller, info.jited_func_lens, info.nr_jited_func_lens, lengths);
}

Result<> prog_info(const Caller& caller, const runtime::ProgObject& program, ProgInfo& info) {
  const ProgHeader& header = program.header();
  SKEP_CHECK(check_record_size(info.nr_func_info, info.func_info_rec_size, sizeof(FuncInfo)));
  SKEP_CHECK(check_record_size(info.nr_line_info, info.line_info_rec_size, sizeof(LineInfo)));
  SKEP_CHECK(
      check_record_size(info.nr_jited_line_info, info.jited_line_info_rec_size, sizeof(uint64_t)));
  info.type = header.type;
  info.id = header.id;
  std::copy(std::begin(header.tag), std::end(header.tag), info.tag);
  std::copy(std::begin(header.name), std::end(header.name), info.name);
  info.load_time = program.load_time_ns();
  info.created_by_uid = program.uid();
  info.ifindex = 0;
  info.netns_dev = info.netns_ino = 0;
  const Program& source = program.verified().program();
  info.gpl_compatible = source.license == "GPL" || source.license == "GPL v2" ||
                        source.license == "Dual BSD/GPL" || source.license == "Dual MIT/GPL" ||
                        source.license == "GPL and additional rights" ||
                        source.license == "Dual MPL/GPL";
  const auto& stats = *reinterpret_cast<const ProgStats*>(header.stats);
  info.run_time_ns = stats.run_ns;
  info.run_cnt = stats.run_count;
  info.recursion_misses = stats.recursion_misses;
  info.verified_insns = static_cast<uint32_t>(program.verified().insns_processed());
  info.attach_btf_obj_id = 0;
  info.attach_btf_id = source.attach_btf_id;
  info.pad = 0;
  std::vector<uint32_t> map_ids;
  for (const auto& map : program.maps()) map_ids.push_back(map->id());
  SKEP_CHECK(give_array(caller, info.map_ids, info.nr_map_ids, map_ids));
  SKEP_CHECK(give_bytes(caller, info.xlated_prog_insns, info.xlated_prog_len,
                        std::as_bytes(program.verified().insns())));
  SKEP_CHECK(
      give_bytes(caller, info.jited_prog_insns, info.jited_prog_len, program.native().code()));
  return prog_code_info(caller, program, info);
}

MapInfo map_info(const runtime::MapObject& map) {
  const MapHeader& header = map.header();
  MapInfo info;
  info.type = header.type;
  info.id = header.id;
  info.key_size = header.key_size;
  info.value_size = header.value_size;
  info.max_entries = header.max_entries;
  info.map_flags = header.map_flags;
  std::copy(std::begin(header.name), std::end(header.name), info.name);
  info.btf_id = map.creation().btf ? map.creation().btf->id() : 0;
  info.btf_key_type_id = map.creation().btf_key_type_id;
  info.btf_value_type_id = map.creation().btf_value_type_id;
  info.map_extra = map.creation().attributes.map_extra;
  return info;
}

// A string that the caller has room for: whole with its NUL, or cut and ENOSPC. The length is the true one's.
Result<> give_text(const Caller& caller, uint64_t address, uint32_t& length,
                   const std::string& text) {
  uint32_t room = length;
  if ((address == 0) != (room == 0))
    return fail(EINVAL, "a name has both an address and a size, or neither");
  length = static_cast<uint32_t>(text.size() + 1);
  if (address == 0) return {};
  std::string cut = text.substr(0, std::min<size_t>(text.size(), room - 1));
  cut.push_back('\0');
  SKEP_CHECK(caller.copy_out(address, bytes_of(cut)));
  if (cut.size() <= text.size())
    return fail(ENOSPC, "a name of {} bytes, room for {}", text.size() + 1, room);
  return {};
}

// `count` of what is asked for: the number of places that the caller has room for. ENOSPC where that is too few, with
// those that fit.
Result<> uprobes_info(const Caller& caller, const LinkObject& link, LinkInfo& info) {
  const LinkObject::UprobeMulti& multi = *link.uprobes;
  auto& asked = info.uprobe_multi;
  const uint32_t room = asked.count, path_room = asked.path_size;
  const bool wants = asked.offsets != 0 || asked.cookies != 0 || asked.ref_ctr_offsets != 0;
  if ((asked.path == 0) != (path_room == 0)) return fail(EINVAL, "a path and its room go together");
  if (wants && room == 0) return fail(EINVAL, "room for no place");
  asked.count = static_cast<uint32_t>(multi.offsets.size());
  asked.flags = multi.flags;
  asked.pid = multi.pid;
  asked.path_size = static_cast<uint32_t>(multi.path.size() + 1);
  if (asked.path != 0) {
    if (path_room < asked.path_size)
      return fail(ENOSPC, "a path of {} bytes, room for {}", asked.path_size, path_room);
    std::string text = multi.path;
    text.push_back('\0');
    SKEP_CHECK(caller.copy_out(asked.path, bytes_of(text)));
  }
  if (!wants) return {};
  const size_t given = std::min<size_t>(room, multi.offsets.size());
  auto give = [&](uint64_t address, const std::vector<uint64_t>& values) -> Result<> {
    if (address == 0) return {};
    std::vector<uint64_t> all = values;
    all.resize(multi.offsets.size());
    return caller.copy_out(address, ByteSpan(reinterpret_cast<const std::byte*>(all.data()),
                                             given * sizeof(uint64_t)));
  };
  SKEP_CHECK(give(asked.offsets, multi.offsets));
  SKEP_CHECK(give(asked.cookies, multi.cookies));
  SKEP_CHECK(give(asked.ref_ctr_offsets, multi.semaphores));
  if (given < multi.offsets.size())
    return fail(ENOSPC, "{} places, room for {}", multi.offsets.size(), room);
  return {};
}

Result<> link_info(const Caller& caller, const LinkObject& link, LinkInfo& info) {
  info.type = link.kind;
  info.id = link.id;
  info.prog_id = link.prog()->id();
  info.pad = 0;
  switch (static_cast<spec::LinkType>(link.kind)) {
    case spec::LinkType::BPF_LINK_TYPE_RAW_TRACEPOINT:
      info.raw_tracepoint.cookie = link.cookie;
      return give_text(caller, info.raw_tracepoint.tp_name, info.raw_tracepoint.tp_name_len,
                       link.name);
    case spec::LinkType::BPF_LINK_TYPE_CGROUP:
      info.cgroup.cgroup_id = kTracedCgroupId;
      info.cgroup.attach_type = static_cast<uint32_t>(link.attach_type);
      return {};
    case spec::LinkType::BPF_LINK_TYPE_ITER:
      info.iter.map_id = link.map ? link.map->id() : 0;
      return give_text(caller, info.iter.target_name, info.iter.target_name_len, link.name);
    case spec::LinkType::BPF_LINK_TYPE_PERF_EVENT: {
      using Kind = EventObject::Kind;
      info.perf_event.cookie = link.cookie;
      if (link.event->kind == Kind::tracepoint) {
        info.perf_event.type = 5;  // BPF_PERF_EVENT_TRACEPOINT
        return give_text(caller, info.perf_event.name, info.perf_event.name_len,
                         tracepoint_name(link.event->offset));
      }
      if (link.event->kind == Kind::kprobe || link.event->kind == Kind::kretprobe) {
        // BPF_PERF_EVENT_KPROBE, _KRETPROBE. The addresses are a kernel's, which there is none of.
        info.kprobe.type = link.event->kind == Kind::kretprobe ? 4 : 3;
        info.kprobe.offset = 0;
        info.kprobe.addr = info.kprobe.missed = 0;
        info.kprobe.cookie = link.cookie;
        return give_text(caller, info.kprobe.func_name, info.kprobe.name_len,
                         syscall_function_name(link.event->offset));
      }
      // BPF_PERF_EVENT_UPROBE, _URETPROBE
      info.perf_event.type = link.event->kind == Kind::uretprobe ? 2 : 1;
      info.perf_event.offset = static_cast<uint32_t>(link.event->offset);
      info.perf_event.ref_ctr_offset = link.event->semaphore_offset;
      return give_text(caller, info.perf_event.name, info.perf_event.name_len, link.event->path);
    }
    case spec::LinkType::BPF_LINK_TYPE_UPROBE_MULTI: return uprobes_info(caller, link, info);
    default: return {};
  }
}

}  // namespace

Result<int64_t> UserEngine::get_next_id(Cmd cmd, Call& call) {
  SKEP_TRY(attr, call.read<GetIdAttr>(SKEP_ATTR_END(GetIdAttr, next_id)));
  if (attr.id >= INT_MAX) return fail(EINVAL, "ids are below {}", INT_MAX);
  using Kind = runtime::Runtime::Kind;
  std::optional<uint32_t> next;
  switch (cmd) {
    case Cmd::BPF_PROG_GET_NEXT_ID: next = runtime_->next_id(Kind::prog, attr.id); break;
    case Cmd::BPF_MAP_GET_NEXT_ID: next = runtime_->next_id(Kind::map, attr.id); break;
    case Cmd::BPF_BTF_GET_NEXT_ID: next = runtime_->next_id(Kind::btf, attr.id); break;
    default: next = links_.next_id(attr.id);
  }
  if (!next) return fail(ENOENT, "there is no id above {}", attr.id);
  attr.next_id = *next;
  SKEP_CHECK(call.give(attr, attr.next_id));
  return 0;
}

Result<int64_t> UserEngine::get_fd_by_id(Cmd cmd, Call& call) {
  std::optional<Handle> handle;
  uint32_t id = 0;
  auto take = [&](auto found) {
    if (found) handle.emplace(std::move(found));
  };
  switch (cmd) {
    case Cmd::BPF_PROG_GET_FD_BY_ID: {
      SKEP_TRY(attr, call.read<GetIdAttr>(SKEP_ATTR_END(GetIdAttr, id)));
      take(runtime_->find_program(id = attr.id));
      break;
    }
    case Cmd::BPF_MAP_GET_FD_BY_ID: {
      SKEP_TRY(attr, call.read<GetIdAttr>(SKEP_ATTR_END(GetIdAttr, open_flags)));
      SKEP_TRY(access, access_of(attr.open_flags));
      if (auto map = runtime_->find_map(id = attr.id))
        handle.emplace(std::move(map), access.read, access.write);
      break;
    }
    case Cmd::BPF_BTF_GET_FD_BY_ID: {
      SKEP_TRY(attr, call.read<GetIdAttr>(SKEP_ATTR_END(GetIdAttr, token_fd)));
      if ((attr.open_flags & ~kTokenFlag) != 0)
        return fail(EINVAL, "open_flags {:#x}: unknown", attr.open_flags);
      take(runtime_->find_btf(id = attr.id));
      break;
    }
    default: {
      SKEP_TRY(attr, call.read<GetIdAttr>(SKEP_ATTR_END(GetIdAttr, id)));
      take(links_.find(id = attr.id));
    }
  }
  if (!handle) return fail(ENOENT, "there is no object with id {}", id);
  return call.open(std::move(*handle));
}

Result<int64_t> UserEngine::get_info(Call& call) {
  SKEP_TRY(attr, call.read<ObjInfoAttr>(SKEP_ATTR_END(ObjInfoAttr, info)));
  auto found = call.caller().find(static_cast<int32_t>(attr.bpf_fd));
  // This command's own word for a descriptor that is not there.
  if (!found && found.error().code() == EBADF) return fail(EBADFD, "{}", found.error().message());
  if (!found) return fail(found);
  Handle& handle = *found;
  const Caller& caller = call.caller();
  if (auto* program = std::get_if<std::shared_ptr<runtime::ProgObject>>(&handle.object)) {
    SKEP_TRY(info, read_info<ProgInfo>(caller, attr));
    SKEP_CHECK(prog_info(caller, **program, info));
    return give_info(call, attr, as_bytes_of(info));
  }
  if (auto* map = std::get_if<std::shared_ptr<runtime::MapObject>>(&handle.object)) {
    SKEP_CHECK(read_info<MapInfo>(caller, attr));
    return give_info(call, attr, as_bytes_of(map_info(**map)));
  }
  if (auto* btf = std::get_if<std::shared_ptr<runtime::BtfObject>>(&handle.object)) {
    SKEP_TRY(info, read_info<BtfInfo>(caller, attr));
    info.id = (*btf)->id();
    info.kernel_btf = (*btf)->is_kernel() ? 1 : 0;
    SKEP_CHECK(give_bytes(caller, info.btf, info.btf_size, (*btf)->btf()->bytes()));
    std::string name = (*btf)->is_kernel() ? "vmlinux" : "";
    if ((info.name == 0) != (info.name_len == 0))
      return fail(EINVAL, "a name has both an address and a size, or neither");
    Result<> named;
    if (info.name != 0) {
      named = give_text(caller, info.name, info.name_len, name);
      if (!named && named.error().code() != ENOSPC) return fail(named);
    }
    info.name_len = static_cast<uint32_t>(name.size());
    SKEP_CHECK(give_info(call, attr, as_bytes_of(info)));
    if (!named) return fail(named);
    return 0;
  }
  if (auto* link = std::get_if<std::shared_ptr<LinkObject>>(&handle.object)) {
    SKEP_TRY(info, read_info<LinkInfo>(caller, attr));
    SKEP_CHECK(link_info(caller, **link, info));
    return give_info(call, attr, as_bytes_of(info));
  }
  return fail(EINVAL, "descriptor {} is not of a program, map, BTF or link", attr.bpf_fd);
}

Result<int64_t> UserEngine::task_fd_query(Call& call) {
  SKEP_TRY(attr, call.read<TaskFdQueryAttr>(SKEP_ATTR_END(TaskFdQueryAttr, probe_addr)));
  if (attr.flags != 0) return fail(EINVAL, "flags {:#x}: none are known", attr.flags);
  if (static_cast<pid_t>(attr.pid) != call.caller().pid())
    return fail(ENOENT, "process {}: only the caller's own descriptors are known", attr.pid);
  auto handle = call.caller().find(static_cast<int32_t>(attr.fd));
  if (!handle)
    return fail(handle.error().code() == EBADF ? EBADF : kENOTSUPP, "{}", handle.error().message());
  std::shared_ptr<LinkObject> link;
  std::shared_ptr<EventObject> event;
  if (auto* open_link = std::get_if<std::shared_ptr<LinkObject>>(&handle->object)) {
    link = *open_link;
    event = link->event;
    if (static_cast<spec::LinkType>(link->kind) != spec::LinkType::BPF_LINK_TYPE_RAW_TRACEPOINT)
      return fail(kENOTSUPP, "descriptor {}: a link of another kind", attr.fd);
  } else if (auto* open_event = std::get_if<std::shared_ptr<EventObject>>(&handle->object)) {
    event = *open_event;
    {
      std::lock_guard lock(event->mutex);
      link = event->link;
    }
    if (!link) link = links_.of_event(event.get());
    if (!link) return fail(ENOENT, "event {}: no program is attached to it", attr.fd);
  } else {
    return fail(kENOTSUPP, "descriptor {} is not of an event or a raw tracepoint", attr.fd);
  }
  std::string name = link->name;
  attr.fd_type = 0;  // BPF_FD_TYPE_RAW_TRACEPOINT
  attr.probe_offset = attr.probe_addr = 0;
  if (event) {
    using Kind = EventObject::Kind;
    switch (event->kind) {  // BPF_FD_TYPE_*
      case Kind::tracepoint: attr.fd_type = 1; break;
      case Kind::kprobe: attr.fd_type = 2; break;
      case Kind::kretprobe: attr.fd_type = 3; break;
      case Kind::uprobe: attr.fd_type = 4; break;
      default: attr.fd_type = 5; break;
    }
    if (event->kind == Kind::tracepoint) {
      name = tracepoint_name(event->offset);
    } else if (event->kind == Kind::kprobe || event->kind == Kind::kretprobe) {
      name = syscall_function_name(event->offset);
    } else {
      name = event->path;
      attr.probe_offset = event->offset;
    }
  }
  attr.prog_id = link->prog()->id();
  const uint32_t room = attr.buf_len;
  attr.buf_len = static_cast<uint32_t>(name.size());
  for (const Result<>& given :
       {call.give(attr, attr.buf_len), call.give(attr, attr.prog_id), call.give(attr, attr.fd_type),
        call.give(attr, attr.probe_offset), call.give(attr, attr.probe_addr)})
    SKEP_CHECK(given);
  if (attr.buf == 0 || room == 0) return 0;
  std::string cut = name.substr(0, std::min<size_t>(name.size(), room - 1));
  cut.push_back('\0');
  SKEP_CHECK(call.caller().copy_out(attr.buf, bytes_of(cut)));
  if (cut.size() <= name.size())
    return fail(ENOSPC, "a name of {} bytes, room for {}", name.size() + 1, room);
  return 0;
}

}  // namespace skep::engine
