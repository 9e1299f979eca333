#include "support/differential.h"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "btf/builder.h"
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
    {MapType::BPF_MAP_TYPE_PROG_ARRAY, 4, 4, RandomProgram::kTailCalls},
};
constexpr unsigned kMaxFunctions = 8;

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
  char prog_name[16];
  uint32_t prog_ifindex, expected_attach_type, prog_btf_fd, func_info_rec_size;
  uint64_t func_info;
  uint32_t func_info_cnt, pad;
};
struct BtfLoad {
  uint64_t btf, log_buf;
  uint32_t btf_size, log_size, log_level, pad;
};
struct TestRun {
  uint32_t prog_fd, retval, data_size_in, data_size_out;
  uint64_t data_in, data_out;
  uint32_t repeat, duration, ctx_size_in, ctx_size_out;
  uint64_t ctx_in, ctx_out;
};
enum : int {
  kMapCreate,
  kMapLookup,
  kMapUpdate,
  kMapDelete,
  kProgLoad = 5,
  kProgTestRun = 10,
  kBtfLoad = 18
};

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

// After a 32-bit cmpxchg r0 is 32 bits wide (RFC 9669). x86's instruction writes eax only where the comparison fails, so
// the kernel's verifier puts `w0 = w0` behind it where what follows reads all of r0 (zext_dst in kernel/bpf). It learns
// of such reads as it walks; 6.12 hands them on to paths that a walked one covers (propagate_liveness), 7.3 finds them by
// data flow (liveness.c). 6.18 does neither: its translated instructions have the extension behind a cmpxchg on the path
// that is walked first and none behind another that joins it before the read, whose run then sees what was in r0's upper
// half. Programs that extend r0 themselves are compared.
bool kernel_may_differ(const std::vector<Insn>& insns) {
  for (size_t i = 0; i < insns.size(); i += isa::slots_of(insns[i])) {
    if (insns[i].opcode != (isa::BPF_STX | isa::BPF_ATOMIC | isa::BPF_W) ||
        insns[i].imm != isa::BPF_CMPXCHG)
      continue;
    const Insn& next = insns[i + 1];
    if (next.opcode != (isa::BPF_ALU | isa::BPF_MOV | isa::BPF_X) || next.dst != 0 ||
        next.src != 0 || next.off != 0)
      return true;
  }
  return false;
}

// What tail calls go to, by the element of map 3. One changes memory, the other calls itself until it may no more.
std::vector<Insn> tail_call_target(bool itself) {
  using namespace isa;
  std::vector<Insn> out;
  auto emit = [&](int opcode, int dst, int src, int off, int32_t imm) {
    out.push_back({.opcode = static_cast<uint8_t>(opcode),
                   .dst = static_cast<uint8_t>(dst & 15),
                   .src = static_cast<uint8_t>(src & 15),
                   .off = static_cast<int16_t>(off),
                   .imm = imm});
  };
  emit(BPF_LD | BPF_IMM | BPF_DW, 9, BPF_PSEUDO_MAP_IDX_VALUE, 0, 0);
  emit(0, 0, 0, 0, 0);
  emit(BPF_LDX | BPF_MEM | BPF_DW, 0, 9, 16, 0);
  emit(BPF_ALU64 | BPF_MUL | BPF_K, 0, 0, 0, 0x01000193);
  emit(BPF_ALU64 | BPF_ADD | BPF_K, 0, 0, 0, 77);
  emit(BPF_STX | BPF_MEM | BPF_DW, 9, 0, 16, 0);
  if (itself) {
    emit(BPF_LD | BPF_IMM | BPF_DW, 2, BPF_PSEUDO_MAP_IDX, 0, 3);
    emit(0, 0, 0, 0, 0);
    emit(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, 2);
    emit(BPF_JMP | BPF_CALL, 0, 0, 0, 12);
    emit(BPF_LDX | BPF_MEM | BPF_DW, 0, 9, 16, 0);
  }
  emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  return out;
}
constexpr std::pair<uint32_t, bool> kTargets[] = {{0, false}, {2, true}};

