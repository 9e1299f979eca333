// Runtime: one user engine's BPF subsystem. It owns a hive and the objects in it (BTF, maps, programs),
// gives them ids, has programs verified and compiled, binds helpers, and runs programs in this process
// (BPF_PROG_TEST_RUN). Knows no bpf_attr and no hook.
//
// Lifetimes are references: an object lives while a shared_ptr to it does (a descriptor, a link, a program
// that uses a map); find_*() hands out new references by id. Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hive.h"
#include "base/result.h"
#include "btf/btf.h"
#include "maps/control/maps.h"
#include "object/prog_header.h"
#include "object/program.h"
#include "object/verified_program.h"
#include "runtime/native_cache.h"
#include "runtime/timers.h"
#include "verifier/verifier.h"
#include "vm/interpreter.h"
#include "vm/jit/jit.h"

namespace skep::runtime {

class Runtime;

// BPF_BTF_LOAD's object. Its bytes also lie in the control segment, for inspectors.
class BtfObject {
 public:
  BtfObject(Runtime& runtime, uint32_t id, std::shared_ptr<const btf::Btf> btf, void* published,
            bool kernel = false);
  ~BtfObject();
  BtfObject(const BtfObject&) = delete;
  BtfObject& operator=(const BtfObject&) = delete;
  [[nodiscard]] uint32_t id() const { return id_; }
  [[nodiscard]] const std::shared_ptr<const btf::Btf>& btf() const { return btf_; }
  // The engine's own "vmlinux".
  [[nodiscard]] bool is_kernel() const { return kernel_; }
  // What programs make of one of its structs; lives as long as this.
  [[nodiscard]] Result<const ObjectType*> object_type(uint32_t type_id, bool percpu);

 private:
  std::mutex mutex_;
  std::map<std::pair<uint32_t, bool>, const ObjectType*> object_types_;  // mutex_
  Runtime& runtime_;
  uint32_t id_;
  std::shared_ptr<const btf::Btf> btf_;
  void* published_;
  bool kernel_;
};

struct MapCreation {
  maps::MapAttributes attributes;
  std::shared_ptr<BtfObject> btf;  // of key and value; may be null
  uint32_t btf_key_type_id = 0;
  uint32_t btf_value_type_id = 0;
  std::shared_ptr<class MapObject> inner;  // maps of maps
};

class MapObject {
 public:
  MapObject(Runtime& runtime, MapHeader* header, MapCreation creation);
  ~MapObject();
  MapObject(const MapObject&) = delete;
  MapObject& operator=(const MapObject&) = delete;
  [[nodiscard]] MapHeader& header() const { return *header_; }
  [[nodiscard]] uint32_t id() const { return header_->id; }
  [[nodiscard]] const MapCreation& creation() const { return creation_; }
  // What a verifier and a JIT may know, addresses included.
  [[nodiscard]] MapDescriptor describe() const;

  // What this map's elements keep alive (prog arrays, maps of maps), by key bytes.
  void hold(ByteSpan key, std::shared_ptr<void> object);
  // PROG_ARRAY: the first program that is put in, or that uses it, says which type all others have. EINVAL where
  // `program` is of another.
  [[nodiscard]] Result<> admit(ProgType type, AttachType attach_type);
  // Held by whatever of the user's keeps the map: descriptors and pins. When the last of these goes, a prog array is
  // emptied, since its programs may hold the map in turn. The map must outlive it.
  [[nodiscard]] std::shared_ptr<void> user_reference();
  // Its values have timers or workqueues that this program arms: they fire as long as a user keeps the map.
  void hold_timer_program(std::shared_ptr<void> program);

