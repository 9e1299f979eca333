#include "jit_engines.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/fd.h"
#include "jit_peer.h"
#include "runtime/host.h"
#include "vm/jit/optimiser.h"

namespace skep::bench {

namespace fs = std::filesystem;

namespace {

constexpr size_t kInput = 4096;

// The same bytes for every engine.
std::array<std::byte, kInput> input_bytes() {
  std::array<std::byte, kInput> input;
  uint64_t state = 42;
  for (std::byte& b : input) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    b = static_cast<std::byte>(state >> 56);
  }
  return input;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

template <class F>
auto timed(F once) {
  return [once](uint32_t times) -> Result<Timing> {
    uint32_t result = 0;
    double start = now_ns();
    for (uint32_t i = 0; i < times; i++) result = once();
    return Timing{.result = result, .ns = (now_ns() - start) / times};
  };
}

Result<loader::Loader> load(engine::Engine& engine, ByteSpan bytes, const std::string& name) {
  SKEP_TRY(opened, object::open_object(bytes, name));
  auto object = std::make_unique<object::Object>(std::move(opened));
  if (object->find_variable("input") != nullptr)
    SKEP_CHECK(object->set_variable("input", input_bytes()));
  auto loaded = loader::Loader::load(engine, std::move(object), {});
  if (loaded) return std::move(*loaded);
  std::string log;
  if (loaded.error().rejection) {
    log = loaded.error().rejection->engine_log;
    if (log.empty() && loaded.error().rejection->report.rejection)
      log = loaded.error().rejection->report.rejection->message;
  }
  if (log.size() > 300) log = log.substr(log.size() - 300);
  return fail(loaded.error().error.code(), "{} {}", loaded.error().error.text(), log);
}

// Globals as they were when the object was loaded.
Result<> reset_globals(loader::Loader& loader) {
  for (const loader::LoadedMap& map : loader.maps()) {
    if (!map.spec->is_globals || map.spec->freeze) continue;
    uint32_t key = 0;
    engine::MapElemAttr attr;
    attr.map_fd = static_cast<uint32_t>(map.fd.get());
    attr.key = reinterpret_cast<uint64_t>(&key);
    attr.value = reinterpret_cast<uint64_t>(map.spec->content.data());
    int64_t result = loader.engine().call(engine::Cmd::BPF_MAP_UPDATE_ELEM, attr);
    if (result < 0) return fail_errno(static_cast<int>(-result), "resetting {}", map.spec->name);
  }
  return {};
}

int program_fd(const loader::Loader& loader) {
  for (const loader::LoadedProgram& program : loader.programs())
    if (program.spec->name == "prog") return program.fd.get();
  return -1;
}

std::array<std::byte, 64> packet() {
  std::array<std::byte, 64> bytes{};
  bytes[12] = std::byte{0x88}, bytes[13] = std::byte{0xb5};
  return bytes;
}

// Whether it can be run at all: in a process of its own.
template <class F>
Result<> survives(F run) {
  const pid_t child = ::fork();
  if (child < 0) return fail_errno(errno, "fork");
  if (child == 0) {
    for (int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE}) ::signal(signal, SIG_DFL);
    run();
    ::_exit(0);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return fail_errno(errno, "waitpid");
  return status == 0 ? Result<>() : fail(EFAULT, "its code crashes");
}

}  // namespace

double now_ns() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

double Engine::ns() const { return median(rounds); }
double Engine::spread() const {
  auto sorted = rounds;
  std::sort(sorted.begin(), sorted.end());
  size_t tenth = sorted.size() / 10;
  return (sorted[sorted.size() - 1 - tenth] - sorted[tenth]) / 2 / std::max(ns(), 1e-9);
}

std::span<const Tier> native_tiers() {
  static constexpr Tier kTiers[] = {{"fast", &jit::compile},
                                    {"optimising", &jit::compile_optimised}};
  return std::span(kTiers).first(jit::optimiser_target() ? 2 : 1);  // where its module is
}

// What a run of ours takes: a slot, a context and a packet's, as Runtime::run has them.
struct Surroundings {
  HeldSlot slot;
  std::array<std::byte, 64> bytes = packet();
  std::array<uint64_t, 64> ctx{};
  PacketView view{};
  HelperContext context;

