// skep exec: one program, once (or --repeat times), over given bytes: BPF_PROG_TEST_RUN.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <time.h>
#include <unistd.h>

#include "cli/code_options.h"
#include "cli/event_printer.h"
#include "cli/exec_input.h"
#include "cli/input.h"
#include "cli/jitdump.h"
#include "cli/kernel_side.h"
#include "cli/map_contents.h"
#include "cli/perf_map.h"
#include "cli/rejection.h"
#include "engine/kernel/kernel_engine.h"
#include "engine/user/user_engine.h"
#include "loader/loader.h"
#include "spec/prog_types.h"
#include "spec/sections.h"
#include "vm/jit/optimiser.h"

namespace skep::cli {
namespace {

struct Options {
  std::string path, program, type, ctx, data, via = "jit";
  InputOptions input;
  uint32_t repeat = 1;
  CodeOptions code;
  bool json = false;
};

struct Outcome {
  uint32_t retval = 0;
  Bytes data, ctx;
  uint64_t mean_ns = 0;
  bool out_of_fuel = false;
};

// A program of this object: the one named, or the only one.
std::expected<std::string, Failure> choose_program(const object::Object& object,
                                                   const std::string& wanted) {
  if (!wanted.empty()) {
    if (object.find_program(wanted)) return wanted;
    return failure(kUsage,
                   Error(ENOENT, fmt::format("{}: no program \"{}\"", object.name(), wanted)));
  }
  if (object.programs().size() == 1) return object.programs().front().name;
  std::string known;
  for (const object::ProgramSpec& spec : object.programs()) known += " " + spec.name;
  return failure(kUsage, Error(EINVAL, fmt::format("{} has {} programs", object.name(),
                                                   object.programs().size()))
                             .with_hint("choose one with --program:" + known));
}

// Types whose test run takes a context and gives a return value, and knows no repetition.
bool is_context_only(ProgType type) {
  return type == ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT || type == ProgType::BPF_PROG_TYPE_SYSCALL;
}

Result<Outcome> test_context(engine::Engine& engine, int fd, const Options& options,
                             const Bytes& ctx) {
  Outcome outcome;
  outcome.ctx = ctx;
  auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
  };
  engine::TestRunAttr attr;
  attr.prog_fd = static_cast<uint32_t>(fd);
  attr.ctx_in = ctx.empty() ? 0 : reinterpret_cast<uint64_t>(outcome.ctx.data());
  attr.ctx_size_in = static_cast<uint32_t>(ctx.size());
  const uint64_t before = now();
  for (uint32_t i = 0; i < std::max(1u, options.repeat); ++i) {
    int64_t result = engine.call(engine::Cmd::BPF_PROG_TEST_RUN, attr);
    if (result >= 0) continue;
    if (auto error = engine.last_error(); error && error->code() == -result)
      return std::unexpected(*error);
    return fail_errno(static_cast<int>(-result), "BPF_PROG_TEST_RUN on the {} engine",
                      engine.name());
  }
  outcome.retval = attr.retval;
  outcome.mean_ns = (now() - before) / std::max(1u, options.repeat);
  return outcome;
}

Result<Outcome> test_run(engine::Engine& engine, int fd, const Options& options, const Bytes& data,
                         const Bytes& ctx, ProgType type) {
  if (is_context_only(type)) return test_context(engine, fd, options, ctx);
  Outcome outcome;
  outcome.data.resize(data.empty() ? 0 : data.size() + 512);
  outcome.ctx.resize(ctx.size());
  engine::TestRunAttr attr;
  attr.prog_fd = static_cast<uint32_t>(fd);
  attr.repeat = options.repeat;
  auto address = [](const Bytes& bytes) {
    return bytes.empty() ? 0 : reinterpret_cast<uint64_t>(bytes.data());
  };
  attr.data_in = address(data);
  attr.data_size_in = static_cast<uint32_t>(data.size());
  attr.data_out = address(outcome.data);
  attr.data_size_out = static_cast<uint32_t>(outcome.data.size());
  attr.ctx_in = address(ctx);
  attr.ctx_size_in = static_cast<uint32_t>(ctx.size());
  attr.ctx_out = address(outcome.ctx);
  attr.ctx_size_out = static_cast<uint32_t>(outcome.ctx.size());
  int64_t result = engine.call(engine::Cmd::BPF_PROG_TEST_RUN, attr);
  if (result < 0) {
    if (auto error = engine.last_error(); error && error->code() == -result)
      return std::unexpected(*error);
    return fail_errno(static_cast<int>(-result), "BPF_PROG_TEST_RUN on the {} engine",
                      engine.name());
  }
  outcome.retval = attr.retval;
  outcome.mean_ns = attr.duration;
  outcome.data.resize(std::min<size_t>(outcome.data.size(), attr.data_size_out));
  outcome.ctx.resize(std::min<size_t>(outcome.ctx.size(), attr.ctx_size_out));
  return outcome;
}

Result<Outcome> run_here(engine::UserEngine& engine, int fd, const Options& options,
                         const Bytes& data, const Bytes& ctx) {
  SKEP_TRY(program, engine.program_of(fd));
  runtime::RunInput input;
  input.data = data;
  input.ctx = ctx;
  input.repeat = options.repeat;
  input.via = options.via == "interp" ? runtime::Via::interpreter : runtime::Via::jit;
  SKEP_TRY(output, engine.runtime().run(*program, input));
  Outcome outcome;
  outcome.retval = output.retval;
  outcome.data = std::move(output.data);
  outcome.ctx = std::move(output.ctx);
  outcome.ctx.resize(std::min(outcome.ctx.size(), ctx.size()));
  outcome.mean_ns = output.mean_ns;
  outcome.out_of_fuel = output.out_of_fuel;
  return outcome;
}

void print_outcome(const Options& options, const Outcome& outcome, const Bytes& data,
                   const Bytes& ctx) {
  if (options.json) {
    nlohmann::json row{
        {"retval", outcome.retval}, {"mean_ns", outcome.mean_ns}, {"repeat", options.repeat}};
    if (options.code.fuel != 0) row["out_of_fuel"] = outcome.out_of_fuel;
    if (!data.empty()) row["data_out"] = hex_of(outcome.data);
    if (!ctx.empty()) row["ctx_out"] = hex_of(outcome.ctx);
    print(row.dump() + "\n");
    return;
  }
  print(fmt::format(
      "return value: {} ({:#x}){}\n", static_cast<int32_t>(outcome.retval), outcome.retval,
      outcome.out_of_fuel
          ? fmt::format(" (ended: {} instructions did not suffice)", options.code.fuel)
          : ""));
  if (!data.empty()) {
    print(fmt::format("data out:     {}{}\n", hex_of(outcome.data),
                      outcome.data == data ? " (unchanged)" : ""));
  }
  if (!ctx.empty()) {
    print(fmt::format("ctx out:      {}{}\n", hex_of(outcome.ctx),
                      outcome.ctx == ctx ? " (unchanged)" : ""));
  }
  print(fmt::format("time:         {} ns a run, {} run{}\n", outcome.mean_ns, options.repeat,
                    options.repeat == 1 ? "" : "s"));
}

void print_maps(engine::UserEngine& engine, const loader::Loader& loader, bool json) {
  for (const loader::LoadedMap& map : loader.maps()) {
    auto shared = engine.map_of(map.fd.get());
    if (!shared || !holds_results((*shared)->header())) continue;
    auto contents = read_map((*shared)->header(), loader.object().btf());
    if (!contents || contents->elements.empty()) continue;
    if (json) {
      print(report::map_to_json(*contents, map_type_name((*shared)->header().type)) + "\n");
    } else {
      print(fmt::format("\n{} ({}):\n{}", map.spec->name, map_type_name((*shared)->header().type),
                        report::format_map(*contents)));
    }
  }
}

int run(Options options) {
  if (!options.type.empty()) {
    const spec::ProgTypeRow* type = spec::find_prog_type(std::string_view(options.type));
    if (type != nullptr) {
      for (const spec::Section& section : spec::sections()) {
        if (section.prog_type == type->type && section.match != spec::SectionMatch::with_extras) {
          options.input.section = section.prefix;
          break;
        }
      }
    } else if (spec::parse_section_name(options.type)) {
      options.input.section = options.type;
    }
    if (options.input.section.empty()) {
      return report_failure(
          Error(EINVAL, fmt::format("--type: \"{}\" is no program type", options.type))
              .with_hint("skep feature --kind program_type"),
          kUsage);
    }
  }
  auto object = open_input(options.path, options.input);
  if (!object) return report_failure(object.error().error, object.error().status);
  auto name = choose_program(**object, options.program);
  if (!name) return report_failure(name.error().error, name.error().status);
  std::vector<Bytes> packets(1);
  Bytes ctx;
  if (!options.data.empty()) {
    auto read = read_packets(options.data);
    if (!read) return report_failure(read.error().error, read.error().status);
    packets = std::move(*read);
  }
  if (!options.ctx.empty()) {
    auto read = read_bytes(options.ctx, "--ctx");
    if (!read) return report_failure(read.error().error, read.error().status);
    ctx = std::move(*read);
  }

  std::unique_ptr<engine::Engine> engine;
  engine::UserEngine* user = nullptr;
  if (options.via == "kernel" && (options.code.fuel != 0 || options.code.harden))
    return report_failure(
        Error(EINVAL, "--fuel and --harden are the user engine's: the kernel has no such options"),
        kUsage);
  if (options.via == "kernel") {
    auto made = engine::make_kernel_engine();
    if (!made) return report_failure(made.error(), kUnavailable);
    engine = std::move(*made);
  } else {
    runtime::RuntimeOptions runtime;
    runtime.hive.name = "exec";
    runtime.hive.publish_session = false;
    runtime.jit = jit_options(options.code);
    auto made = engine::UserEngine::create(runtime);
    if (!made) return report_failure(made.error(), exit_for(made.error(), kSystem));
    user = made->get();
    if (options.via == "llvm") {
      auto target = jit::optimiser_target();
      if (!target) return report_failure(target.error(), kUnavailable);
      user->runtime().set_optimise(true);
    } else {
      use_native_cache(user->runtime());
    }
    engine = std::move(*made);
  }
  loader::LoadOptions load;
  load.only = {*name};
  std::string file = (*object)->name();
  auto loader = loader::Loader::load(*engine, std::move(*object), load);
  if (!loader) {
    const loader::LoadError& error = loader.error();
    if (!error.rejection) return report_failure(error.error, exit_for(error.error, kBadInput));
    std::fflush(stdout);
    fmt::print(stderr, "{}",
               rejection_text(fmt::format("skep: {}: program {}", file, *name),
                              error.rejection->input, *error.rejection->report.rejection,
                              error.rejection->report.log, ::isatty(STDERR_FILENO) != 0));
    return kRejected;
  }
  int fd = -1;
  ProgType type{};
  for (const loader::LoadedProgram& program : loader->programs()) {
    if (program.spec->name != *name) continue;
    fd = program.fd.get();
    type = program.program.type;
  }
  JitDumpFile jitdump;
  if (user != nullptr && (options.code.perf_map || options.code.jitdump)) {
    PerfMaps maps;
    for (const loader::LoadedProgram& program : loader->programs()) {
      auto shared = user->program_of(program.fd.get());
      if (shared) maps.add(**shared), jitdump.add(*shared);
    }
    auto written = options.code.perf_map ? maps.write_for(::getpid()) : Result<>();
    if (written && options.code.jitdump) written = jitdump.write_for(::getpid());
    if (!written) return report_failure(written.error(), exit_for(written.error(), kSystem));
  }
  std::optional<EventPrinter> events;
  if (user != nullptr) {
    events.emplace(user->runtime().hive(), options.json);
    for (const loader::LoadedMap& map : loader->maps()) {
      bool carries = map.spec->type == MapType::BPF_MAP_TYPE_RINGBUF ||
                     map.spec->type == MapType::BPF_MAP_TYPE_PERF_EVENT_ARRAY;
      auto shared = user->map_of(map.fd.get());
      if (carries && shared)
        events->follow((*shared)->header(), loader->object().btf(),
                       record_type(loader->object(), *map.spec));
    }
    events->follow_printk(user->runtime().printk_ring());
  }
  for (size_t i = 0; i < packets.size(); ++i) {
    if (packets.size() > 1 && !options.json)
      print(fmt::format("{}packet {}:\n", i > 0 ? "\n" : "", i + 1));
    bool here = user != nullptr && (options.via == "interp" || options.code.fuel != 0);
    auto outcome = here ? run_here(*user, fd, options, packets[i], ctx)
                        : test_run(*engine, fd, options, packets[i], ctx, type);
    if (!outcome) return report_failure(outcome.error(), exit_for(outcome.error(), kUsage));
    print_outcome(options, *outcome, packets[i], ctx);
    if (events) events->drain();
  }
  if (user != nullptr) print_maps(*user, *loader, options.json);
  return kOk;
}

}  // namespace

