// The runtime's objects: BTF, maps and programs, and what happens when the last reference goes.
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/sha256.h"
#include "runtime/runtime.h"

namespace skep::runtime {

BtfObject::BtfObject(Runtime& runtime, uint32_t id, std::shared_ptr<const btf::Btf> btf,
                     void* published, bool kernel)
    : runtime_(runtime), id_(id), btf_(std::move(btf)), published_(published), kernel_(kernel) {}

BtfObject::~BtfObject() {
  runtime_.hive().unpublish_object(hive::ObjectKind::kBtf, id_);
  runtime_.hive().defer([&hive = runtime_.hive(), memory = published_, types = object_types_] {
    for (const auto& [id, type] : types) {
      auto* object = const_cast<ObjectType*>(type);
      std::atomic_ref(object->magic).store(0);
      hive.free_object(object);
    }
    hive.free_object(memory);
  });
}

MapObject::MapObject(Runtime& runtime, MapHeader* header, MapCreation creation)
    : runtime_(runtime), header_(header), creation_(std::move(creation)) {
  if (!creation_.btf) return;
  header_->btf_key_type_id = creation_.btf_key_type_id;
  header_->btf_value_type_id = creation_.btf_value_type_id;
  std::atomic_ref(header_->btf_id).store(creation_.btf->id(), std::memory_order_release);
}

MapObject::~MapObject() {
  if (static_cast<MapType>(header_->type) == MapType::BPF_MAP_TYPE_TASK_STORAGE) {
    // Without room for a shorter list the longer one stays: the header is freed then all the same, and its slot in
    // the list must not be read any more.
    if (!runtime_.note_task_storage(header_, false))
      runtime_.hive().set_root(hive::Root::kTaskStorages, nullptr);
  }
  maps::destroy_map(runtime_.hive(), header_);
}

void MapObject::hold(ByteSpan key, std::shared_ptr<void> object) {
  std::string name(reinterpret_cast<const char*>(key.data()), key.size());
  std::shared_ptr<void> before;  // released outside the lock
  std::lock_guard lock(mutex_);
  if (auto found = held_.find(name); found != held_.end()) {
    before = std::move(found->second);
    held_.erase(found);
  }
  if (object) held_.emplace(std::move(name), std::move(object));
}

Result<> MapObject::admit(ProgType type, AttachType attach_type) {
  std::lock_guard lock(mutex_);
  if (!owner_) owner_.emplace(type, attach_type);
  // Programs that are told apart by it only: others may have any attach type.
  bool by_attach_type = type == ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR ||
                        type == ProgType::BPF_PROG_TYPE_TRACING ||
                        type == ProgType::BPF_PROG_TYPE_LSM;
  if (owner_->first != type || (by_attach_type && owner_->second != attach_type))
    return fail(EINVAL, "prog array {} holds programs of another type", header_->name);
  return {};
}

std::shared_ptr<void> MapObject::user_reference() {
  std::lock_guard lock(mutex_);
  if (auto reference = user_reference_.lock()) return reference;
  std::shared_ptr<void> reference(this, [](void* self) {
    auto* map = static_cast<MapObject*>(self);
    std::map<std::string, std::shared_ptr<void>> gone;  // released outside the lock
    std::vector<std::shared_ptr<void>> programs;
    std::lock_guard guard(map->mutex_);
    if (!map->user_reference_.expired()) return;  // opened again meanwhile
    programs.swap(map->timer_programs_);
    if (static_cast<MapType>(map->header_->type) != MapType::BPF_MAP_TYPE_PROG_ARRAY) return;
    gone.swap(map->held_);
    for (const auto& [key, program] : gone) {
      // It fails only where the element is empty already.
      (void)maps::set_program(map->runtime_.hive(), map->header_, load<uint32_t>(key.data()),
                              nullptr);
    }
  });
  user_reference_ = reference;
  for (const auto& known : known_timer_programs_) {
    if (auto program = known.lock()) timer_programs_.push_back(std::move(program));
  }
  return reference;
}

void MapObject::hold_timer_program(std::shared_ptr<void> program) {
  std::lock_guard lock(mutex_);
  std::erase_if(known_timer_programs_, [](const auto& known) { return known.expired(); });
  known_timer_programs_.push_back(program);
  if (!user_reference_.expired()) timer_programs_.push_back(std::move(program));
}

MapDescriptor MapObject::describe() const {
  const auto& attributes = creation_.attributes;
  MapDescriptor map;
  map.id = header_->id;
  map.name = attributes.name;
  map.type = attributes.type;
  map.key_size = attributes.key_size;
  map.value_size = attributes.value_size;
  map.max_entries = header_->max_entries;
  map.map_flags = attributes.map_flags;
  map.map_extra = attributes.map_extra;
  map.frozen = header_->frozen != 0;
  if (creation_.btf) map.btf = creation_.btf->btf();
  map.btf_key_type_id = creation_.btf_key_type_id;
  map.btf_value_type_id = creation_.btf_value_type_id;
  map.address = reinterpret_cast<uint64_t>(header_);
  if (attributes.type == MapType::BPF_MAP_TYPE_ARRAY) {
    map.value_address = header_->values;
    if (map.frozen && (attributes.map_flags & BPF_F_RDONLY_PROG) != 0) {
      map.constant_value =
          ByteSpan(reinterpret_cast<const std::byte*>(header_->values), attributes.value_size);
    }
  }
  if (creation_.inner) map.inner = std::make_shared<MapDescriptor>(creation_.inner->describe());
  return map;
}

ProgObject::ProgObject(Runtime& runtime, ProgLoad load, VerifiedProgram verified)
    : runtime_(runtime),
      verified_(std::move(verified)),
      original_insns_(std::move(load.program.insns)),
      maps_(std::move(load.maps)),
      btf_(std::move(load.btf)),
      uid_(load.uid.value_or(::getuid())),
      tag_(load.tag) {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  load_time_ns_ =
      static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

ProgObject::~ProgObject() {
  Hive& hive = runtime_.hive();
  if (header_ != nullptr) hive.unpublish_object(hive::ObjectKind::kProg, header_->id);
  CodeBlock second = optimised_ ? optimised_->block : CodeBlock{};
  hive.defer([&hive, header = header_, stats = stats_, block = native_.block, second,
              types = object_types_] {
    if (types != nullptr) hive.free_object(types);
    if (header != nullptr) hive.free_object(header);
    if (stats != nullptr) hive.free_data(stats);
    if (block.size != 0) hive.code_memory().free(block);
    if (second.size != 0) hive.code_memory().free(second);
  });
}

std::optional<uint32_t> ProgObject::callback_at(uint64_t entry) const {
  const auto subprograms = verified_.subprograms();
  auto callback = [&](size_t index) -> std::optional<uint32_t> {
    if (index >= subprograms.size() || !subprograms[index].is_callback) return std::nullopt;
    return static_cast<uint32_t>(index);
  };
  auto in_code = [&](const jit::NativeCode& code) -> std::optional<uint32_t> {
    for (size_t i = 0; i < code.subprograms.size(); ++i)
      if (code.block.address + code.subprograms[i] == entry) return callback(i);
    return std::nullopt;
  };
  if (auto found = in_code(native_)) return found;
  if (const jit::NativeCode* second = optimised())
    if (auto found = in_code(*second)) return found;
  std::optional<uint32_t> insn;
  {
    std::lock_guard lock(mutex_);
    if (interpreter_) insn = interpreter_->insn_of(entry);
  }
  if (!insn) return std::nullopt;
  for (size_t i = 0; i < subprograms.size(); ++i)
    if (subprograms[i].start == *insn) return callback(i);
  return std::nullopt;
}

uint64_t ProgObject::out_of_fuel() const {
  return std::atomic_ref(static_cast<ProgStats*>(stats_)->out_of_fuel)
      .load(std::memory_order_relaxed);
}

std::vector<std::shared_ptr<MapObject>> ProgObject::maps() const {
  std::lock_guard lock(mutex_);
  return maps_;
}

void ProgObject::bind(std::shared_ptr<MapObject> map) {
  std::lock_guard lock(mutex_);
  if (std::find(maps_.begin(), maps_.end(), map) == maps_.end()) maps_.push_back(std::move(map));
}

std::array<uint8_t, 8> program_tag(std::span<const Insn> insns) {
  std::vector<Insn> copy(insns.begin(), insns.end());
  for (size_t i = 0; i < copy.size(); ++i) {
    if (!isa::is_ld_imm64(copy[i])) continue;
    bool is_map = copy[i].src == isa::BPF_PSEUDO_MAP_FD || copy[i].src == isa::BPF_PSEUDO_MAP_VALUE;
    if (is_map && i + 1 < copy.size()) copy[i].imm = copy[i + 1].imm = 0;
    ++i;
  }
  auto digest = sha256(bytes_of(copy));
  std::array<uint8_t, 8> tag;
  std::memcpy(tag.data(), digest.data(), tag.size());
  return tag;
}

}  // namespace skep::runtime
