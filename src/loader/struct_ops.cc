// Loader: struct_ops. A map's one value is the kernel's `struct bpf_struct_ops_NAME`, which holds, behind what all
// have in common, a `struct NAME`: the object's struct, moved member by member (by name) to where this kernel has
// each, with the programs' descriptors for its function pointers.
#include <cstring>

#include "loader/internal.h"

namespace skep::loader {

namespace {

// The member of `type` called `name`, flavour aside.
std::optional<uint32_t> find_member(const btf::Type& type, std::string_view name) {
  for (uint32_t i = 0; i < type.vlen(); ++i)
    if (btf::essential_name(type.member(i).name) == btf::essential_name(name)) return i;
  return std::nullopt;
}

bool all_zero(ByteSpan bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

}  // namespace

Result<> Loader::plan_struct_ops(size_t index, engine::MapCreateAttr& attr) {
  const object::MapSpec& spec = object_->maps()[index];
  SKEP_TRY(vmlinux, engine_->vmlinux_btf());
  const auto type_id = vmlinux->find(spec.struct_ops_type, btf::Kind::Struct);
  const auto value_id = vmlinux->find("bpf_struct_ops_" + spec.struct_ops_type, btf::Kind::Struct);
  if (!type_id || !value_id) {
    return fail(ENOTSUP, "map {}: this kernel has no struct_ops \"{}\"", spec.name,
                spec.struct_ops_type);
  }
  const btf::Type kernel_type = vmlinux->type(*type_id), value_type = vmlinux->type(*value_id);
  const btf::Type local = object_->btf()->type(spec.definition);
  StructOps ops;
  ops.map = index;
  ops.value.resize(value_type.size());
  std::optional<uint32_t> data;
  for (uint32_t i = 0; i < value_type.vlen(); ++i)
    if (vmlinux->resolve(value_type.member(i).type).id() == *type_id)
      data = value_type.member(i).bit_offset / 8;
  if (!data)
    return fail(ENOTSUP, "map {}: this kernel's {} holds no {}", spec.name, value_type.name(),
                spec.struct_ops_type);
  for (uint32_t i = 0; i < local.vlen(); ++i) {
    const btf::Member member = local.member(i);
    const uint32_t offset = member.bit_offset / 8;
    const auto size = object_->btf()->size_of(member.type);
    if (!size || uint64_t{offset} + *size > spec.content.size()) continue;
    const ByteSpan bytes = ByteSpan(spec.content).subspan(offset, *size);
    const object::MapSpec::Element* element = nullptr;
    for (const auto& each : spec.elements)
      if (each.is_program && each.key == offset) element = &each;
    const auto there = find_member(kernel_type, member.name);
    if (!there) {
      // A newer struct's member is no loss as long as nothing is asked of it.
      if (element == nullptr && all_zero(bytes)) continue;
      return fail(ENOTSUP, "map {}: this kernel's struct {} has no member {}", spec.name,
                  spec.struct_ops_type, member.name);
    }
    const btf::Member target = kernel_type.member(*there);
    const uint32_t target_offset = *data + target.bit_offset / 8;
    if (element != nullptr) {
      ops.programs.push_back({element->index, *type_id, *there, target_offset});
      continue;
    }
    const auto target_size = vmlinux->size_of(target.type);
    if (!target_size || *target_size != *size) {
      return fail(ENOTSUP, "map {}: member {} has {} bytes in the object and {} in this kernel",
                  spec.name, member.name, *size, target_size.value_or(0));
    }
    if (uint64_t{target_offset} + *size <= ops.value.size())
      std::memcpy(ops.value.data() + target_offset, bytes.data(), *size);
  }
  attr.value_size = value_type.size();
  attr.btf_vmlinux_value_type_id = *value_id;
  struct_ops_.push_back(std::move(ops));
  return {};
}

// Which member of which struct a program implements; it may be one of several.
const Loader::StructOps::Member* Loader::struct_ops_member(uint32_t program) const {
  for (const StructOps& ops : struct_ops_)
    for (const StructOps::Member& member : ops.programs)
      if (member.program == program) return &member;
  return nullptr;
}

Result<Link> Loader::attach_struct_ops(StructOps& ops) {
  const LoadedMap& map = maps_[ops.map];
  for (const StructOps::Member& member : ops.programs) {
    const auto fd = static_cast<uint64_t>(programs_[member.program].fd.get());
    if (member.offset + sizeof fd <= ops.value.size())
      std::memcpy(ops.value.data() + member.offset, &fd, sizeof fd);
  }
  uint32_t key = 0;
  engine::MapElemAttr update;
  update.map_fd = static_cast<uint32_t>(map.fd.get());
  update.key = address_of(&key);
  update.value = address_of(ops.value.data());
  const std::string where = fmt::format("struct_ops {}", map.spec->struct_ops_type);
  int64_t result = engine_->call(engine::Cmd::BPF_MAP_UPDATE_ELEM, update);
  if (result < 0)
    return std::unexpected(
        engine_error(*engine_, result, fmt::format("map {}: {}", map.spec->name, where)));
  Link link;
  link.program = map.spec->name;
  link.where = where;
  if (map.spec->struct_ops_link) {
    engine::LinkCreateAttr create;
    create.prog_fd = static_cast<uint32_t>(map.fd.get());
    create.attach_type = static_cast<uint32_t>(AttachType::BPF_STRUCT_OPS);
    int64_t fd = engine_->call(engine::Cmd::BPF_LINK_CREATE, create);
    if (fd < 0) return std::unexpected(engine_error(*engine_, fd, where));
    link.fd = engine::EngineFd(engine_, static_cast<int>(fd));
  } else {
    // Without a link it is in use until its element is deleted.
    link.undo = Undo([engine = engine_, map_fd = map.fd.get()] {
      uint32_t zero = 0;
      engine::MapElemAttr remove;
      remove.map_fd = static_cast<uint32_t>(map_fd);
      remove.key = address_of(&zero);
      (void)engine->call(engine::Cmd::BPF_MAP_DELETE_ELEM, remove);
    });
  }
  return link;
}

}  // namespace skep::loader
