#include "runtime/runtime.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "btf/user_engine/user_engine.h"
#include "helpers/bindings.h"
#include "helpers/kfuncs.h"
#include "maps/map_helpers.h"
#include "object/task_view.h"

namespace skep::runtime {
namespace {

template <class T>
std::shared_ptr<T> find_in(const std::map<uint32_t, std::weak_ptr<T>>& table, uint32_t id) {
  auto found = table.find(id);
  return found == table.end() ? nullptr : found->second.lock();
}
template <class T>
std::optional<uint32_t> next_in(const std::map<uint32_t, std::weak_ptr<T>>& table, uint32_t id) {
  for (auto at = table.upper_bound(id); at != table.end(); ++at) {
    if (!at->second.expired()) return at->first;
  }
  return std::nullopt;
}
// Enters a new object and forgets those that are gone, now and then.
template <class T>
void enter(std::map<uint32_t, std::weak_ptr<T>>& table, uint32_t id,
           const std::shared_ptr<T>& object) {
  if (table.size() % 64 == 63)
    std::erase_if(table, [](const auto& row) { return row.second.expired(); });
  table.emplace(id, object);
}

}  // namespace

Result<std::unique_ptr<Runtime>> Runtime::create(const RuntimeOptions& options) {
  std::unique_ptr<Runtime> runtime(new Runtime);
  auto hive = Hive::create(options.hive);
  if (!hive) return fail(hive, "making the hive");
  runtime->hive_ = std::move(*hive);
  runtime->jit_options_ = options.jit;
  if (options.map_process_page) {
    SKEP_CHECK(runtime->hive_->map_process_page([](hive::ProcessPage& page) {
      for (const HelperBinding& row : helpers::helper_bindings()) {
        page.helpers[row.id] = reinterpret_cast<uint64_t>(row.fn);
      }
      for (const HelperBinding& row : maps::map_helper_bindings()) {
        page.helpers[row.id] = reinterpret_cast<uint64_t>(row.fn);
      }
      uint32_t number = 0;
      for (HelperFn body : helpers::kfunc_bodies())
        page.kfuncs[number++] = reinterpret_cast<uint64_t>(body);
    }));
  }
  runtime->kernel_btf_ = btf::user_engine_btf();
  SKEP_TRY(kernel_btf, runtime->publish_btf(runtime->kernel_btf_, true));
  runtime->kernel_btf_object_ = kernel_btf;
  maps::MapAttributes printk;
  printk.type = MapType::BPF_MAP_TYPE_RINGBUF;
  printk.max_entries = 256 * 1024;
  printk.name = "printk";
  SKEP_TRY(ring, maps::create_map(*runtime->hive_, printk));
  runtime->printk_ring_ = ring;
  runtime->hive_->set_root(hive::Root::kPrintk, ring);
  SKEP_CHECK(runtime->publish_cgroup());
  return runtime;
}

Runtime::~Runtime() {
  timers_.reset();
  kernel_btf_object_.reset();
  if (cgroup_ != nullptr) {
    hive_->set_root(hive::Root::kCgroup, nullptr);
    hive_->defer([hive = hive_.get(), memory = cgroup_] { hive->free_object(memory); });
  }
  if (printk_ring_ == nullptr) return;
  hive_->set_root(hive::Root::kPrintk, nullptr);
  maps::destroy_map(*hive_, printk_ring_);
}

Result<std::shared_ptr<BtfObject>> Runtime::load_btf(ByteSpan bytes) {
  auto parsed = btf::Btf::parse(bytes);
  if (!parsed) return fail(parsed, "BTF");
  if (auto valid = (*parsed)->validate(); !valid) return fail(valid, "BTF");
  return publish_btf(std::move(*parsed), false);
}

Result<std::shared_ptr<BtfObject>> Runtime::publish_btf(std::shared_ptr<const btf::Btf> parsed,
                                                        bool kernel) {
  ByteSpan bytes = parsed->bytes();
  SKEP_TRY(memory, hive_->allocate_object(bytes.size()));
  std::memcpy(memory, bytes.data(), bytes.size());
  uint32_t id = hive_->take_id(hive::ObjectKind::kBtf);
  if (auto published = hive_->publish_object(hive::ObjectKind::kBtf, id, memory); !published) {
    hive_->free_object(memory);
    return fail(published, "BTF");
  }
  auto object = std::make_shared<BtfObject>(*this, id, std::move(parsed), memory, kernel);
  std::lock_guard lock(mutex_);
  enter(btfs_, id, object);
  return object;
}

Result<std::shared_ptr<MapObject>> Runtime::create_map(MapCreation creation) {
  hive_->run_deferred();
  auto fields = value_fields(creation);
  if (!fields) return fail(fields, "map {}", creation.attributes.name);
  if (fields->count != 0) SKEP_CHECK(ensure_heap());
  creation.attributes.fields = &*fields;
  auto made = maps::create_map(*hive_, creation.attributes);
  creation.attributes.fields = nullptr;
  if (!made) return fail(made);
  MapHeader* header = *made;
  auto object = std::make_shared<MapObject>(*this, header, std::move(creation));
  if (static_cast<MapType>(header->type) == MapType::BPF_MAP_TYPE_TASK_STORAGE)
    SKEP_CHECK(note_task_storage(header, true));
  std::lock_guard lock(mutex_);
  enter(maps_, object->id(), object);
  return object;
}

void Runtime::start_timers() {
  std::lock_guard lock(mutex_);
  if (!timers_) timers_ = std::make_unique<TimerRunner>(*this);
}

Result<> Runtime::note_task_storage(const MapHeader* map, bool there) {
  std::lock_guard lock(mutex_);
  if (there)
    task_storages_.push_back(map);
  else
    std::erase(task_storages_, map);
  return maps::publish_task_storages(*hive_, task_storages_);
}

// The one cgroup that all programs run in: the root of a hierarchy of its own.
Result<> Runtime::publish_cgroup() {
  SKEP_TRY(memory, hive_->allocate_object(sizeof(CgroupView)));
  cgroup_ = memory;
  auto& view = *static_cast<CgroupView*>(memory);
  view.node.id = CgroupView::kId;
  view.node.name = view.name;
  view.cgroup.self.cgroup = &view.cgroup;
  view.cgroup.kn = &view.node;
  view.cgroup.ancestors[0] = &view.cgroup;
  view.css_set.dfl_cgrp = &view.cgroup;
  hive_->set_root(hive::Root::kCgroup, &view);
  return {};
}

Result<Runtime::Loaded> Runtime::load_program(ProgLoad load) {
  hive_->run_deferred();
  load.program.maps.clear();
  for (const auto& map : load.maps) {
    load.program.maps.push_back(map->describe());
    if (static_cast<MapType>(map->header().type) == MapType::BPF_MAP_TYPE_PROG_ARRAY)
      SKEP_CHECK(map->admit(load.program.type, load.program.expected_attach_type));
  }
  if (load.btf) load.program.btf = load.btf->btf();
  load.verify.kernel_btf = kernel_btf_;
  Loaded loaded;
  loaded.name = load.program.name;
  loaded.report = verifier::verify(load.program, load.verify);
  if (!loaded.report.verified) return loaded;
  auto program =
      std::make_shared<ProgObject>(*this, std::move(load), std::move(*loaded.report.verified));
  loaded.report.verified.reset();
  SKEP_CHECK(check_bound(program->verified()));
  SKEP_CHECK(prepare_types(*program));
  SKEP_CHECK(compile(*program));
  {
    std::lock_guard lock(mutex_);
    if (run_times_ > 0) program->header_->flags = kProgRunTimes;
    enter(programs_, program->id(), program);
  }
  for (const Subprogram& sub : program->verified().subprograms()) {
    for (uint32_t map : sub.async_maps)
      if (map < program->maps_.size()) program->maps_[map]->hold_timer_program(program);
  }
  loaded.program = std::move(program);
  return loaded;
}

Result<> Runtime::compile(ProgObject& object) {
  const Program& program = object.verified_.program();
  SKEP_TRY(stats, hive_->allocate_data(sizeof(ProgStats)));
  object.stats_ = stats;
  jit::JitOptions& options = object.jit_options_;
  options = jit_options_;
  options.out_of_fuel = reinterpret_cast<uint64_t>(&static_cast<ProgStats*>(stats)->out_of_fuel);
  auto native = make_code(object);
  if (!native) return fail(native, "{}", program.name);
  object.native_ = std::move(*native);
  SKEP_TRY(memory, hive_->allocate_object(sizeof(ProgHeader)));
  auto* header = static_cast<ProgHeader*>(memory);
  object.header_ = header;
  header->magic = kProgMagic;
  header->id = hive_->take_id(hive::ObjectKind::kProg);
  header->type = static_cast<uint32_t>(program.type);
  header->expected_attach_type = static_cast<uint32_t>(program.expected_attach_type);
  header->entry = object.native_.entry;
  header->tail_entry = object.native_.tail_entry;
  header->code = object.native_.block.address;
  header->code_size = object.native_.code_size;
  header->stats = reinterpret_cast<uint64_t>(object.stats_);
  header->insn_count = program.insns.size();
  header->fault_table = object.native_.fault_table;
  header->fault_count = object.native_.faults.size();
  header->fuel = options.fuel;
  header->object_types = reinterpret_cast<uint64_t>(object.object_types_);
  auto tag = object.tag_ ? *object.tag_ : program_tag(object.original_insns_);
  std::memcpy(header->tag, tag.data(), tag.size());
  std::memcpy(header->name, program.name.data(),
              std::min(program.name.size(), sizeof header->name - 1));
  return hive_->publish_object(hive::ObjectKind::kProg, header->id, header);
}

RunTimes::RunTimes(Runtime& runtime) : runtime_(runtime) {
  std::lock_guard lock(runtime_.mutex_);
  if (runtime_.run_times_++ == 0) runtime_.set_run_times(true);
}
RunTimes::~RunTimes() {
  std::lock_guard lock(runtime_.mutex_);
  if (--runtime_.run_times_ == 0) runtime_.set_run_times(false);
}

std::shared_ptr<RunTimes> Runtime::enable_run_times() { return std::make_shared<RunTimes>(*this); }

// Called with the lock held.
void Runtime::set_run_times(bool on) {
  for (const auto& [id, weak] : programs_) {
    // The last reference may go here: its destructor takes no lock of ours.
    if (auto program = weak.lock()) {
      std::atomic_ref(program->header_->flags)
          .store(on ? kProgRunTimes : 0, std::memory_order_relaxed);
    }
  }
}

std::shared_ptr<BtfObject> Runtime::find_btf(uint32_t id) const {
  std::lock_guard lock(mutex_);
  return find_in(btfs_, id);
}
std::shared_ptr<MapObject> Runtime::find_map(uint32_t id) const {
  std::lock_guard lock(mutex_);
  return find_in(maps_, id);
}
std::shared_ptr<ProgObject> Runtime::find_program(uint32_t id) const {
  std::lock_guard lock(mutex_);
  return find_in(programs_, id);
}

std::shared_ptr<ProgObject> Runtime::find_program_at(uint64_t header) const {
  // Whoever asks may have it from memory that others write: only the control segment is looked at.
  const bool inside = header >= hive::kControl && header % alignof(ProgHeader) == 0 &&
                      header - hive::kControl <= hive::kControlSize - sizeof(ProgHeader);
  if (!inside) return nullptr;
  auto program = find_program(reinterpret_cast<const ProgHeader*>(header)->id);
  if (!program || reinterpret_cast<uint64_t>(program->header_) != header) return nullptr;
  return program;
}

std::optional<uint32_t> Runtime::next_id(Kind kind, uint32_t id) const {
  std::lock_guard lock(mutex_);
  switch (kind) {
    case Kind::btf: return next_in(btfs_, id);
    case Kind::map: return next_in(maps_, id);
    case Kind::prog: return next_in(programs_, id);
  }
  std::unreachable();
}

}  // namespace skep::runtime