 private:
  Runtime& runtime_;
  MapHeader* header_;
  MapCreation creation_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<void>> held_;
  std::optional<std::pair<ProgType, AttachType>> owner_;
  std::weak_ptr<void> user_reference_;
  std::vector<std::weak_ptr<void>> known_timer_programs_;
  std::vector<std::shared_ptr<void>> timer_programs_;  // while there is a user reference
};

struct ProgLoad {
  Program program;  // maps by index; addresses are filled in from `maps`
  std::vector<std::shared_ptr<MapObject>> maps;
  std::shared_ptr<BtfObject> btf;
  verifier::Options verify;     // its kernel_btf is the runtime's to set
  std::optional<uint32_t> uid;  // whose program it is; none: this process's
  std::optional<std::array<uint8_t, 8>>
      tag;  // of the instructions as they were given; none: of `program`'s
};

class ProgObject {
 public:
  ProgObject(Runtime& runtime, ProgLoad load, VerifiedProgram verified);
  ~ProgObject();
  ProgObject(const ProgObject&) = delete;
  ProgObject& operator=(const ProgObject&) = delete;
  [[nodiscard]] uint32_t id() const { return header_->id; }
  [[nodiscard]] const ProgHeader& header() const { return *header_; }
  [[nodiscard]] const VerifiedProgram& verified() const { return verified_; }
  [[nodiscard]] const jit::NativeCode& native() const { return native_; }
  // Its code by the optimising tier; null: there is none (yet).
  [[nodiscard]] const jit::NativeCode* optimised() const;
  // It was compiled ahead of time, and native() came from the cache.
  [[nodiscard]] bool from_cache() const { return from_cache_; }
  [[nodiscard]] uint64_t run_count() const;
  [[nodiscard]] uint64_t out_of_fuel() const;  // runs that ended where their fuel did
  // The maps that it uses, and those bound to it with bind().
  [[nodiscard]] std::vector<std::shared_ptr<MapObject>> maps() const;
  void bind(std::shared_ptr<MapObject> map);  // BPF_PROG_BIND_MAP: keeps it alive
  [[nodiscard]] const std::shared_ptr<BtfObject>& btf() const { return btf_; }
  [[nodiscard]] ProgType type() const { return verified_.program().type; }
  [[nodiscard]] uint64_t load_time_ns() const { return load_time_ns_; }  // CLOCK_BOOTTIME
  [[nodiscard]] uint32_t uid() const { return uid_; }
  // What the interpreter runs; the same one for all runs.
  [[nodiscard]] Result<const vm::Interpreter*> interpreter() const;
  // The subprogram that `entry` begins, where that is a callback; `entry` as ld_imm64 put it into a register, in
  // native code or in the interpreter. Any number may be asked.
  [[nodiscard]] std::optional<uint32_t> callback_at(uint64_t entry) const;
  // As they were given to the verifier.
  [[nodiscard]] const std::vector<Insn>& original_insns() const { return original_insns_; }

 private:
  friend class Runtime;
  Runtime& runtime_;
  VerifiedProgram verified_;
  jit::NativeCode native_{};
  jit::JitOptions jit_options_;
  bool from_cache_ = false;
  std::optional<jit::NativeCode> optimised_;  // set once; mutex_
  bool optimising_failed_ = false;            // mutex_
  ProgHeader* header_ = nullptr;
  void* stats_ = nullptr;
  void* object_types_ = nullptr;
  std::vector<Insn> original_insns_;
  mutable std::mutex mutex_;
  mutable std::optional<vm::Interpreter> interpreter_;  // made at the first run that wants it
  std::vector<std::shared_ptr<MapObject>> maps_;
  std::shared_ptr<BtfObject> btf_;
  uint64_t load_time_ns_ = 0;
  uint32_t uid_ = 0;
  std::optional<std::array<uint8_t, 8>> tag_;
};

// The kernel's tag: the first 8 bytes of SHA-256 (Linux up to 6.17: SHA-1) over the instructions with map
// descriptors zeroed.
[[nodiscard]] std::array<uint8_t, 8> program_tag(std::span<const Insn> insns);

// While one lives, run times are added up beside run counts (BPF_ENABLE_STATS).
class RunTimes {
 public:
  explicit RunTimes(Runtime& runtime);
  ~RunTimes();
  RunTimes(const RunTimes&) = delete;
  RunTimes& operator=(const RunTimes&) = delete;

 private:
  Runtime& runtime_;
};

// How a program is run in this process.
enum class Via { jit, interpreter };

// For whom a run is, where that is not the calling thread.
struct CallerTask {
  int pid = 0;
  uint32_t uid = 0;
};

struct RunInput {
  ByteSpan data;        // packet programs: the packet
  ByteSpan ctx;         // the context's UAPI form; empty: zeros
  uint32_t repeat = 1;  // runs, all on the same input
  Via via = Via::jit;
  std::optional<CallerTask> task{};
  std::function<bool()> stop{};  // asked between runs: true ends them, with EINTR
};
struct RunOutput {
  uint32_t retval = 0;
  std::vector<std::byte> data;  // the packet afterwards
  std::vector<std::byte> ctx;   // the context afterwards, UAPI form
  uint64_t mean_ns = 0;         // of one run
  bool out_of_fuel = false;     // the last run ended where its fuel did; retval is 0
  // XDP that returned XDP_REDIRECT: where to. A map by its id, or 0 and an interface as the key.
  struct Redirect {
    uint32_t map_id = 0, key = 0;
    uint64_t flags = 0;
  } redirect;
};

struct RuntimeOptions {
  HiveOptions hive;
  bool map_process_page = true;
  jit::JitOptions jit;  // of programs' native code; jit.fuel meters the interpreter, too
};

class Runtime {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Runtime>> create(const RuntimeOptions& options = {});
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  [[nodiscard]] Hive& hive() { return *hive_; }
  // For the programs loaded from now on.
  void set_jit_options(const jit::JitOptions& options) { jit_options_ = options; }
  // For the programs loaded from now on: each is compiled by the optimising tier at once. `store`: and kept in the cache.
  void set_optimise(bool on, bool store = false) { optimise_ = on, store_ = store; }
  // Programs that were compiled ahead of time are taken from there.
  void set_native_cache(std::optional<NativeCache> cache) { native_cache_ = std::move(cache); }
  // Why entries of the cache were not used that should have been, since the last call.
  [[nodiscard]] std::vector<Error> take_cache_problems();

