// ./dev bench jit: the programs of bench/programs on every engine, in one run, interleaved.
//
//   PROGRAM.c ──clang -target bpf──▶ Object ──▶ JIT, interpreter, kernel's JIT (BPF_PROG_TEST_RUN)
//             ──clang, gcc -O2, no vectors──▶ PROGRAM.{clang,gcc}.so, dlopened
//
// Every engine starts from the same bytes; the first results must be equal. Then each round runs a batch on
// each engine in turn; a figure is the median of its rounds, in thread CPU time (the kernel's own clock for
// the kernel). Usage: jit_bench DIR [--quick] [--json] [--only NAME] [--write docs/benchmarks.md] [--list NAME]
#include <asmjit/x86.h>
#include <dlfcn.h>
#include <sys/utsname.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <sstream>

#include "kernel_program.h"
#include "object/map_header.h"
#include "object/object.h"
#include "vm/interpreter.h"
#include "vm/jit/jit.h"

namespace skep {

// The bench has no verifier: the kernel's has passed these programs where it could be asked. Facts are those
// that clang's code shows plainly: which map a lookup gets.
class VerifiedProgramMaker {
 public:
  static VerifiedProgram make(Program program) {
    VerifiedProgram made;
    made.program_ = std::move(program);
    const auto& insns = made.program_.insns;
    made.facts_.resize(insns.size());
    std::vector<uint32_t> starts{0};
    int map = -1;
    int deepest = 0;
    for (uint32_t i = 0; i < insns.size(); i++) {
      const Insn& insn = insns[i];
      if (insn.opcode == (isa::BPF_JMP | isa::BPF_CALL)) {
        if (insn.src == isa::BPF_PSEUDO_CALL)
          starts.push_back(i + 1 + static_cast<uint32_t>(insn.imm));
        if (insn.src == 0 && insn.imm == 1) made.facts_[i].map_index = static_cast<int16_t>(map);
      }
      if (insn.cls() == isa::BPF_LDX && insn.src == 10) deepest = std::min<int>(deepest, insn.off);
      if ((insn.cls() == isa::BPF_ST || insn.cls() == isa::BPF_STX) && insn.dst == 10)
        deepest = std::min<int>(deepest, insn.off);
      if (insn.cls() == isa::BPF_ALU64 && insn.uses_src_reg() && insn.src == 10) deepest = -512;
      if (isa::is_ld_imm64(insn)) {
        if (insn.src == isa::BPF_PSEUDO_MAP_IDX) map = insn.imm;
        i++;
      }
    }
    std::sort(starts.begin(), starts.end());
    starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
    for (size_t f = 0; f < starts.size(); f++) {
      Subprogram sub;
      sub.start = starts[f];
      sub.end = f + 1 < starts.size() ? starts[f + 1] : static_cast<uint32_t>(insns.size());
      sub.stack_depth = static_cast<uint32_t>(-deepest + 7) & ~7u;
      made.subprograms_.push_back(sub);
    }
    return made;
  }
};

namespace bench {
namespace {

namespace fs = std::filesystem;
constexpr size_t kInput = 4096;

double now_ns() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}
double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}
double geomean(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += std::log(value);
  return values.empty() ? 0 : std::exp(sum / static_cast<double>(values.size()));
}

// Maps of one engine's run: header and values, as the hive has them.
class Maps {
 public:
  explicit Maps(Program& program, const std::vector<std::vector<std::byte>>& contents) {
    for (size_t i = 0; i < program.maps.size(); i++) {
      MapDescriptor& map = program.maps[i];
      uint64_t stride = (map.value_size + 7u) & ~7u;
      size_t bytes = (stride * map.max_entries * 4 + 127) & ~size_t{63};
      auto* memory = static_cast<std::byte*>(std::aligned_alloc(64, sizeof(MapHeader) + bytes));
      std::memset(static_cast<void*>(memory), 0, sizeof(MapHeader) + bytes);
      auto* header = reinterpret_cast<MapHeader*>(memory);
      header->magic = kMapMagic;
      header->type = static_cast<uint32_t>(map.type);
      header->key_size = map.key_size;
      header->value_size = map.value_size;
      header->max_entries = map.max_entries;
      header->value_stride = static_cast<uint32_t>(stride);
      header->slot_stride = stride * map.max_entries;
      header->slots = 4;
      header->values = reinterpret_cast<uint64_t>(memory + sizeof(MapHeader));
      if (!contents[i].empty())
        std::memcpy(memory + sizeof(MapHeader), contents[i].data(), contents[i].size());
      map.address = reinterpret_cast<uint64_t>(header);
      map.value_address = header->values;
      memory_.emplace_back(memory);
    }
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::vector<std::unique_ptr<std::byte, Free>> memory_;
};

// Helper 1 for engines that don't inline it.
uint64_t lookup(uint64_t map, uint64_t key, uint64_t, uint64_t, uint64_t, HelperContext* context) {
  const auto* header = reinterpret_cast<const MapHeader*>(map);
  uint32_t index;
  std::memcpy(&index, reinterpret_cast<const void*>(key), 4);
  if (index >= header->max_entries) return 0;
  bool per_cpu = header->type == static_cast<uint32_t>(MapType::BPF_MAP_TYPE_PERCPU_ARRAY);
  return header->values + uint64_t{index} * header->value_stride +
         (per_cpu ? context->slot * header->slot_stride : 0);
}
const std::array<uint64_t, 1024>& helpers() {
  static const auto table = [] {
    std::array<uint64_t, 1024> made{};
    made[1] = reinterpret_cast<uint64_t>(&lookup);
    return made;
  }();
  return table;
}

struct Engine {
  std::string name;
  // Runs `times` and says how long one took; result is the last run's.
  std::function<Result<KernelRun>(uint32_t times)> run;
  std::vector<double> rounds;
  uint32_t times = 1;
  uint32_t first = 0;
  [[nodiscard]] double ns() const { return median(rounds); }
  [[nodiscard]] double spread() const {  // half the middle 80 %
    auto sorted = rounds;
    std::sort(sorted.begin(), sorted.end());
    size_t tenth = sorted.size() / 10;
    return (sorted[sorted.size() - 1 - tenth] - sorted[tenth]) / 2 / std::max(ns(), 1e-9);
  }
};

template <class F>
auto timed(F&& once) {
  return [once](uint32_t times) -> Result<KernelRun> {
    uint32_t result = 0;
    double start = now_ns();
    for (uint32_t i = 0; i < times; i++) result = once();
    return KernelRun{.result = result, .ns = (now_ns() - start) / times};
  };
}

struct Row {
  std::string name;
  size_t insns = 0, native_bytes = 0;
  double executed = 0;
  double compile_ns = 0;
  std::map<std::string, double> ns, spread;
  std::string kernel_error;
  bool equal = true;
};

struct Settings {
  bool quick = false;
  std::string only;
  bool list = false;
};

Result<Row> run_program(const fs::path& object_path, const Settings& settings, CodeMemory& memory) {
  Row row;
  row.name = object_path.stem().stem().string();
  SKEP_TRY(bytes, read_file(object_path.string()));
  SKEP_TRY(object, object::open_object(bytes, row.name));
  auto index = object.find_program("prog");
  if (!index) return fail(ENOENT, "{}: expected a program named prog", row.name);
  SKEP_TRY(base, object.program(*index));
  row.insns = base.insns.size();

  std::array<std::byte, kInput> input;
  uint64_t state = 42;
  for (std::byte& b : input) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    b = static_cast<std::byte>(state >> 56);
  }
  std::vector<std::vector<std::byte>> contents;
  for (const object::MapSpec& map : object.maps())
    contents.push_back(map.is_globals ? map.content : std::vector<std::byte>{});
  if (const auto* variable = object.find_variable("input")) {
    contents[variable->map].resize(object.maps()[variable->map].value_size);
    std::memcpy(contents[variable->map].data() + variable->offset, input.data(), kInput);
  }