  explicit Surroundings(const runtime::ProgObject& program) {
    auto* data = reinterpret_cast<uint8_t*>(bytes.data());
    view = {.head = data,
            .end_of_buffer = data + bytes.size(),
            .data = data,
            .data_end = data + bytes.size(),
            .data_meta = data,
            .mac_header = data,
            .network_header = data + 14};
    context.host = &runtime::in_process_host();
    context.slot = slot.slot();
    context.program = &program.header();
    context.ctx = ctx.data();
    context.packet = &view;
  }
  HelperContext* fresh() {
    context.tail_calls = 0;
    return &context;
  }
};

Subject::~Subject() {
  for (const jit::NativeCode& code : codes_) memory_->free(code.block);
}

Result<> Subject::add_native(const fs::path& object) {
  for (const char* compiler : {"clang", "gcc"}) {
    fs::path path = object.parent_path() / (name_ + "." + compiler + ".so");
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);  // stays to the end
    if (library == nullptr) return fail(ENOENT, "{}", dlerror());
    auto run = reinterpret_cast<uint32_t (*)(void*)>(dlsym(library, "bench_run"));
    auto where = reinterpret_cast<uint8_t* (*)()>(dlsym(library, "bench_input"));
    auto input = input_bytes();
    std::memcpy(where(), input.data(), kInput);
    engines_.push_back({.name = compiler, .run = timed([run] { return run(nullptr); })});
  }
  return {};
}

Result<> Subject::add_user(engine::UserEngine& user, ByteSpan object) {
  SKEP_TRY(loaded, load(user, object, name_));
  user_.emplace(std::move(loaded));
  SKEP_TRY(program, user.program_of(program_fd(*user_)));
  program_ = program;
  surroundings_ = std::make_unique<Surroundings>(*program_);
  if (!surroundings_->slot) return fail(EBUSY, "no slot of the hive is free");
  SKEP_TRY(memory, make_private_code_memory(1 << 20));
  memory_ = std::move(memory);
  Surroundings* around = surroundings_.get();
  auto reset = [this] { return reset_globals(*user_); };
  auto add = [&](std::string_view name, uint64_t address) {
    auto entry = reinterpret_cast<uint64_t (*)(void*, HelperContext*)>(address);
    engines_.push_back({.name = std::string(name),
                        .run = timed([entry, around] {
                          return static_cast<uint32_t>(entry(around->ctx.data(), around->fresh()));
                        }),
                        .reset = reset});
  };
  add(native_tiers()[0].name, program_->native().entry);
  for (const Tier& tier : native_tiers().subspan(1)) {
    SKEP_TRY(code, tier.compile(program_->verified(), {}, *memory_));
    codes_.push_back(std::move(code));
    add(tier.name, codes_.back().entry);
  }
  SKEP_TRY(interpreter, program_->interpreter());
  engines_.push_back({.name = "interpreter",
                      .run = timed([interpreter, around] {
                        auto result = interpreter->run(around->ctx.data(), around->fresh());
                        return static_cast<uint32_t>(result.value_or(0));
                      }),
                      .reset = reset});
  return {};
}

Result<> Subject::add_kernel(engine::Engine& kernel, ByteSpan object) {
  SKEP_TRY(loaded, load(kernel, object, name_));
  kernel_.emplace(std::move(loaded));
  auto run = [this, &kernel](uint32_t times) -> Result<Timing> {
    auto data = packet();
    engine::TestRunAttr attr;
    attr.prog_fd = static_cast<uint32_t>(program_fd(*kernel_));
    attr.data_in = reinterpret_cast<uint64_t>(data.data());
    attr.data_size_in = data.size();
    attr.repeat = times;
    int64_t result = 0;
    while ((result = kernel.call(engine::Cmd::BPF_PROG_TEST_RUN, attr)) < 0)
      if (result != -EINTR && result != -EAGAIN)
        return fail_errno(static_cast<int>(-result), "BPF_PROG_TEST_RUN");
    return Timing{.result = attr.retval, .ns = static_cast<double>(attr.duration)};
  };
  engines_.push_back(
      {.name = "kernel", .run = run, .reset = [this] { return reset_globals(*kernel_); }});
  return {};
}