void add_exec(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand(
      "exec", "Run one program over given bytes: return value, output, maps, time");
  auto options = std::make_shared<Options>();
  app->add_option("FILE", options->path, "C (.bpf.c), an object (.bpf.o) or assembly (.bpf.s)")
      ->required();
  app->add_option("--program", options->program, "Which program of FILE, where it has several");
  app->add_option("--type", options->type,
                  "Type of an assembled program that names no section: xdp, socket_filter, …");
  app->add_option("--ctx", options->ctx, "The context: hexadecimal bytes, or a file");
  app->add_option("--data", options->data,
                  "The packet: hexadecimal bytes, a file, or a pcap of many");
  app->add_option("--repeat", options->repeat, "Runs, for the time's sake")
      ->capture_default_str()
      ->check(CLI::Range(1u, 1'000'000'000u));
  app->add_option("--via", options->via, "interp, jit, llvm (the optimising tier) or kernel")
      ->capture_default_str()
      ->check(CLI::IsMember({"interp", "jit", "llvm", "kernel"}));
  add_code_options(*app, options->code);
  app->add_flag("--json", options->json, "Print JSON, one object a line");
  app->add_option("-I", options->input.include_dirs, "Directory for #include");
  app->add_option("-D", options->input.defines, "Macro, as NAME or NAME=VALUE");
  app->callback([&chosen, options] { chosen.run = [options] { return run(*options); }; });
}

}  // namespace skep::cli