  std::vector<Engine> engines;
  // The result of the first run is compared; later ones start from what it left.
  std::vector<void*> libraries;
  for (const char* compiler : {"clang", "gcc"}) {
    fs::path path = object_path.parent_path() / (row.name + "." + compiler + ".so");
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return fail(ENOENT, "{}", dlerror());
    auto run = reinterpret_cast<uint32_t (*)(void*)>(dlsym(library, "bench_run"));
    auto where = reinterpret_cast<uint8_t* (*)()>(dlsym(library, "bench_input"));
    std::memcpy(where(), input.data(), kInput);
    engines.push_back(
        {.name = compiler, .run = timed([run] { return run(nullptr); }), .rounds = {}});
  }

  Program for_jit = base, for_interpreter = base;
  Maps jit_maps(for_jit, contents), interpreter_maps(for_interpreter, contents);
  VerifiedProgram jit_program = VerifiedProgramMaker::make(std::move(for_jit));
  VerifiedProgram interpreter_program = VerifiedProgramMaker::make(std::move(for_interpreter));
  jit::JitOptions options;
  options.helper_table = options.kfunc_table = reinterpret_cast<uint64_t>(helpers().data());
  SKEP_TRY(code, jit::compile(jit_program, options, memory));
  row.native_bytes = code.code_size;
  if (settings.list) {
    std::ofstream out("/tmp/" + row.name + ".bin", std::ios::binary);
    out.write(reinterpret_cast<const char*>(code.block.writable), code.code_size);
  }
  HelperContext context;
  context.slot = 1;
  auto entry = reinterpret_cast<uint64_t (*)(void*, HelperContext*)>(code.entry);
  engines.push_back(
      {.name = "jit",
       .run = timed([entry, &context] { return static_cast<uint32_t>(entry(nullptr, &context)); }),
       .rounds = {}});
  uint64_t executed = 0;
  {
    SKEP_TRY(
        counting,
        vm::Interpreter::make(
            interpreter_program,
            {.helpers = helpers(),
             .kfuncs = {},
             .trace = [](void* data, const vm::TraceEvent&) { ++*static_cast<uint64_t*>(data); },
             .trace_data = &executed,
             .regions = {}}));
    Program copy = base;
    Maps maps(copy, contents);
    VerifiedProgram program = VerifiedProgramMaker::make(std::move(copy));
    SKEP_TRY(counter, vm::Interpreter::make(program, {.helpers = helpers(),
                                                      .kfuncs = {},
                                                      .trace =
                                                          [](void* data, const vm::TraceEvent&) {
                                                            ++*static_cast<uint64_t*>(data);
                                                          },
                                                      .trace_data = &executed,
                                                      .regions = {}}));
    SKEP_TRY(ignored, counter.run(nullptr, &context));
    (void)ignored;
    (void)counting;
  }
  row.executed = static_cast<double>(executed);
  SKEP_TRY(interpreter, vm::Interpreter::make(interpreter_program,
                                              {.helpers = helpers(), .kfuncs = {}, .regions = {}}));
  engines.push_back({.name = "interpreter",
                     .run = timed([&] {
                       return static_cast<uint32_t>(interpreter.run(nullptr, &context).value_or(0));
                     }),
                     .rounds = {}});
  auto kernel = KernelProgram::load(base, contents);
  if (kernel) {
    engines.push_back({.name = "kernel",
                       .run = [&](uint32_t times) { return kernel->run(times); },
                       .rounds = {}});
  } else {
    row.kernel_error = kernel.error().text();
  }

