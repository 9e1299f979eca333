#include "support/differential.h"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "isa/disassembler.h"
#include "isa/legality.h"
#include "support/random_program.h"

namespace skep::differential {
namespace {

constexpr uint32_t kMemory = RandomProgram::kContextBytes;

struct Geometry {
  MapType type;
  uint32_t key_size, value_size, max_entries;
};
constexpr Geometry kMaps[] = {
    {MapType::BPF_MAP_TYPE_ARRAY, 4, kMemory, 1},
    {MapType::BPF_MAP_TYPE_HASH, 4, RandomProgram::kElementBytes, RandomProgram::kHashEntries},
    {MapType::BPF_MAP_TYPE_ARRAY, 4, RandomProgram::kElementBytes, RandomProgram::kArrayEntries},
};

// The parts of bpf_attr that are used here.
struct MapCreate {
  uint32_t map_type, key_size, value_size, max_entries, map_flags;
};
struct MapElement {
  uint32_t map_fd, pad;
  uint64_t key, value, flags;
};
struct ProgLoad {
  uint32_t prog_type, insn_cnt;
  uint64_t insns, license;
  uint32_t log_level, log_size;
  uint64_t log_buf;
  uint32_t kern_version, prog_flags;
};
struct TestRun {
  uint32_t prog_fd, retval, data_size_in, data_size_out;
  uint64_t data_in, data_out;
  uint32_t repeat, duration, ctx_size_in, ctx_size_out;
  uint64_t ctx_in, ctx_out;
};
enum : int { kMapCreate, kMapLookup, kMapUpdate, kMapDelete, kProgLoad = 5, kProgTestRun = 10 };

template <class T>
long bpf(int command, T& attributes) {
  return syscall(SYS_bpf, command, &attributes, sizeof attributes);
}
uint64_t address(const void* of) { return reinterpret_cast<uint64_t>(of); }

void fill(std::span<std::byte> bytes, uint64_t seed) {
  for (size_t i = 0; i < bytes.size(); i++)
    bytes[i] = static_cast<std::byte>((seed * 0x9e3779b9 + i * i * 31) >> (i % 13));
}
std::array<std::byte, RandomProgram::kPacketBytes> packet(uint64_t seed) {
  std::array<std::byte, RandomProgram::kPacketBytes> bytes;
  for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<std::byte>(i * 7 + seed);
  bytes[12] = std::byte{0x88}, bytes[13] = std::byte{0xb5};  // a local experimental EtherType
  return bytes;
}
ByteSpan bytes_of(const uint32_t& key) { return std::as_bytes(std::span(&key, 1)); }

// Linux 6.18 forgets to clear the upper half of r0 after a 32-bit cmpxchg where the path that reads it was pruned (its
// x86 code leaves rax alone when the comparison succeeds); RFC 9669 and our engines have it 0.
bool kernel_may_differ(const std::vector<Insn>& insns) {
  for (size_t i = 0; i < insns.size(); i += isa::slots_of(insns[i]))
    if (insns[i].opcode == (isa::BPF_STX | isa::BPF_ATOMIC | isa::BPF_W) &&
        insns[i].imm == isa::BPF_CMPXCHG)
      return true;
  return false;
}

// Hash elements that there are at first.
bool starts_with(uint64_t seed, uint32_t key) { return (seed >> key & 1) != 0; }

}  // namespace

Differential::~Differential() = default;

Result<std::unique_ptr<Differential>> Differential::make(bool kernel) {
  std::unique_ptr<Differential> made(new Differential);
  runtime::RuntimeOptions options;
  options.hive.name = "differential";
  options.hive.publish_session = false;
  SKEP_TRY(runtime, runtime::Runtime::create(options));
  made->runtime_ = std::move(runtime);
  for (const Geometry& g : kMaps) {
    runtime::MapCreation creation;
    creation.attributes.type = g.type;
    creation.attributes.key_size = g.key_size;
    creation.attributes.value_size = g.value_size;
    creation.attributes.max_entries = g.max_entries;
    SKEP_TRY(map, made->runtime_->create_map(std::move(creation)));
    made->maps_.push_back(std::move(map));
  }
  made->profile_ = verifier::newest_profile();
  made->profile_.max_processed = 20000;  // the few that take longer say no more about engines
  if (!kernel) return made;
  if (auto opened = made->open_kernel(); !opened) {
    made->kernel_error_ = opened.error().text();
    made->kernel_maps_.clear();
  }
  return made;
}

Result<> Differential::open_kernel() {
  for (const Geometry& g : kMaps) {
    MapCreate create{static_cast<uint32_t>(g.type), g.key_size, g.value_size, g.max_entries, 0};
    Fd fd(static_cast<int>(bpf(kMapCreate, create)));
    if (!fd) return fail_errno(errno, "BPF_MAP_CREATE");
    kernel_maps_.push_back(std::move(fd));
  }
  return {};
}

void Differential::reset_maps(uint64_t seed) {
  for (size_t m : {size_t{0}, size_t{2}}) {
    const MapHeader& header = maps_[m]->header();
    fill({reinterpret_cast<std::byte*>(header.values),
          size_t{header.value_stride} * header.max_entries},
         seed + m);
  }
  for (uint32_t key = 0; key < RandomProgram::kHashEntries; key++) {
    std::array<std::byte, RandomProgram::kElementBytes> value{};
    fill(value, seed + key);
    if (starts_with(seed, key))
      (void)maps::update_elem(maps_[1]->header(), bytes_of(key), value);
    else
      (void)maps::delete_elem(maps_[1]->header(), bytes_of(key));
  }
}

// Values of map 0 and 2, and of each key of the hash a byte that says whether it is there, and its value.
std::vector<std::byte> Differential::read_maps() {
  std::vector<std::byte> out;
  for (size_t m : {size_t{0}, size_t{2}}) {
    const MapHeader& header = maps_[m]->header();
    const auto* values = reinterpret_cast<const std::byte*>(header.values);
    out.insert(out.end(), values, values + size_t{header.value_stride} * header.max_entries);
  }
  for (uint32_t key = 0; key < RandomProgram::kHashEntries; key++) {
    std::array<std::byte, RandomProgram::kElementBytes> value{};
    out.push_back(
        std::byte{maps::lookup_elem(maps_[1]->header(), bytes_of(key), value).has_value()});
    out.insert(out.end(), value.begin(), value.end());
  }
  return out;
}

Result<Differential::State> Differential::run_here(const runtime::ProgObject& program,
                                                   uint64_t seed, runtime::Via via) {
  reset_maps(seed);
  auto data = packet(seed);
  runtime::RunInput input;
  input.data = data;
  input.via = via;
  SKEP_TRY(output, runtime_->run(program, input));
  counts_.out_of_fuel += output.out_of_fuel && via == runtime::Via::jit;
  return State{output.retval, read_maps()};
}

Result<Differential::State> Differential::run_in_kernel(const std::vector<Insn>& original,
                                                        uint64_t seed) {
  std::vector<Insn> insns = original;
  for (size_t i = 0; i < insns.size(); i += isa::slots_of(insns[i])) {
    if (!isa::is_ld_imm64(insns[i])) continue;
    bool value = insns[i].src == isa::BPF_PSEUDO_MAP_IDX_VALUE;
    if (!value && insns[i].src != isa::BPF_PSEUDO_MAP_IDX) continue;
    insns[i].src = value ? isa::BPF_PSEUDO_MAP_VALUE : isa::BPF_PSEUDO_MAP_FD;
    insns[i].imm = kernel_maps_[static_cast<size_t>(insns[i].imm)].get();
  }
  ProgLoad load{};
  load.prog_type = static_cast<uint32_t>(ProgType::BPF_PROG_TYPE_SCHED_CLS);
  load.insn_cnt = static_cast<uint32_t>(insns.size());
  load.insns = address(insns.data());
  load.license = address("GPL");
  Fd program(static_cast<int>(bpf(kProgLoad, load)));
  if (!program) return fail_errno(errno, "BPF_PROG_LOAD");

  auto element = [&](size_t m, int command, uint32_t& key, void* value) {
    MapElement attributes{static_cast<uint32_t>(kernel_maps_[m].get()), 0, address(&key),
                          address(value), 0};
    return bpf(command, attributes);
  };
  for (size_t m : {size_t{0}, size_t{2}}) {
    std::vector<std::byte> values(size_t{kMaps[m].value_size} * kMaps[m].max_entries);
    fill(values, seed + m);
    for (uint32_t key = 0; key < kMaps[m].max_entries; key++)
      element(m, kMapUpdate, key, values.data() + key * kMaps[m].value_size);
  }
  for (uint32_t key = 0; key < RandomProgram::kHashEntries; key++) {
    std::array<std::byte, RandomProgram::kElementBytes> value{};
    fill(value, seed + key);
    if (starts_with(seed, key))
      element(1, kMapUpdate, key, value.data());
    else
      element(1, kMapDelete, key, nullptr);
  }
  auto data = packet(seed);
  TestRun test{};
  test.prog_fd = static_cast<uint32_t>(program.get());
  test.data_size_in = data.size();
  test.data_in = address(data.data());
  while (bpf(kProgTestRun, test) != 0)
    if (errno != EINTR && errno != EAGAIN) return fail_errno(errno, "BPF_PROG_TEST_RUN");
  State state{.result = test.retval, .memory = {}};
  for (size_t m : {size_t{0}, size_t{2}}) {
    std::vector<std::byte> value(kMaps[m].value_size);
    for (uint32_t key = 0; key < kMaps[m].max_entries; key++) {
      element(m, kMapLookup, key, value.data());
      state.memory.insert(state.memory.end(), value.begin(), value.end());
    }
  }
  for (uint32_t key = 0; key < RandomProgram::kHashEntries; key++) {
    std::array<std::byte, RandomProgram::kElementBytes> value{};
    state.memory.push_back(std::byte{element(1, kMapLookup, key, value.data()) == 0});
    state.memory.insert(state.memory.end(), value.begin(), value.end());
  }
  return state;
}

std::string Differential::judge(uint64_t seed, bool in_kernel) {
  runtime::ProgLoad load;
  load.program.insns = RandomProgram(seed, RandomProgram::kVerifiable).make();
  load.program.type = ProgType::BPF_PROG_TYPE_SCHED_CLS;
  load.program.name = "random";
  load.program.license = "GPL";
  load.maps = maps_;
  load.verify.profile = &profile_;
  std::vector<Insn> insns = load.program.insns;
  auto finding = [&](std::string_view engine, std::string_view what) {
    return fmt::format("seed {}: {}: {}\n{}", seed, engine, what, isa::disassemble_all(insns));
  };

  // One variant of native code a program; which one is the seed's.
  jit::JitOptions options;
  constexpr const char* kVariants[] = {"jit", "jit for any x86-64", "hardened jit", "metered jit"};
  const unsigned variant = seed % 8 < 3 ? 0 : seed % 8 < 5 ? 1 : seed % 8 < 6 ? 2 : 3;
  if (variant == 1) options.cpu = {};
  if (variant == 2) options.blinding_seed = seed, options.speculation_barriers = true;
  if (variant == 3) options.fuel = 1 + seed * 0x9e3779b97f4a7c15 % 500;
  runtime_->set_jit_options(options);

  auto loaded = runtime_->load_program(std::move(load));
  if (!loaded) return finding("loading", loaded.error().text());
  if (!loaded->program) {
    counts_.rejected++;
    return {};
  }
  counts_.programs++;
  auto expected = run_here(*loaded->program, seed, runtime::Via::interpreter);
  if (!expected) return finding("interpreter", expected.error().text());
  auto compare = [&](std::string_view engine, const State& found) -> std::string {
    if (found == *expected) return {};
    size_t at = 0;
    while (at < found.memory.size() && found.memory[at] == expected->memory[at]) at++;
    return finding(
        engine,
        fmt::format("result {:#x}, the interpreter's is {:#x}; {}", found.result, expected->result,
                    at == found.memory.size()
                        ? "memory is equal"
                        : fmt::format("memory differs at byte {}: {} and {}", at,
                                      std::to_integer<int>(found.memory[at]),
                                      std::to_integer<int>(expected->memory[at]))));
  };
  auto native = run_here(*loaded->program, seed, runtime::Via::jit);
  if (!native) return finding(kVariants[variant], native.error().text());
  if (std::string wrong = compare(kVariants[variant], *native); !wrong.empty()) return wrong;
  if (!in_kernel || variant == 3 || !has_kernel() || kernel_may_differ(insns)) return {};
  auto kernel = run_in_kernel(insns, seed);
  if (!kernel) {
    counts_.kernel_refused++;
    return {};
  }
  counts_.kernel++;
  return compare("kernel", *kernel);
}

}  // namespace skep::differential