// Its own copy of the object, for -mcpu=v2.
Result<> Subject::add_peer(engine::UserEngine& user, const fs::path& object) {
  SKEP_TRY(bytes, read_file(object.string()));
  SKEP_TRY(loaded, load(user, bytes, name_));
  peer_.emplace(std::move(loaded));
  SKEP_TRY(program, user.program_of(program_fd(*peer_)));
  SKEP_TRY(code, compile_by_dpdk(program->verified()));
  auto entry = reinterpret_cast<uint64_t (*)(void*)>(code.entry);
  Surroundings* around = surroundings_.get();
  SKEP_CHECK(survives([&] { entry(around->ctx.data()); }));
  engines_.push_back(
      {.name = "dpdk",
       .run = timed([entry, around] { return static_cast<uint32_t>(entry(around->ctx.data())); }),
       .reset = [this] { return reset_globals(*peer_); }});
  return {};
}

Result<std::unique_ptr<Subject>> Subject::open(const fs::path& object, engine::UserEngine& user,
                                               engine::Engine* kernel) {
  std::unique_ptr<Subject> made(new Subject);
  made->name_ = object.stem().stem().string();
  SKEP_TRY(bytes, read_file(object.string()));
  SKEP_CHECK(made->add_native(object));
  SKEP_CHECK(made->add_user(user, bytes));
  if (kernel != nullptr) {
    if (auto added = made->add_kernel(*kernel, bytes); !added)
      made->kernel_error_ = added.error().text();
  }
  fs::path peer = object.parent_path() / (made->name_ + ".v2.o");
  if (auto added = made->add_peer(user, peer); !added) made->peer_error_ = added.error().text();
  return made;
}

Result<uint64_t> Subject::count_insns() {
  SKEP_CHECK(reset_globals(*user_));
  HelperContext* context = surroundings_->fresh();
  constexpr uint64_t kPlenty = uint64_t{1} << 60;
  context->fuel = kPlenty;
  SKEP_TRY(interpreter, program_->interpreter());
  auto result = interpreter->run(surroundings_->ctx.data(), context);
  uint64_t taken = kPlenty - context->fuel;
  context->fuel = 0;
  if (!result) return fail(result);
  return taken;
}

double Subject::compile_ns(int rounds) const {
  std::vector<double> all;
  for (int round = 0; round < rounds; round++) {
    constexpr int kTimes = 20;
    double start = now_ns();
    for (int k = 0; k < kTimes; k++) {
      auto again = jit::compile(program_->verified(), {}, *memory_);
      if (again) memory_->free(again->block);
    }
    all.push_back((now_ns() - start) / kTimes);
  }
  return median(all);
}

double fixed_compile_ns() {
  Program program;
  program.type = ProgType::BPF_PROG_TYPE_SCHED_CLS;
  program.insns = {{.opcode = isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_K},
                   {.opcode = isa::BPF_JMP | isa::BPF_EXIT}};
  auto report = verifier::verify(program, {});
  auto memory = make_private_code_memory(1 << 16);
  if (!report.verified || !memory) return 0;
  std::vector<double> rounds;
  for (int round = 0; round < 51; round++) {
    double start = now_ns();
    for (int k = 0; k < 100; k++) {
      auto code = jit::compile(*report.verified, {}, **memory);
      if (code) (*memory)->free(code->block);
    }
    rounds.push_back((now_ns() - start) / 100);
  }
  return median(rounds);
}

}  // namespace skep::bench