  for (Engine& engine : engines) {
    SKEP_TRY(first, engine.run(1));
    engine.first = first.result;
    if (engine.first != engines[0].first) row.equal = false;
    SKEP_TRY(warm, engine.run(16));
    double batch = settings.quick ? 150e3 : 1.5e6;
    engine.times = static_cast<uint32_t>(std::clamp(batch / std::max(warm.ns, 1.0), 1.0, 1e6));
  }
  for (int round = 0; round < (settings.quick ? 7 : 21); round++)
    for (Engine& engine : engines) {
      SKEP_TRY(run, engine.run(engine.times));
      engine.rounds.push_back(run.ns);
    }
  for (const Engine& engine : engines)
    row.ns[engine.name] = engine.ns(), row.spread[engine.name] = engine.spread();

  std::vector<double> compiles;
  for (int round = 0; round < (settings.quick ? 15 : 51); round++) {
    constexpr int kTimes = 20;
    double start = now_ns();
    for (int k = 0; k < kTimes; k++) {
      auto again = jit::compile(jit_program, options, memory);
      if (again) memory.free(again->block);
    }
    compiles.push_back((now_ns() - start) / kTimes);
  }
  row.compile_ns = median(compiles);
  memory.free(code.block);
  for (void* library : libraries) dlclose(library);
  return row;
}

// What compiling two instructions costs.
double fixed_cost(CodeMemory& memory) {
  Program program;
  program.insns = {{.opcode = isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_K},
                   {.opcode = isa::BPF_JMP | isa::BPF_EXIT}};
  VerifiedProgram verified = VerifiedProgramMaker::make(std::move(program));
  std::vector<double> rounds;
  for (int round = 0; round < 51; round++) {
    double start = now_ns();
    for (int k = 0; k < 100; k++) {
      auto code = jit::compile(verified, {}, memory);
      if (code) memory.free(code->block);
    }
    rounds.push_back((now_ns() - start) / 100);
  }
  return median(rounds);
}

// What asmjit's Assembler takes for instructions like ours, and for starting and ending (decision 0020).
std::pair<double, double> asmjit_cost() {
  using namespace asmjit;
  auto emit = [](int insns) {
    CodeHolder holder;
    holder.init(Environment::host());
    x86::Assembler a(&holder);
    for (int i = 0; i < insns; i += 4) {
      a.mov(x86::rax, x86::qword_ptr(x86::rdi, 8));
      a.lea(x86::rsi, x86::ptr(x86::rax, x86::rdx, 0, 16));
      a.add(x86::rcx, x86::rsi);
      a.cmp(x86::rcx, 1000);
    }
    return a.offset();
  };
  auto measure = [&](int insns) {
    std::vector<double> rounds;
    for (int round = 0; round < 51; round++) {
      double start = now_ns();
      for (int k = 0; k < 20; k++) emit(insns);
      rounds.push_back((now_ns() - start) / 20);
    }
    return median(rounds);
  };
  double few = measure(4), many = measure(1004);
  return {(many - few) / 1000, few};
}

std::string machine() {
  std::string cpu = "unknown CPU";
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name")) {
      cpu = line.substr(line.find(':') + 2);
      break;
    }
  utsname name{};
  uname(&name);
  return fmt::format("{}, Linux {}", cpu, name.release);
}

