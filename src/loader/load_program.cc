// Loader: programs. Relocated against the engine's BTF (a kernel's modules only where vmlinux lacks something), then
// BPF_PROG_LOAD, at first without a log: it costs the kernel as much as verifying does. What an old kernel does not
// take and nothing depends on is left out at a second try.
#include <cstring>

#include "loader/internal.h"
#include "object/attach_target.h"
#include "spec/prog_types.h"

namespace skep::loader {

using engine::Cmd;

namespace {

constexpr uint64_t kLogSize = 1u << 20;
constexpr uint64_t kLargeLog = 16u << 20;

// A kernel takes descriptors in instructions; indexes only since 5.14.
std::vector<Insn> with_descriptors(const std::vector<Insn>& insns,
                                   std::span<const LoadedMap> maps) {
  std::vector<Insn> wire = insns;
  for (Insn& insn : wire) {
    if (!isa::is_ld_imm64(insn)) continue;
    if (insn.src != isa::BPF_PSEUDO_MAP_IDX && insn.src != isa::BPF_PSEUDO_MAP_IDX_VALUE) continue;
    if (static_cast<size_t>(insn.imm) >= maps.size()) continue;
    insn.src =
        insn.src == isa::BPF_PSEUDO_MAP_IDX ? isa::BPF_PSEUDO_MAP_FD : isa::BPF_PSEUDO_MAP_VALUE;
    insn.imm = maps[static_cast<size_t>(insn.imm)].fd.get();
  }
  return wire;
}

}  // namespace

Result<> Loader::resolve_kconfig() {
  if (!object_->has_kconfig()) return {};
  object::KconfigValues values;
  values.kernel_version = engine_->kernel_version();
  values.has_bpf_cookie = values.kernel_version >= (5u << 16 | 15u << 8);
  values.has_syscall_wrapper = values.kernel_version >= (4u << 16 | 17u << 8);
  values.config = [this](std::string_view name) { return engine_->kernel_config(name); };
  return object_->resolve_kconfig(values);
}

Result<Program> Loader::relocate(size_t index, const spec::SectionName& section) {
  auto attempt = [&]() -> Result<Program> {
    object::Target target;
    target.btfs = btfs_;
    target.symbol = [this](std::string_view name) { return engine_->kernel_symbol(name); };
    SKEP_TRY(program, object_->program(static_cast<uint32_t>(index), target));
    SKEP_CHECK(object::set_attach_target(program, section, btfs_));
    return std::move(program);
  };
  // A kernel's BTF costs as much to read as all the rest: only where something looks into it.
  const bool looks = object_->needs_target() || section.section->attach_btf;
  if (!looks) return attempt();
  if (btfs_.empty()) {
    SKEP_TRY(vmlinux, engine_->vmlinux_btf());
    btfs_.push_back(vmlinux);
  }
  auto program = attempt();
  const bool lacks = !program ? program.error().code() == ENOENT || program.error().code() == ESRCH
                              : !program->core_failures.empty();
  if (!lacks || btfs_.size() > 1) return program;
  for (const auto& module : engine_->module_btfs()) btfs_.push_back(module.btf);
  return btfs_.size() > 1 ? attempt() : std::move(program);
}

// freplace, and fentry and its kin on a BPF program: the function is one of that program's BTF.
Result<> Loader::find_program_target(Program& program, const spec::SectionName& section,
                                     engine::ProgLoadAttr& attr) {
  engine::ProgInfo info;
  engine::ObjInfoAttr ask{.bpf_fd = static_cast<uint32_t>(options_.target_program_fd),
                          .info_len = sizeof info,
                          .info = address_of(&info)};
  int64_t result = engine_->call(Cmd::BPF_OBJ_GET_INFO_BY_FD, ask);
  if (result < 0) return std::unexpected(engine_error(*engine_, result, "the target program"));
  engine::GetIdAttr by_id;
  by_id.id = info.btf_id;
  int64_t fd = engine_->call(Cmd::BPF_BTF_GET_FD_BY_ID, by_id);
  if (fd < 0) return std::unexpected(engine_error(*engine_, fd, "the target program's BTF"));
  engine::EngineFd owned(engine_, static_cast<int>(fd));
  engine::BtfInfo btf_info;
  ask = {.bpf_fd = static_cast<uint32_t>(fd),
         .info_len = sizeof btf_info,
         .info = address_of(&btf_info)};
  result = engine_->call(Cmd::BPF_OBJ_GET_INFO_BY_FD, ask);
  std::vector<std::byte> bytes(btf_info.btf_size);
  btf_info = {};
  btf_info.btf = address_of(bytes.data());
  btf_info.btf_size = static_cast<uint32_t>(bytes.size());
  if (result == 0) result = engine_->call(Cmd::BPF_OBJ_GET_INFO_BY_FD, ask);
  if (result < 0)
    return std::unexpected(engine_error(*engine_, result, "the target program's BTF"));
  SKEP_TRY(btf, btf::Btf::parse(bytes));
  const auto id = btf->find(section.target, btf::Kind::Func);
  if (!id) return fail(ENOENT, "the target program has no function \"{}\"", section.target);
  program.attach_btf = btf;
  program.attach_btf_id = *id;
  attr.attach_btf_id = *id;
  attr.attach_prog_fd = static_cast<uint32_t>(options_.target_program_fd);
  return {};
}

int64_t Loader::load_with_fallbacks(engine::ProgLoadAttr attr, const spec::Section& section,
                                    std::string& log) {
  auto load = [&] {
    for (int tries = 0;; ++tries) {  // EAGAIN: a signal came while it was verified
      const int64_t fd = engine_->call(Cmd::BPF_PROG_LOAD, attr);
      if (fd != -EAGAIN || tries == 5) return fd;
    }
  };
  auto with_log = [&](uint64_t size) {
    log.assign(size, '\0');
    attr.log_level = std::max(1u, options_.log_level);
    attr.log_buf = address_of(log.data());
    attr.log_size = static_cast<uint32_t>(log.size());
    const int64_t fd = load();
    log.resize(std::strlen(log.c_str()));
    return fd;
  };
  if (options_.log_level != 0) return with_log(kLogSize);
  int64_t fd = load();
  if (fd >= 0 || !is_kernel(*engine_) || fd == -EPERM || fd == -ENOMEM) return fd;
  fd = with_log(kLogSize);
  if (fd == -ENOSPC) fd = with_log(kLargeLog);
  if (fd >= 0 || !log.empty()) return fd;
  attr.log_level = attr.log_size = 0;
  attr.log_buf = 0;
  const int64_t first = fd;
  if (section.attach_type_optional && attr.expected_attach_type != 0) {  // before 4.17
    attr.expected_attach_type = 0;
    if ((fd = load()) >= 0) return fd;
  }
  if (attr.func_info_cnt != 0 || attr.prog_btf_fd != 0) {  // before 5.0
    attr.prog_btf_fd = 0;
    attr.func_info_cnt = attr.line_info_cnt = 0;
    attr.func_info_rec_size = attr.line_info_rec_size = 0;
    attr.func_info = attr.line_info = 0;
    if ((fd = load()) >= 0) return fd;
  }
  if (attr.prog_name[0] != 0) {  // before 4.15
    std::memset(attr.prog_name, 0, sizeof attr.prog_name);
    if ((fd = load()) >= 0) return fd;
  }
  return first;
}

LoadError Loader::load_error(const object::ProgramSpec& spec, const Program& input, int64_t result,
                             std::string log) {
  // What a kernel does not know yet is EINVAL without a word.
  const spec::ProgTypeRow* type = spec::find_prog_type(input.type);
  const auto version = static_cast<KernelVersion>(engine_->kernel_version() >> 8);
  if (result == -EINVAL && is_kernel(*engine_) && type != nullptr && type->since > version) {
    return {Error(ENOTSUP,
                  fmt::format("{} came with Linux {}.{}, and this is {}.{}", type->name,
                              type->since >> 8, type->since & 0xff, version >> 8, version & 0xff))
                .within(fmt::format("program {}", spec.name)),
            {}};
  }
  LoadError error{
      engine_error(*engine_, result, "BPF_PROG_LOAD").within(fmt::format("program {}", spec.name)),
      {}};
  // Our own verifier's report, whichever engine it was: the same rules, and it can say why.
  verifier::Options verify;
  verify.log_level = verifier::kLogErrors;
  verifier::Report report = verifier::verify(input, verify);
  if (!report.accepted()) {
    error.rejection.emplace();
    error.rejection->program = spec.name;
    error.rejection->input = input;
    error.rejection->report = std::move(report);
    error.rejection->engine_log = std::move(log);
  } else if (!log.empty()) {
    // Where we would accept it, the kernel's own words are all that there is: the end says why.
    while (!log.empty() && log.back() == '\n') log.pop_back();
    std::string tail = log.substr(log.size() > 2000 ? log.size() - 2000 : 0);
    if (tail.size() < log.size()) tail = tail.substr(tail.find('\n') + 1);
    Error with_log(error.error.code(), fmt::format("{}; the {} engine's verifier says:\n{}",
                                                   error.error.message(), engine_->name(), tail));
    error.error = std::move(with_log).within(fmt::format("program {}", spec.name));
  }
  return error;
}

std::expected<void, LoadError> Loader::load_program(size_t index, const LoadOptions& options) {
  const object::ProgramSpec& spec = object_->programs()[index];
  LoadedProgram& loaded = programs_[index];
  loaded.spec = &spec;
  auto refuse = [&](Error error) {
    return std::unexpected(
        LoadError{std::move(error).within(fmt::format("program {}", spec.name)), {}});
  };
  auto kind = classify_section(spec.section);
  if (!kind) return refuse(kind.error());
  const bool wanted = options.only.empty()
                          ? kind->autoload
                          : std::ranges::find(options.only, spec.name) != options.only.end();
  if (!wanted) return {};
  const spec::SectionName section = *spec::parse_section_name(spec.section);
  const bool of_program = options.target_program_fd >= 0 && section.section->attach_btf;
  spec::SectionName looked_up = section;
  if (of_program) looked_up.target = {};
  auto program = relocate(index, looked_up);
  if (!program) return refuse(program.error());
  loaded.program = std::move(*program);
  Program& input = loaded.program;

  engine::ProgLoadAttr attr;
  if (of_program) {
    if (auto found = find_program_target(input, section, attr); !found)
      return refuse(found.error());
  } else if (input.attach_btf_id != 0) {
    attr.attach_btf_id = input.attach_btf_id;
    for (const auto& module : engine_->module_btfs_if_read())
      if (module.btf == input.attach_btf) attr.attach_prog_fd = static_cast<uint32_t>(module.fd);
  } else if (section.section->attach_btf && is_kernel(*engine_)) {
    return refuse(
        Error(EINVAL, fmt::format("SEC(\"{}\") names no target to attach to", spec.section))
            .with_hint(input.type == ProgType::BPF_PROG_TYPE_EXT
                           ? "freplace needs the program whose function it replaces"
                           : fmt::format("write SEC(\"{}/NAME\")", section.section->prefix)));
  }
  if (const StructOps::Member* member = struct_ops_member(static_cast<uint32_t>(index))) {
    attr.attach_btf_id = member->type;
    input.attach_btf_id = member->type;
    if (auto vmlinux = engine_->vmlinux_btf()) input.attach_btf = *vmlinux;
    input.expected_attach_type = static_cast<AttachType>(member->member);
  }
  std::vector<int32_t> fds;
  for (const LoadedMap& map : maps_) fds.push_back(map.fd.get());
  std::vector<Insn> wire;
  if (is_kernel(*engine_)) {
    wire = with_descriptors(input.insns, maps_);
  } else {
    attr.fd_array = address_of(fds.data());
  }
  const std::vector<Insn>& insns = is_kernel(*engine_) ? wire : input.insns;
  attr.prog_type = static_cast<uint32_t>(input.type);
  attr.insn_cnt = static_cast<uint32_t>(insns.size());
  attr.insns = address_of(insns.data());
  attr.license = address_of(input.license.c_str());
  attr.kern_version = input.kern_version;
  if (is_kernel(*engine_) && input.type == ProgType::BPF_PROG_TYPE_KPROBE)
    attr.kern_version = engine_->kernel_version();  // before 5.0 it must be the running one
  attr.prog_flags = input.flags;
  set_name(attr.prog_name, spec.name);
  attr.expected_attach_type =
      kind->has_attach_type || section.section->attach == spec::AttachBehaviour::struct_ops
          ? static_cast<uint32_t>(input.expected_attach_type)
          : 0;
  if (btf_fd_ && !input.func_info.empty()) {
    attr.prog_btf_fd = static_cast<uint32_t>(btf_fd_.get());
    attr.func_info = address_of(input.func_info.data());
    attr.func_info_cnt = static_cast<uint32_t>(input.func_info.size());
    attr.func_info_rec_size = sizeof(FuncInfo);
    attr.line_info = address_of(input.line_info.data());
    attr.line_info_cnt = static_cast<uint32_t>(input.line_info.size());
    attr.line_info_rec_size = sizeof(LineInfo);
  }
  std::string log;
  const int64_t fd = load_with_fallbacks(attr, *section.section, log);
  if (fd < 0) return std::unexpected(load_error(spec, input, fd, std::move(log)));
  loaded.fd = engine::EngineFd(engine_, static_cast<int>(fd));
  engine::ProgInfo info;
  engine::ObjInfoAttr ask{
      .bpf_fd = static_cast<uint32_t>(fd), .info_len = sizeof info, .info = address_of(&info)};
  if (engine_->call(Cmd::BPF_OBJ_GET_INFO_BY_FD, ask) == 0) loaded.id = info.id;
  return {};
}

}  // namespace skep::loader