bool has_tail_call(const std::vector<Insn>& insns) {
  for (size_t i = 0; i < insns.size(); i += isa::slots_of(insns[i]))
    if (insns[i].opcode == (isa::BPF_JMP | isa::BPF_CALL) && insns[i].src == 0 &&
        insns[i].imm == 12)
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
  btf::BtfBuilder btf;
  const auto number = btf.add_int("int", 4, true);
  const auto prototype = btf.add_prototype(number, {});
  for (unsigned f = 0; f < kMaxFunctions; f++)
    btf.add_function(fmt::format("f{}", f), prototype, btf::Linkage::Static);
  SKEP_TRY(published, made->runtime_->load_btf(btf.bytes()));
  made->btf_ = std::move(published);
  made->profile_ = verifier::newest_profile();
  made->profile_.max_processed = 20000;  // the few that take longer say no more about engines
  SKEP_CHECK(made->add_tail_call_targets());
  if (!kernel) return made;
  if (auto opened = made->open_kernel(); !opened) {
    made->kernel_error_ = opened.error().text();
    made->kernel_maps_.clear();
  }
  return made;
}

Result<> Differential::add_tail_call_targets() {
  for (auto [index, itself] : kTargets) {
    runtime::ProgLoad load;
    load.program.insns = tail_call_target(itself);
    load.program.type = ProgType::BPF_PROG_TYPE_SCHED_CLS;
    load.program.name = "target";
    load.program.license = "GPL";
    load.maps = maps_;
    load.verify.profile = &profile_;
    SKEP_TRY(loaded, runtime_->load_program(std::move(load)));
    if (!loaded.program) return fail(EINVAL, "{}", loaded.report.rejection->message);
    SKEP_CHECK(
        maps::set_program(runtime_->hive(), &maps_[3]->header(), index, &loaded.program->header()));
    targets_.push_back(std::move(loaded.program));
  }
  return {};
}

Result<> Differential::open_kernel() {
  for (const Geometry& g : kMaps) {
    MapCreate create{static_cast<uint32_t>(g.type), g.key_size, g.value_size, g.max_entries, 0};
    Fd fd(static_cast<int>(bpf(kMapCreate, create)));
    if (!fd) return fail_errno(errno, "BPF_MAP_CREATE");
    kernel_maps_.push_back(std::move(fd));
  }
  ByteSpan bytes = btf_->btf()->bytes();
  BtfLoad load{};
  load.btf = address(bytes.data());
  load.btf_size = static_cast<uint32_t>(bytes.size());
  kernel_btf_ = Fd(static_cast<int>(bpf(kBtfLoad, load)));
  if (!kernel_btf_) return fail_errno(errno, "BPF_BTF_LOAD");
  for (auto [index, itself] : kTargets) {
    SKEP_TRY(program, load_in_kernel(tail_call_target(itself), {}));
    uint32_t key = index;
    int fd = program.get();
    MapElement element{static_cast<uint32_t>(kernel_maps_[3].get()), 0, address(&key), address(&fd),
                       0};
    if (bpf(kMapUpdate, element) != 0) return fail_errno(errno, "BPF_MAP_UPDATE_ELEM");
    kernel_targets_.push_back(std::move(program));
  }
  return {};
}