struct Summary {
  double fast = 0, fast_gcc = 0, kernel = 0, fast_over_kernel = 0, interpreter = 0,
         interpreter_insn = 0, compile_insn = 0, fixed = 0, asmjit_insn = 0, asmjit_fixed = 0;
  size_t programs = 0, kernel_programs = 0;
};

Summary summarise(const std::vector<Row>& rows) {
  Summary s;
  std::vector<double> fast, gcc, kernel, over, interpreter, per_insn;
  double compile = 0, insns = 0;
  for (const Row& row : rows) {
    double native = row.ns.at("clang"), jit = row.ns.at("jit");
    fast.push_back(jit / native);
    gcc.push_back(jit / row.ns.at("gcc"));
    interpreter.push_back(row.ns.at("interpreter") / native);
    per_insn.push_back(row.ns.at("interpreter") / row.executed);
    if (auto k = row.ns.find("kernel"); k != row.ns.end()) {
      kernel.push_back(k->second / native);
      over.push_back(jit / k->second);
    }
    compile += row.compile_ns;
    insns += static_cast<double>(row.insns);
  }
  s.fast = geomean(fast), s.fast_gcc = geomean(gcc), s.kernel = geomean(kernel),
  s.fast_over_kernel = geomean(over);
  s.interpreter = geomean(interpreter), s.interpreter_insn = geomean(per_insn);
  s.compile_insn = compile / insns;
  s.programs = rows.size(), s.kernel_programs = kernel.size();
  return s;
}

std::string report(const std::vector<Row>& rows, const Summary& s) {
  std::string text = fmt::format(
      "{} programs, one run, interleaved, medians of thread CPU time; {}; clang 19 and gcc 12, -O2 "
      "without vectors.\n\n"
      "- The fast tier takes **{:.2f}×** clang's native time (geometric mean; {:.2f}× gcc's), the "
      "kernel's JIT {:.2f}×"
      " ({} of the programs): {:.2f}× of the kernel's.\n"
      "- Compiling takes {:.0f} ns an instruction over all programs, {:.1f} µs for the smallest "
      "one. (asmjit's Assembler "
      "alone: {:.0f} ns an instruction emitted, {:.1f} µs to start and end.)\n"
      "- The interpreter takes {:.2f} ns an instruction, {:.0f}× native.\n\n",
      s.programs, machine(), s.fast, s.fast_gcc, s.kernel, s.kernel_programs, s.fast_over_kernel,
      s.compile_insn, s.fixed / 1000, s.asmjit_insn, s.asmjit_fixed / 1000, s.interpreter_insn,
      s.interpreter);
  text +=
      "| program | insns | clang, ns | gcc | JIT | kernel JIT | interpreter | JIT/clang | spread | "
      "compile, ns/insn |\n"
      "|---|---|---|---|---|---|---|---|---|---|\n";
  for (const Row& row : rows) {
    auto kernel = row.ns.find("kernel");
    text += fmt::format(
        "| {} | {} | {:.0f} | {:.0f} | {:.0f} | {} | {:.0f} | {:.2f} | {:.0f} % | {:.0f} |\n",
        row.name, row.insns, row.ns.at("clang"), row.ns.at("gcc"), row.ns.at("jit"),
        kernel == row.ns.end() ? std::string("–") : fmt::format("{:.0f}", kernel->second),
        row.ns.at("interpreter"), row.ns.at("jit") / row.ns.at("clang"), row.spread.at("jit") * 100,
        row.compile_ns / static_cast<double>(row.insns));
  }
  return text;
}