  // Compiles it by the optimising tier and puts that code in the place of the first, for runs that begin from now on
  // (in any process); those that run go on in the first. At once true where it was done before; false where the tier
  // doesn't compile such a program. ENOSYS where the tier is not installed.
  [[nodiscard]] Result<bool> optimise(ProgObject& program);
  // Does so for programs that have run `runs` times since they were loaded; how many were changed now.
  size_t optimise_hot(uint64_t runs);
  [[nodiscard]] uint32_t possible_cpus() const { return hive_->slot_count(); }

  // The ring that bpf_trace_printk of every process writes to, a line a record.
  [[nodiscard]] MapHeader& printk_ring() { return *printk_ring_; }

  [[nodiscard]] Result<std::shared_ptr<BtfObject>> load_btf(ByteSpan bytes);
  [[nodiscard]] Result<std::shared_ptr<MapObject>> create_map(MapCreation creation);

  // The verifier's report, and the program where it was accepted. An Error only where there is no room.
  struct Loaded {
    verifier::Report report;  // its `verified` has moved into `program`
    std::shared_ptr<ProgObject> program;
    std::string name;
  };
  [[nodiscard]] Result<Loaded> load_program(ProgLoad load);

  // The types that programs may name: what the engine has in place of a kernel's vmlinux. Also a BTF object.
  [[nodiscard]] const std::shared_ptr<const btf::Btf>& kernel_btf() const { return kernel_btf_; }

  [[nodiscard]] std::shared_ptr<BtfObject> find_btf(uint32_t id) const;
  [[nodiscard]] std::shared_ptr<MapObject> find_map(uint32_t id) const;
  [[nodiscard]] std::shared_ptr<ProgObject> find_program(uint32_t id) const;
  // By the address of its ProgHeader, as prog arrays hold it; null where there is none.
  [[nodiscard]] std::shared_ptr<ProgObject> find_program_at(uint64_t header) const;
  // The smallest id of the kind above `id`.
  enum class Kind { btf, map, prog };
  [[nodiscard]] std::optional<uint32_t> next_id(Kind kind, uint32_t id) const;

  [[nodiscard]] std::shared_ptr<RunTimes> enable_run_times();

  // EINVAL where the program's type can't run over this input, as the kernel has it (docs/user-engine.md).
  [[nodiscard]] Result<RunOutput> run(const ProgObject& program, const RunInput& input);

  // An iterator program over what `next` hands out, one call each, and once more with nulls at the end: all that
  // it wrote. An item is the program's arguments after bpf_iter_meta; `next` leaves it alone where there is none
  // left and returns false. E2BIG where a call writes over 32 KiB, EAGAIN where the program returns 1.
  using NextItem = std::function<bool(std::span<uint64_t> arguments)>;
  [[nodiscard]] Result<std::string> iterate(const ProgObject& program, size_t arguments,
                                            const NextItem& next);

 private:
  friend class BtfObject;
  friend class MapObject;
  friend class ProgObject;
  friend class RunTimes;
  Runtime() = default;
  Result<> compile(ProgObject& program);
  Result<jit::NativeCode> make_code(ProgObject& program);
  Result<std::shared_ptr<BtfObject>> publish_btf(std::shared_ptr<const btf::Btf> btf, bool kernel);
  Result<uint64_t> interpret(const ProgObject& program, HelperContext& context);
  void set_run_times(bool on);
  // A task storage came (`there`) or goes: the agents are told of those that there are.
  Result<> note_task_storage(const MapHeader* map, bool there);
  Result<> publish_cgroup();
  // value_types.cc
  Result<ValueFields> value_fields(const MapCreation& creation) const;
  Result<> check_bound(const VerifiedProgram& program) const;
  Result<> prepare_types(ProgObject& program);
  Result<> ensure_heap();
  void start_timers();
  template <class T>
  using Table = std::map<uint32_t, std::weak_ptr<T>>;

  std::unique_ptr<Hive> hive_;
  std::shared_ptr<const btf::Btf> kernel_btf_;
  std::shared_ptr<BtfObject> kernel_btf_object_;
  jit::JitOptions jit_options_;
  bool optimise_ = false, store_ = false;
  std::optional<NativeCache> native_cache_;
  std::vector<Error> cache_problems_;  // mutex_
  mutable std::mutex mutex_;
  Table<BtfObject> btfs_;
  Table<MapObject> maps_;
  Table<ProgObject> programs_;
  uint32_t run_times_ = 0;  // RunTimes that live
  MapHeader* printk_ring_ = nullptr;
  std::vector<const MapHeader*> task_storages_;  // mutex_
  void* cgroup_ = nullptr;                       // CgroupView
  std::unique_ptr<TimerRunner> timers_;          // mutex_
};

}  // namespace skep::runtime
