// skep disasm: an object's programs, or bare instructions, as assembly.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "btf/user_engine/user_engine.h"
#include "cli/input.h"
#include "cli/native_listing.h"
#include "engine/user/user_engine.h"
#include "isa/disassembler.h"
#include "loader/loader.h"
#include "vm/jit/optimiser.h"

namespace skep::cli {
namespace {

struct Options {
  std::string path, program;
  bool raw = false, json = false, opcodes = false, native = false;
  std::string tier = "jit";
};

// What each program becomes: source, bytecode and native code, one below the other.
int disassemble_native(const Options& options) {
  if (options.tier == "llvm") {
    auto target = jit::optimiser_target();
    if (!target) return report_failure(target.error(), kUnavailable);
  }
  auto object = open_input(options.path);
  if (!object) return report_failure(object.error().error, object.error().status);
  runtime::RuntimeOptions made;
  made.hive.name = "disasm";
  made.hive.publish_session = false;
  auto engine = engine::UserEngine::create(made);
  if (!engine) return report_failure(engine.error(), exit_for(engine.error(), kSystem));
  (*engine)->runtime().set_optimise(options.tier == "llvm");
  loader::LoadOptions load;
  if (!options.program.empty()) load.only = {options.program};
  auto loader = loader::Loader::load(**engine, std::move(*object), load);
  if (!loader)
    return report_failure(loader.error().error, loader.error().rejection
                                                    ? kRejected
                                                    : exit_for(loader.error().error, kBadInput));
  auto rows = nlohmann::json::array();
  bool first = true;
  for (const loader::LoadedProgram& loaded : loader->programs()) {
    auto program = (*engine)->program_of(loaded.fd.get());
    if (!program) return report_failure(program.error(), kInternal);
    const jit::NativeCode& code = (*program)->native();
    NativeListing listing = native_listing((*program)->verified(), code);
    if (options.json) {
      rows.push_back({{"program", loaded.spec->name},
                      {"section", loaded.spec->section},
                      {"insns", (*program)->verified().insns().size()},
                      {"tier", options.tier},
                      {"bytes", code.code_size},
                      {"native", std::move(listing.rows)}});
      continue;
    }
    print(fmt::format("{}{} (SEC(\"{}\"), {} insns):\n{}{} bytes of native code\n",
                      first ? "" : "\n", loaded.spec->name, loaded.spec->section,
                      (*program)->verified().insns().size(), listing.text, code.code_size));
    first = false;
  }
  if (options.json) print(rows.dump() + "\n");
  return kOk;
}

int disassemble_raw(const Options& options) {
  auto bytes = read_file(options.path == "-" ? "/dev/stdin" : options.path);
  if (!bytes) return report_failure(bytes.error(), exit_for(bytes.error(), kBadInput));
  if (bytes->size() % sizeof(Insn) != 0) {
    return report_failure(Error(EINVAL, fmt::format("{}: {} bytes, a multiple of 8 was expected",
                                                    options.path, bytes->size())),
                          kBadInput);
  }
  Program program;
  program.insns.resize(bytes->size() / sizeof(Insn));
  std::memcpy(program.insns.data(), bytes->data(), bytes->size());
  print(disassembly_of(program, options.opcodes));
  return kOk;
}

int run(const Options& options) {
  if (options.raw) return disassemble_raw(options);
  if (options.native) return disassemble_native(options);
  auto object = open_input(options.path);
  if (!object) return report_failure(object.error().error, object.error().status);
  auto vmlinux = btf::user_engine_btf();
  object::Target target;
  target.btfs = std::span(&vmlinux, 1);
  auto rows = nlohmann::json::array();
  bool found = false;
  for (uint32_t i = 0; i < (*object)->programs().size(); ++i) {
    const object::ProgramSpec& spec = (*object)->programs()[i];
    if (!options.program.empty() && spec.name != options.program) continue;
    found = true;
    auto program = (*object)->program(i, target);
    if (!program)
      return report_failure(Error(program.error()).within((*object)->name()), kBadInput);
    std::string text = disassembly_of(*program, options.opcodes);
    if (options.json) {
      rows.push_back({{"program", spec.name},
                      {"section", spec.section},
                      {"insns", program->insns.size()},
                      {"text", text}});
    } else {
      print(fmt::format("{}{} (SEC(\"{}\"), {} insns):\n{}",
                        i > 0 && options.program.empty() ? "\n" : "", spec.name, spec.section,
                        program->insns.size(), text));
    }
  }
  if (!options.program.empty() && !found) {
    return report_failure(
        Error(ENOENT, fmt::format("{}: no program \"{}\"", (*object)->name(), options.program)),
        kUsage);
  }
  if (options.json) print(rows.dump() + "\n");
  return kOk;
}

}  // namespace

void add_disasm(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand("disasm", "Print FILE's programs as assembly, relocated");
  auto options = std::make_shared<Options>();
  app->add_option("FILE", options->path,
                  "An object, C, assembly; with --raw bare instructions (- is standard input)")
      ->required();
  app->add_option("--program", options->program, "Only this program");
  app->add_flag("--raw", options->raw, "FILE is instructions of 8 bytes each");
  app->add_flag(
      "--native", options->native,
      "Verify and compile; print source, bytecode and x86-64 code together, and its size");
  app->add_option("--tier", options->tier, "With --native: jit or llvm (the optimising tier)")
      ->capture_default_str()
      ->check(CLI::IsMember({"jit", "llvm"}));
  app->add_flag("--opcodes", options->opcodes, "Print each opcode, as the verifier's log does");
  app->add_flag("--json", options->json, "Print one JSON array");
  app->callback([&chosen, options] { chosen.run = [options] { return run(*options); }; });
}

}  // namespace skep::cli
