// BPF_*_GET_NEXT_ID, BPF_*_GET_FD_BY_ID, BPF_OBJ_GET_INFO_BY_FD.
#include <algorithm>

#include "engine/user/memory.h"
#include "engine/user/user_engine.h"

namespace skep::engine {

using namespace user;

namespace {

// An array that the caller may ask for: as many as fit, and the true count back.
template <class T>
Result<> give_array(uint64_t address, uint32_t& count, const std::vector<T>& items) {
  uint32_t room = count;
  count = static_cast<uint32_t>(items.size());
  if (address == 0 || room == 0) return {};
  size_t fits = std::min<size_t>(room, items.size());
  return copy_out(address, bytes_of(items).first(fits * sizeof(T)));
}
// The same, counted in bytes and all or nothing, as xlated and jited dumps are.
Result<> give_bytes(uint64_t address, uint32_t& length, ByteSpan bytes) {
  uint32_t room = length;
  length = static_cast<uint32_t>(bytes.size());
  if (address == 0 || room == 0) return {};
  return copy_out(address, bytes.first(std::min<size_t>(room, bytes.size())));
}

Result<> give_info(ObjInfoAttr& attr, void* raw, uint32_t size, ByteSpan info) {
  uint32_t length = std::min<uint32_t>(attr.info_len, static_cast<uint32_t>(info.size()));
  SKEP_CHECK(copy_out(attr.info, info.first(length)));
  attr.info_len = length;
  return write_attr(raw, size, attr);
}

template <class T>
ByteSpan as_bytes_of(const T& value) {
  return {reinterpret_cast<const std::byte*>(&value), sizeof value};
}

Result<> prog_info(const runtime::ProgObject& program, ProgInfo& info) {
  const ProgHeader& header = program.header();
  info.type = header.type;
  info.id = header.id;
  std::copy(std::begin(header.tag), std::end(header.tag), info.tag);
  std::copy(std::begin(header.name), std::end(header.name), info.name);
  info.load_time = program.load_time_ns();
  info.created_by_uid = program.uid();
  const Program& source = program.verified().program();
  info.gpl_compatible = source.license == "GPL" || source.license == "GPL v2" ||
                        source.license == "Dual BSD/GPL" || source.license == "Dual MIT/GPL" ||
                        source.license == "GPL and additional rights" ||
                        source.license == "Dual MPL/GPL";
  std::vector<uint32_t> map_ids;
  for (const auto& map : program.maps()) map_ids.push_back(map->id());
  SKEP_CHECK(give_array(info.map_ids, info.nr_map_ids, map_ids));
  SKEP_CHECK(give_bytes(info.xlated_prog_insns, info.xlated_prog_len,
                        std::as_bytes(program.verified().insns())));
  SKEP_CHECK(give_bytes(info.jited_prog_insns, info.jited_prog_len, program.native().code()));
  info.btf_id = program.btf() ? program.btf()->id() : 0;
  info.func_info_rec_size = sizeof(FuncInfo);
  SKEP_CHECK(give_array(info.func_info, info.nr_func_info, source.func_info));
  info.line_info_rec_size = sizeof(LineInfo);
  SKEP_CHECK(give_array(info.line_info, info.nr_line_info, source.line_info));
  std::vector<std::array<uint8_t, 8>> tags{runtime::program_tag(program.original_insns())};
  SKEP_CHECK(give_array(info.prog_tags, info.nr_prog_tags, tags));
  std::vector<uint64_t> symbols;
  std::vector<uint32_t> lengths;
  for (uint32_t offset : program.native().subprograms) {
    symbols.push_back(program.native().block.address + offset);
    auto next = std::upper_bound(program.native().subprograms.begin(),
                                 program.native().subprograms.end(), offset);
    lengths.push_back(
        (next == program.native().subprograms.end() ? program.native().code_size : *next) - offset);
  }
  SKEP_CHECK(give_array(info.jited_ksyms, info.nr_jited_ksyms, symbols));
  SKEP_CHECK(give_array(info.jited_func_lens, info.nr_jited_func_lens, lengths));
  info.nr_jited_line_info = 0;
  const auto& stats = *reinterpret_cast<const ProgStats*>(header.stats);
  info.run_time_ns = stats.run_ns;
  info.run_cnt = stats.run_count;
  info.recursion_misses = stats.recursion_misses;
  info.verified_insns = static_cast<uint32_t>(program.verified().insns_processed());
  info.attach_btf_id = source.attach_btf_id;
  return {};
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

LinkInfo link_info(const LinkObject& link) {
  LinkInfo info;
  info.type = link.kind;
  info.id = link.id;
  info.prog_id = link.program->id();
  return info;
}

}  // namespace

Result<int64_t> UserEngine::get_next_id(Cmd cmd, void* raw, uint32_t size) {
  SKEP_TRY(attr, read_attr<GetIdAttr>(raw, size));
  using Kind = runtime::Runtime::Kind;
  std::optional<uint32_t> next;
  switch (cmd) {
    case Cmd::BPF_PROG_GET_NEXT_ID: next = runtime_->next_id(Kind::prog, attr.id); break;
    case Cmd::BPF_MAP_GET_NEXT_ID: next = runtime_->next_id(Kind::map, attr.id); break;
    case Cmd::BPF_BTF_GET_NEXT_ID: next = runtime_->next_id(Kind::btf, attr.id); break;
    default: {
      std::lock_guard lock(mutex_);
      for (auto at = links_.upper_bound(attr.id); at != links_.end() && !next; ++at) {
        if (!at->second.expired()) next = at->first;
      }
    }
  }
  if (!next) return fail(ENOENT, "there is no id above {}", attr.id);
  attr.next_id = *next;
  SKEP_CHECK(write_attr(raw, size, attr));
  return 0;
}

Result<int64_t> UserEngine::get_fd_by_id(Cmd cmd, void* raw, uint32_t size) {
  SKEP_TRY(attr, read_attr<GetIdAttr>(raw, size));
  std::optional<user::Object> object;
  auto take = [&](auto found) {
    if (found) object = std::move(found);
  };
  switch (cmd) {
    case Cmd::BPF_PROG_GET_FD_BY_ID: take(runtime_->find_program(attr.id)); break;
    case Cmd::BPF_MAP_GET_FD_BY_ID: take(runtime_->find_map(attr.id)); break;
    case Cmd::BPF_BTF_GET_FD_BY_ID: take(runtime_->find_btf(attr.id)); break;
    default: {
      std::lock_guard lock(mutex_);
      auto found = links_.find(attr.id);
      if (found != links_.end()) take(found->second.lock());
    }
  }
  if (!object) return fail(ENOENT, "there is no object with id {}", attr.id);
  SKEP_TRY(fd, descriptors_.open(std::move(*object)));
  return fd;
}

Result<int64_t> UserEngine::get_info(void* raw, uint32_t size) {
  SKEP_TRY(attr, read_attr<ObjInfoAttr>(raw, size));
  SKEP_TRY(object, descriptors_.get_any(attr.bpf_fd));
  if (auto* program = std::get_if<std::shared_ptr<runtime::ProgObject>>(&object)) {
    // Which arrays are wanted stands in the caller's copy.
    ProgInfo info;
    SKEP_CHECK(copy_in(&info, attr.info, std::min<size_t>(attr.info_len, sizeof info)));
    SKEP_CHECK(prog_info(**program, info));
    SKEP_CHECK(give_info(attr, raw, size, as_bytes_of(info)));
  } else if (auto* map = std::get_if<std::shared_ptr<runtime::MapObject>>(&object)) {
    SKEP_CHECK(give_info(attr, raw, size, as_bytes_of(map_info(**map))));
  } else if (auto* btf = std::get_if<std::shared_ptr<runtime::BtfObject>>(&object)) {
    BtfInfo info;
    SKEP_CHECK(copy_in(&info, attr.info, std::min<size_t>(attr.info_len, sizeof info)));
    ByteSpan bytes = (*btf)->btf()->bytes();
    SKEP_CHECK(give_bytes(info.btf, info.btf_size, bytes));
    info.id = (*btf)->id();
    SKEP_CHECK(give_info(attr, raw, size, as_bytes_of(info)));
  } else if (auto* link = std::get_if<std::shared_ptr<LinkObject>>(&object)) {
    SKEP_CHECK(give_info(attr, raw, size, as_bytes_of(link_info(**link))));
  } else {
    return fail(EINVAL, "descriptor {} is not of a program, map, BTF or link", attr.bpf_fd);
  }
  return 0;
}

}  // namespace skep::engine