// Puts `text` between the markers of its section, which is made at the end where there is none.
void write_section(const std::string& path, const std::string& text) {
  constexpr std::string_view kBegin = "<!-- bench jit: begin -->\n",
                             kEnd = "<!-- bench jit: end -->\n";
  std::string page;
  {
    std::ifstream in(path);
    std::stringstream all;
    all << in.rdbuf();
    page = all.str();
  }
  if (page.empty())
    page = "# Benchmarks\n\nWritten by `./dev bench`; ratios of one run on one machine.\n";
  size_t begin = page.find(kBegin), end = page.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos) {
    page += fmt::format("\n## JIT\n\n{}{}", kBegin, kEnd);
    begin = page.find(kBegin), end = page.find(kEnd);
  }
  page.replace(begin + kBegin.size(), end - begin - kBegin.size(), text);
  std::ofstream(path) << page;
}

int main_(int argc, char** argv) {
  Settings settings;
  std::string directory, write;
  bool json = false;
  for (int i = 1; i < argc; i++) {
    std::string argument = argv[i];
    if (argument == "--quick") {
      settings.quick = true;
    } else if (argument == "--json") {
      json = true;
    } else if (argument == "--dump") {
      settings.list = true;
    } else if (argument == "--only" && i + 1 < argc) {
      settings.only = argv[++i];
    } else if (argument == "--write" && i + 1 < argc) {
      write = argv[++i];
    } else {
      directory = argument;
    }
  }
  if (directory.empty()) {
    std::fprintf(stderr, "jit_bench: expected the directory of the built programs\n");
    return 2;
  }
  std::vector<fs::path> objects;
  for (const auto& entry : fs::directory_iterator(directory))
    if (entry.path().string().ends_with(".bpf.o")) objects.push_back(entry.path());
  std::sort(objects.begin(), objects.end());
  auto memory = make_private_code_memory(1 << 20);
  if (!memory) {
    std::fprintf(stderr, "jit_bench: %s\n", memory.error().text().c_str());
    return 1;
  }
  std::vector<Row> rows;
  bool good = true;
  for (const fs::path& path : objects) {
    if (!settings.only.empty() && path.filename().string().find(settings.only) == std::string::npos)
      continue;
    auto row = run_program(path, settings, **memory);
    if (!row) {
      std::fprintf(stderr, "jit_bench: %s: %s\n", path.filename().c_str(),
                   row.error().text().c_str());
      good = false;
      continue;
    }
    if (!row->equal) {
      std::fprintf(stderr, "jit_bench: %s: engines disagree\n", row->name.c_str());
      good = false;
    }
    if (!row->kernel_error.empty())
      std::fprintf(stderr, "jit_bench: %s: not in the kernel: %s\n", row->name.c_str(),
                   row->kernel_error.c_str());
    rows.push_back(std::move(*row));
  }
  if (rows.empty()) return 1;
  Summary s = summarise(rows);
  s.fixed = fixed_cost(**memory);
  std::tie(s.asmjit_insn, s.asmjit_fixed) = asmjit_cost();
  std::string text = report(rows, s);
  std::printf("%s", text.c_str());
  if (!write.empty()) write_section(write, text);
  if (json)
    std::printf(
        "{\"bench\":\"jit\",\"programs\":%zu,\"fast_over_native\":%.3f,\"kernel_over_native\":%.3f,"
        "\"fast_over_kernel\":%.3f,\"fast_compile_ns_per_insn\":%.1f,\"fast_compile_fixed_ns\":%."
        "0f,"
        "\"interpreter_ns_per_insn\":%.3f,\"results_equal\":%s}\n",
        s.programs, s.fast, s.kernel, s.fast_over_kernel, s.compile_insn, s.fixed,
        s.interpreter_insn, good ? "true" : "false");
  return good ? 0 : 1;
}

}  // namespace
}  // namespace bench
}  // namespace skep

int main(int argc, char** argv) { return skep::bench::main_(argc, argv); }