Result<Fd> Differential::load_in_kernel(std::vector<Insn> insns,
                                        const std::vector<FuncInfo>& functions) {
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
  if (!functions.empty()) {
    load.prog_btf_fd = static_cast<uint32_t>(kernel_btf_.get());
    load.func_info_rec_size = sizeof(FuncInfo);
    load.func_info = address(functions.data());
    load.func_info_cnt = static_cast<uint32_t>(functions.size());
  }
  Fd program(static_cast<int>(bpf(kProgLoad, load)));
  if (!program) return fail_errno(errno, "BPF_PROG_LOAD");
  return program;
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

Result<Differential::State> Differential::run_in_kernel(const Program& original, uint64_t seed) {
  SKEP_TRY(program, load_in_kernel(original.insns, original.func_info));

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

std::string Differential::judge_native(const runtime::ProgObject& program, const State& expected,
                                       uint64_t seed, std::string_view engine) {
  auto found = run_here(program, seed, runtime::Via::jit);
  return found ? difference(engine, *found, expected)
               : fmt::format("{}: {}", engine, found.error().text());
}

std::string Differential::difference(std::string_view engine, const State& found,
                                     const State& expected) {
  if (found == expected) return {};
  size_t at = 0;
  while (at < found.memory.size() && found.memory[at] == expected.memory[at]) at++;
  return fmt::format(
      "{}: result {:#x}, the interpreter's is {:#x}; {}", engine, found.result, expected.result,
      at == found.memory.size() ? "memory is equal"
                                : fmt::format("memory differs at byte {}: {} and {}", at,
                                              std::to_integer<int>(found.memory[at]),
                                              std::to_integer<int>(expected.memory[at])));
}

std::string Differential::judge(uint64_t seed, bool in_kernel, bool optimised) {
  runtime::ProgLoad load;
  RandomProgram random(seed, RandomProgram::kVerifiable);
  load.program.insns = random.make();
  load.program.type = ProgType::BPF_PROG_TYPE_SCHED_CLS;
  load.program.name = "random";
  load.program.license = "GPL";
  if (random.has_callbacks()) {  // the kernel takes callbacks of static functions by BTF only
    load.program.btf = btf_->btf();
    constexpr uint32_t kFirstFunction = 3;  // after the int and the prototype
    for (size_t start : random.starts())
      load.program.func_info.push_back(
          {.insn_off = static_cast<uint32_t>(start),
           .type_id = kFirstFunction + static_cast<uint32_t>(load.program.func_info.size())});
  }
  load.maps = maps_;
  load.verify.profile = &profile_;
  const Program program = load.program;
  auto finding = [&](std::string_view what) {
    return fmt::format("seed {}: {}\n{}", seed, what, isa::disassemble_all(program.insns));
  };

  // One variant of native code a program; which one is the seed's. Tail calls go to programs that are not metered.
  jit::JitOptions options;
  constexpr const char* kVariants[] = {"jit", "jit for any x86-64", "hardened jit", "metered jit"};
  unsigned variant = seed % 8 < 3 ? 0 : seed % 8 < 5 ? 1 : seed % 8 < 6 ? 2 : 3;
  const bool tail_calls = has_tail_call(program.insns);
  if (variant == 3 && tail_calls) variant = 0;
  if (variant == 1) options.cpu = {};
  if (variant == 2) options.blinding_seed = seed, options.speculation_barriers = true;
  if (variant == 3) options.fuel = 1 + seed * 0x9e3779b97f4a7c15 % 500;
  runtime_->set_jit_options(options);

  auto loaded = runtime_->load_program(std::move(load));
  if (!loaded) return finding("loading: " + loaded.error().text());
  if (!loaded->program) {
    counts_.rejected++;
    return {};
  }
  counts_.programs++;
  counts_.callbacks += random.has_callbacks();
  counts_.tail_calls += tail_calls;
  auto expected = run_here(*loaded->program, seed, runtime::Via::interpreter);
  if (!expected) return finding("interpreter: " + expected.error().text());
  if (std::string wrong = judge_native(*loaded->program, *expected, seed, kVariants[variant]);
      !wrong.empty())
    return finding(wrong);
  if (optimised && variant != 2 && optimising_error_.empty()) {
    auto done = runtime_->optimise(*loaded->program);
    if (!done) {
      optimising_error_ = done.error().text();
    } else if (!*done) {
      return finding("the optimising tier does not compile it");
    } else {
      counts_.optimised++;
      if (std::string wrong =
              judge_native(*loaded->program, *expected, seed,
                           variant == 3 ? "metered optimising tier" : "optimising tier");
          !wrong.empty())
        return finding(wrong);
    }
  }
  if (!in_kernel || variant == 3 || !has_kernel() || random.visits_hash() ||
      kernel_may_differ(program.insns))
    return {};
  auto kernel = run_in_kernel(program, seed);
  if (!kernel) {
    counts_.kernel_refused++;
    return {};
  }
  counts_.kernel++;
  std::string wrong = difference("kernel", *kernel, *expected);
  return wrong.empty() ? wrong : finding(wrong);
}

}  // namespace skep::differential
