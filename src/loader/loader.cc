#include "loader/loader.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "hooks/elf_symbols.h"
#include "spec/lookup.h"
#include "spec/prog_types.h"
#include "spec/sections.h"

namespace skep::loader {

using engine::Cmd;

namespace {

constexpr uint32_t kDefaultRing = 256 * 1024;  // bytes, where an object leaves it open
constexpr uint64_t kLogSize = 1u << 20;

template <size_t N>
void set_name(char (&field)[N], std::string_view name) {
  // The kernel's names have 15 bytes of [A-Za-z0-9_.].
  size_t length = std::min(name.size(), N - 1);
  for (size_t i = 0; i < length; ++i) {
    char c = name[i];
    field[i] = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' ? c : '_';
  }
}

// The engine's own words for a call that failed, else its errno's.
Error engine_error(const engine::Engine& engine, int64_t result, std::string_view what) {
  if (auto error = engine.last_error(); error && error->code() == -result) return *error;
  return Error(static_cast<int>(-result),
               fmt::format("{}: {}", what, errno_text(static_cast<int>(-result))));
}

uint64_t address_of(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

}  // namespace

Result<ProgramKind> classify_section(std::string_view name) {
  auto parsed = spec::parse_section_name(name);
  if (!parsed) {
    std::string_view bare = name.substr(name.starts_with('?') ? 1 : 0);
    std::string_view close = spec::closest_name(bare.substr(0, bare.find('/')), spec::sections(),
                                                &spec::Section::prefix);
    Error error(EINVAL, fmt::format("SEC(\"{}\") is no section that a program can be in", name));
    if (close.empty()) {
      return std::unexpected(std::move(error).with_hint("docs/reference/sections.md lists them"));
    }
    return std::unexpected(std::move(error).with_hint(fmt::format("did you mean \"{}\"?", close)));
  }
  const spec::Section& section = *parsed->section;
  ProgramKind kind;
  kind.type = section.prog_type;
  kind.expected_attach_type = section.attach_type;
  kind.has_attach_type = section.has_attach_type;
  kind.sleepable = section.sleepable;
  kind.autoload = parsed->autoload;
  kind.section = section.prefix;
  kind.target = parsed->target;
  return kind;
}

std::expected<Loader, LoadError> Loader::load(engine::Engine& engine,
                                              std::unique_ptr<object::Object> object,
                                              const LoadOptions& options) {
  Loader loader;
  loader.engine_ = &engine;
  loader.object_ = std::move(object);
  const std::string& file = loader.object_->name();
  for (const std::string& wanted : options.only) {
    if (!loader.object_->find_program(wanted)) {
      return std::unexpected(
          LoadError{Error(ENOENT, fmt::format("{}: no program \"{}\"", file, wanted)), {}});
    }
  }
  if (auto made = loader.create_maps(); !made) {
    return std::unexpected(LoadError{Error(made.error()).within(file), {}});
  }
  loader.programs_.resize(loader.object_->programs().size());
  for (size_t i = 0; i < loader.programs_.size(); ++i) {
    if (auto loaded = loader.load_program(i, options); !loaded) {
      LoadError error = std::move(loaded.error());
      error.error.within(file);
      return std::unexpected(std::move(error));
    }
  }
  // Prog arrays and maps of maps that start with something in them.
  for (size_t i = 0; i < loader.maps_.size(); ++i) {
    if (auto filled = loader.fill_map(i); !filled) {
      return std::unexpected(LoadError{Error(filled.error()).within(file), {}});
    }
  }
  return loader;
}

Result<> Loader::create_maps() {
  if (object_->btf() && !object_->btf()->bytes().empty()) {
    engine::BtfLoadAttr attr;
    attr.btf = address_of(object_->btf()->bytes().data());
    attr.btf_size = static_cast<uint32_t>(object_->btf()->bytes().size());
    int64_t fd = engine_->call(Cmd::BPF_BTF_LOAD, attr);
    if (fd < 0) return std::unexpected(engine_error(*engine_, fd, "BPF_BTF_LOAD"));
    btf_fd_ = engine::EngineFd(engine_, static_cast<int>(fd));
  }
  for (const object::MapSpec& spec : object_->maps()) {
    engine::MapCreateAttr attr;
    attr.map_type = static_cast<uint32_t>(spec.type);
    attr.key_size = spec.key_size;
    attr.value_size = spec.value_size;
    attr.max_entries = spec.max_entries;
    attr.map_flags = spec.map_flags;
    attr.map_extra = spec.map_extra;
    attr.numa_node = spec.numa_node;
    if (spec.max_entries == 0) {
      if (spec.type == MapType::BPF_MAP_TYPE_PERF_EVENT_ARRAY)
        attr.max_entries = engine_->possible_cpus();
      if (spec.type == MapType::BPF_MAP_TYPE_RINGBUF) attr.max_entries = kDefaultRing;
    }
    set_name(attr.map_name, spec.name);
    // Types that the kernel wants without BTF are those whose values it gives a meaning.
    if (btf_fd_ && spec.value_type != 0) {
      attr.btf_fd = static_cast<uint32_t>(btf_fd_.get());
      attr.btf_key_type_id = spec.key_type;
      attr.btf_value_type_id = spec.value_type;
    }
    engine::EngineFd inner;
    if (spec.inner) {
      engine::MapCreateAttr shape;
      shape.map_type = static_cast<uint32_t>(spec.inner->type);
      shape.key_size = spec.inner->key_size;
      shape.value_size = spec.inner->value_size;
      shape.max_entries = std::max(1u, spec.inner->max_entries);
      shape.map_flags = spec.inner->map_flags;
      int64_t fd = engine_->call(Cmd::BPF_MAP_CREATE, shape);
      if (fd < 0)
        return std::unexpected(
            engine_error(*engine_, fd, fmt::format("map {}: inner map", spec.name)));
      inner = engine::EngineFd(engine_, static_cast<int>(fd));
      attr.inner_map_fd = static_cast<uint32_t>(inner.get());
    }
    int64_t fd = engine_->call(Cmd::BPF_MAP_CREATE, attr);
    if (fd < 0)
      return std::unexpected(engine_error(*engine_, fd, fmt::format("map {}", spec.name)));
    LoadedMap& map = maps_.emplace_back();
    map.spec = &spec;
    map.max_entries = attr.max_entries;
    map.fd = engine::EngineFd(engine_, static_cast<int>(fd));
    engine::MapInfo info;
    engine::ObjInfoAttr ask;
    ask.bpf_fd = static_cast<uint32_t>(fd);
    ask.info = address_of(&info);
    ask.info_len = sizeof info;
    if (engine_->call(Cmd::BPF_OBJ_GET_INFO_BY_FD, ask) == 0) map.id = info.id;
    if (spec.is_globals) {
      uint32_t key = 0;
      engine::MapElemAttr update;
      update.map_fd = static_cast<uint32_t>(fd);
      update.key = address_of(&key);
      update.value = address_of(spec.content.data());
      int64_t result = engine_->call(Cmd::BPF_MAP_UPDATE_ELEM, update);
      if (result < 0)
        return std::unexpected(engine_error(*engine_, result, fmt::format("map {}", spec.name)));
      if (spec.freeze) {
        engine::MapElemAttr freeze;
        freeze.map_fd = static_cast<uint32_t>(fd);
        result = engine_->call(Cmd::BPF_MAP_FREEZE, freeze);
        if (result < 0)
          return std::unexpected(engine_error(*engine_, result, fmt::format("map {}", spec.name)));
      }
    }
  }
  return {};
}

Result<> Loader::fill_map(size_t index) {
  const LoadedMap& map = maps_[index];
  for (const object::MapSpec::Element& element : map.spec->elements) {
    int fd = element.is_program ? programs_[element.index].fd.get() : maps_[element.index].fd.get();
    if (fd < 0) {
      return fail(EINVAL, "map {}: element {} is program {}, which is not loaded", map.spec->name,
                  element.key, object_->programs()[element.index].name);
    }
    engine::MapElemAttr update;
    update.map_fd = static_cast<uint32_t>(map.fd.get());
    update.key = address_of(&element.key);
    update.value = address_of(&fd);
    int64_t result = engine_->call(Cmd::BPF_MAP_UPDATE_ELEM, update);
    if (result < 0) {
      return std::unexpected(engine_error(
          *engine_, result, fmt::format("map {}: element {}", map.spec->name, element.key)));
    }
  }
  return {};
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
  bool wanted = options.only.empty() ? kind->autoload
                                     : std::find(options.only.begin(), options.only.end(),
                                                 spec.name) != options.only.end();
  if (!wanted) return {};
  auto vmlinux = engine_->vmlinux_btf();
  if (!vmlinux) return refuse(vmlinux.error());
  object::Target target;
  target.btfs = std::span(&*vmlinux, 1);
  auto program = object_->program(static_cast<uint32_t>(index), target);
  if (!program) return refuse(program.error());
  program->type = kind->type;
  program->expected_attach_type = kind->expected_attach_type;
  if (kind->sleepable) program->flags |= 1u << 4;
  loaded.program = std::move(*program);

  // fd_array: the instructions' map indexes are the object's.
  std::vector<int32_t> fds;
  for (const LoadedMap& map : maps_) fds.push_back(map.fd.get());
  const Program& input = loaded.program;
  engine::ProgLoadAttr attr;
  attr.prog_type = static_cast<uint32_t>(input.type);
  attr.insn_cnt = static_cast<uint32_t>(input.insns.size());
  attr.insns = address_of(input.insns.data());
  attr.license = address_of(input.license.c_str());
  attr.kern_version = input.kern_version;
  attr.prog_flags = input.flags;
  set_name(attr.prog_name, spec.name);
  attr.expected_attach_type =
      kind->has_attach_type ? static_cast<uint32_t>(input.expected_attach_type) : 0;
  if (btf_fd_ && !input.func_info.empty()) {
    attr.prog_btf_fd = static_cast<uint32_t>(btf_fd_.get());
    attr.func_info = address_of(input.func_info.data());
    attr.func_info_cnt = static_cast<uint32_t>(input.func_info.size());
    attr.func_info_rec_size = sizeof(FuncInfo);
    attr.line_info = address_of(input.line_info.data());
    attr.line_info_cnt = static_cast<uint32_t>(input.line_info.size());
    attr.line_info_rec_size = sizeof(LineInfo);
  }
  attr.fd_array = address_of(fds.data());
  std::string log;
  if (options.log_level != 0) {
    log.resize(kLogSize);
    attr.log_level = options.log_level;
    attr.log_buf = address_of(log.data());
    attr.log_size = static_cast<uint32_t>(log.size());
  }
  int64_t fd = engine_->call(Cmd::BPF_PROG_LOAD, attr);
  log.resize(std::strlen(log.c_str()));
  if (fd >= 0) {
    loaded.fd = engine::EngineFd(engine_, static_cast<int>(fd));
    engine::ProgInfo info;
    engine::ObjInfoAttr ask;
    ask.bpf_fd = static_cast<uint32_t>(fd);
    ask.info = address_of(&info);
    ask.info_len = sizeof info;
    if (engine_->call(Cmd::BPF_OBJ_GET_INFO_BY_FD, ask) == 0) loaded.id = info.id;
    return {};
  }
  LoadError error{
      engine_error(*engine_, fd, "BPF_PROG_LOAD").within(fmt::format("program {}", spec.name)), {}};
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
  }
  return std::unexpected(std::move(error));
}

Result<std::vector<Link>> Loader::attach_all(const AttachOptions& options) {
  std::vector<Link> links;
  for (const LoadedProgram& program : programs_) {
    if (!program.fd) continue;
    auto link = attach(program, options);
    if (!link) return fail(link, "{}: program {}", object_->name(), program.spec->name);
    links.push_back(std::move(*link));
  }
  return links;
}

Result<Link> Loader::attach(const LoadedProgram& program, const AttachOptions& options) {
  SKEP_TRY(kind, classify_section(program.spec->section));
  auto section = spec::parse_section_name(program.spec->section)->section;
  Link link;
  link.program = program.spec->name;
  engine::LinkCreateAttr create;
  create.prog_fd = static_cast<uint32_t>(program.fd.get());
  auto open_event = [&](const engine::PerfEventAttr& attr) -> Result<> {
    int64_t fd = engine_->perf_event_open(attr, -1, 0, -1, 8 /* PERF_FLAG_FD_CLOEXEC */);
    if (fd < 0) return std::unexpected(engine_error(*engine_, fd, "perf_event_open"));
    link.event = engine::EngineFd(engine_, static_cast<int>(fd));
    create.target_fd = static_cast<uint32_t>(fd);
    create.attach_type = static_cast<uint32_t>(AttachType::BPF_PERF_EVENT);
    return {};
  };
  switch (section->attach) {
    case spec::AttachBehaviour::tracepoint: {
      size_t slash = kind.target.find('/');
      if (slash == std::string::npos) {
        return fail(EINVAL, "SEC(\"{}\"): expected tracepoint/CATEGORY/NAME",
                    program.spec->section);
      }
      std::string_view target = kind.target;
      SKEP_TRY(id, engine_->tracepoint_id(target.substr(0, slash), target.substr(slash + 1)));
      engine::PerfEventAttr attr;
      attr.type = engine::PERF_TYPE_TRACEPOINT;
      attr.config = id;
      SKEP_CHECK(open_event(attr));
      link.where = "tracepoint " + kind.target;
      break;
    }
    case spec::AttachBehaviour::raw_tracepoint: {
      engine::RawTracepointAttr attr;
      attr.name = address_of(kind.target.c_str());
      attr.prog_fd = create.prog_fd;
      int64_t fd = engine_->call(Cmd::BPF_RAW_TRACEPOINT_OPEN, attr);
      if (fd < 0)
        return std::unexpected(engine_error(*engine_, fd, "raw tracepoint " + kind.target));
      link.fd = engine::EngineFd(engine_, static_cast<int>(fd));
      link.where = "raw tracepoint " + kind.target;
      return link;
    }
    case spec::AttachBehaviour::uprobe: {
      std::string target = kind.target.empty() ? options.function : kind.target;
      if (target.empty()) {
        return std::unexpected(
            Error(EINVAL, fmt::format("SEC(\"{}\") names no function", program.spec->section))
                .with_hint(
                    "name one with --function BINARY:FUNCTION, as in --function libc.so.6:malloc"));
      }
      SKEP_TRY(parsed, hooks::parse_target(target));
      std::string path;
      if (parsed.binary.empty()) {
        path = options.command;
      } else {
        SKEP_TRY(found, hooks::find_binary(parsed.binary, options.path));
        path = found;
      }
      SKEP_TRY(image, hooks::ElfImage::open(path));
      SKEP_TRY(place, hooks::find_place(image, path, parsed));
      SKEP_TRY(type, engine_->perf_type("uprobe"));
      engine::PerfEventAttr attr;
      attr.type = type;
      attr.config = section->is_return ? 1 : 0;
      attr.config1 = address_of(path.c_str());
      attr.config2 = place.file_offset;
      SKEP_CHECK(open_event(attr));
      link.where = fmt::format(
          "{} {}:{}", section->is_return ? "uretprobe" : "uprobe", path,
          place.function.empty() ? fmt::format("{:#x}", place.file_offset) : place.function);
      break;
    }
    case spec::AttachBehaviour::cgroup: {
      SKEP_TRY(fd, engine_->open_cgroup(""));
      link.event = engine::EngineFd(engine_, fd);
      create.target_fd = static_cast<uint32_t>(fd);
      create.attach_type = static_cast<uint32_t>(kind.expected_attach_type);
      link.where = std::string(kind.section);
      break;
    }
    default:
      return fail(EOPNOTSUPP, "SEC(\"{}\"): the {} engine can't attach {} programs to a command",
                  program.spec->section, engine_->name(), kind.section);
  }
  int64_t fd = engine_->call(Cmd::BPF_LINK_CREATE, create);
  if (fd < 0) return std::unexpected(engine_error(*engine_, fd, link.where));
  link.fd = engine::EngineFd(engine_, static_cast<int>(fd));
  return link;
}

}  // namespace skep::loader
