#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "api/state.h"
#include "base/fd.h"
#include "engine/kernel/kernel_engine.h"
#include "maps/control/maps.h"
#include "spec/sections.h"

namespace skep::v1 {

using engine::Cmd;

std::unexpected<Error> refuse_call(const engine::Engine& engine, int64_t result,
                                   std::string_view what) {
  const int code = static_cast<int>(-result);
  if (auto error = engine.last_error(); error && error->code() == code)
    return std::unexpected(to_public(*error));
  return refuse(code, fmt::format("{}: {}", what, errno_text(code)));
}

namespace {

size_t round_up(size_t size, size_t to) { return (size + to - 1) / to * to; }

// Programs that something must be named for before they can be attached.
bool attaches_by_itself(const object::ProgramSpec& program) {
  auto parsed = spec::parse_section_name(program.section);
  if (!parsed) return false;
  switch (parsed->section->attach) {
    case spec::AttachBehaviour::none:
    case spec::AttachBehaviour::cgroup:
    case spec::AttachBehaviour::perf_event:
    case spec::AttachBehaviour::netfilter:
    case spec::AttachBehaviour::struct_ops: return false;
    case spec::AttachBehaviour::trace_multi: return false;
    default: return !parsed->target.empty();
  }
}

Expected<void> map_globals(ObjectState& state) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const auto& maps = state.opened->maps();
  state.globals.resize(maps.size());
  for (uint32_t i = 0; i < maps.size(); ++i) {
    if (!maps[i].is_globals) continue;
    GlobalsMemory& memory = state.globals[i];
    memory.size = maps[i].content.size();
    memory.mapped = round_up(std::max<size_t>(memory.size, 1), page);
    void* address =
        ::mmap(nullptr, memory.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED) return refuse(errno, "memory of " + maps[i].name);
    memory.address = static_cast<std::byte*>(address);
    std::ranges::copy(maps[i].content, memory.address);
  }
  return {};
}

// Once loaded: the map's own memory in the same place (kernel), or where the engine has it.
Expected<void> share_globals(ObjectState& state) {
  for (uint32_t i = 0; i < state.globals.size(); ++i) {
    GlobalsMemory& memory = state.globals[i];
    if (memory.address == nullptr) continue;
    const loader::LoadedMap& map = state.loader->maps()[i];
    if ((map.spec->map_flags & BPF_F_MMAPABLE) == 0 && state.engine->user == nullptr)
      continue;  // only static variables: nobody outside may see them
    if (engine::UserEngine* user = state.engine->user) {
      auto object = user->map_of(map.fd.get());
      if (!object) return refuse(object);
      ::munmap(memory.address, std::exchange(memory.mapped, 0));
      memory.address = reinterpret_cast<std::byte*>((*object)->header().values);
      continue;
    }
    const int protection = map.spec->freeze ? PROT_READ : PROT_READ | PROT_WRITE;
    if (::mmap(memory.address, memory.mapped, protection, MAP_SHARED | MAP_FIXED, map.fd.get(),
               0) == MAP_FAILED)
      return refuse(errno, fmt::format("mmap of {}: {}", map.spec->name, errno_text(errno)));
  }
  return {};
}

// Maps whose look-ups are no more than a copy of the value.
Expected<void> find_direct(ObjectState& state) {
  engine::UserEngine* user = state.engine->user;
  if (user == nullptr) return {};
  state.direct.resize(state.loader->maps().size());
  for (size_t i = 0; i < state.direct.size(); ++i) {
    auto object = user->map_of(state.loader->maps()[i].fd.get());
    if (!object) return refuse(object);
    const MapHeader& header = (*object)->header();
    const auto type = static_cast<MapType>(header.type);
    if ((header.map_flags & BPF_F_WRONLY) == 0 && header.fields == 0 &&
        (type == MapType::BPF_MAP_TYPE_ARRAY || type == MapType::BPF_MAP_TYPE_HASH ||
         type == MapType::BPF_MAP_TYPE_LRU_HASH || type == MapType::BPF_MAP_TYPE_LPM_TRIE))
      state.direct[i] = *object;
  }
  return {};
}

}  // namespace

ObjectState::~ObjectState() {
  links.clear();
  for (const GlobalsMemory& memory : globals)
    if (memory.mapped != 0) ::munmap(memory.address, memory.mapped);
}

// --- Engine ---

Expected<Engine> Engine::create(EngineKind kind) {
  Engine made;
  made.state = std::make_shared<EngineState>();
  if (kind != EngineKind::user) {
    auto kernel = engine::make_kernel_engine();
    if (kernel) {
      made.state->engine = std::move(*kernel);
      return made;
    }
    if (kind == EngineKind::kernel) return refuse(kernel);
  }
  auto user = engine::UserEngine::create();
  if (!user) return refuse(user);
  made.state->user = user->get();
  made.state->engine = std::move(*user);
  return made;
}

std::string_view Engine::name() const { return state->engine->name(); }

Expected<int> Engine::launch(const std::vector<std::string>& argv) {
  if (state->user == nullptr)
    return refuse(EOPNOTSUPP, "the kernel engine watches the whole system, it launches nothing",
                  "start the command yourself, and filter by its process id");
  hooks::LaunchRequest request;
  request.argv = argv;
  auto pid = state->user->session().launch(request);
  if (!pid) return refuse(pid);
  return *pid;
}

std::optional<int> Engine::step(std::chrono::milliseconds limit) {
  if (state->user == nullptr) return std::nullopt;
  hooks::Session& session = state->user->session();
  session.wait(limit);
  session.step();
  return session.exit_status();
}

// --- Object ---

Expected<Object> Object::open(const std::string& path) {
  auto bytes = read_file(path);
  if (!bytes) return refuse(bytes);
  return open(*bytes, path);
}

Expected<Object> Object::open(std::span<const std::byte> elf, std::string name) {
  auto opened = object::open_object(elf, name);
  if (!opened) return refuse(opened);
  Object made;
  made.state = std::make_shared<ObjectState>();
  ObjectState& state = *made.state;
  state.name = std::move(name);
  state.opened = std::make_unique<object::Object>(std::move(*opened));
  for (const object::ProgramSpec& program : state.opened->programs()) {
    auto kind = loader::classify_section(program.section);
    state.autoload.push_back(kind && kind->autoload);
    state.autoattach.push_back(attaches_by_itself(program));
  }
  if (auto mapped = map_globals(state); !mapped) return std::unexpected(mapped.error());
  return made;
}

const std::string& Object::name() const { return state->name; }
bool Object::loaded() const { return state->loader.has_value(); }

Expected<void> Object::set(std::string_view variable, std::string_view text) {
  if (!state->opened) return refuse(EBUSY, state->name + ": it is loaded already");
  const object::VariableSpec* found = state->opened->find_variable(variable);
  if (auto done = state->opened->set_variable(variable, text); !done) return refuse(done);
  const GlobalsMemory& memory = state->globals[found->map];
  const auto content = state->opened->initial_value(found->map);
  std::ranges::copy(content.subspan(found->offset, found->size), memory.address + found->offset);
  return {};
}

Expected<void> Object::load(const Engine& engine) {
  if (!state->opened) return refuse(EBUSY, state->name + ": it is loaded already");
  loader::LoadOptions options;
  for (uint32_t i = 0; i < state->globals.size(); ++i) {
    const GlobalsMemory& memory = state->globals[i];
    if (memory.address == nullptr) continue;
    std::ranges::copy(std::span(memory.address, memory.size),
                      state->opened->initial_value(i).begin());
  }
  for (uint32_t i = 0; i < state->autoload.size(); ++i)
    if (state->autoload[i]) options.only.push_back(state->opened->programs()[i].name);
  state->engine = engine.state;
  // A copy: one that is refused can be looked at, changed and loaded again.
  auto loaded = loader::Loader::load(*engine.state->engine,
                                     std::make_unique<object::Object>(*state->opened), options);
  if (!loaded) {
    Error error = to_public(loaded.error().error);
    if (loaded.error().rejection && loaded.error().rejection->report.rejection)
      error.message += ": " + loaded.error().rejection->report.rejection->message;
    return std::unexpected(std::move(error));
  }
  state->loader.emplace(std::move(*loaded));
  state->opened.reset();
  if (auto found = find_direct(*state); !found) return found;
  return share_globals(*state);
}

Expected<void> Object::attach() {
  if (!loaded()) return refuse(EINVAL, state->name + ": it is not loaded");
  std::vector<Link> links;
  for (const Program& program : programs()) {
    if (program.fd() < 0 || !program.autoattach()) continue;
    auto link = program.attach();
    if (!link) return std::unexpected(link.error());
    links.push_back(std::move(*link));
  }
  std::ranges::move(links, std::back_inserter(state->links));
  return {};
}

void Object::detach() { state->links.clear(); }

std::optional<RawMap> Object::map(std::string_view name) const {
  auto index = state->object().find_map(name);
  if (!index) return std::nullopt;
  RawMap map;
  map.state = state;
  map.index = *index;
  return map;
}
std::optional<Program> Object::program(std::string_view name) const {
  auto index = state->object().find_program(name);
  if (!index) return std::nullopt;
  Program program;
  program.state = state;
  program.index = *index;
  return program;
}
std::vector<RawMap> Object::maps() const {
  std::vector<RawMap> all(state->object().maps().size());
  for (uint32_t i = 0; i < all.size(); ++i) {
    all[i].state = state;
    all[i].index = i;
  }
  return all;
}
std::vector<Program> Object::programs() const {
  std::vector<Program> all(state->object().programs().size());
  for (uint32_t i = 0; i < all.size(); ++i) {
    all[i].state = state;
    all[i].index = i;
  }
  return all;
}

// --- RawMap ---

MapInfo RawMap::info() const {
  const object::MapSpec& spec = state->object().maps()[index];
  MapInfo info;
  info.name = spec.name;
  info.type = static_cast<uint32_t>(spec.type);
  info.key_size = spec.key_size;
  info.value_size = spec.value_size;
  info.max_entries = state->loader ? state->loader->maps()[index].max_entries : spec.max_entries;
  info.flags = spec.map_flags;
  info.user_value_size = spec.value_size;
  const bool per_cpu = spec.type == MapType::BPF_MAP_TYPE_PERCPU_HASH ||
                       spec.type == MapType::BPF_MAP_TYPE_PERCPU_ARRAY ||
                       spec.type == MapType::BPF_MAP_TYPE_LRU_PERCPU_HASH ||
                       spec.type == MapType::BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
  if (per_cpu && state->engine)
    info.user_value_size = round_up(spec.value_size, 8) * state->engine->engine->possible_cpus();
  return info;
}

int RawMap::fd() const { return state->loader ? state->loader->maps()[index].fd.get() : -1; }

Expected<void> RawMap::resize(uint32_t max_entries) {
  if (!state->opened) return refuse(EBUSY, state->name + ": it is loaded already");
  if (auto done = state->opened->resize_map(index, max_entries); !done) return refuse(done);
  return {};
}

namespace {

Expected<void> element(const RawMap& map, Cmd command, std::span<const std::byte> key,
                       const void* value, size_t value_size, uint64_t flags,
                       std::string_view what) {
  const MapInfo info = map.info();
  if (map.fd() < 0) return refuse(EINVAL, info.name + ": its object is not loaded");
  const bool first = command == Cmd::BPF_MAP_GET_NEXT_KEY && key.empty();
  if (!first && key.size() != info.key_size)
    return refuse(EINVAL, fmt::format("{}: expected a key of {} bytes, found {}", info.name,
                                      info.key_size, key.size()));
  const size_t wanted = command == Cmd::BPF_MAP_GET_NEXT_KEY  ? info.key_size
                        : command == Cmd::BPF_MAP_DELETE_ELEM ? 0
                                                              : info.user_value_size;
  if (value_size != wanted)
    return refuse(EINVAL,
                  fmt::format("{}: expected {} bytes, found {}", info.name, wanted, value_size));
  engine::MapElemAttr attr;
  attr.map_fd = static_cast<uint32_t>(map.fd());
  attr.key = key.empty() ? 0 : address_of(key.data());
  attr.value = address_of(value);
  attr.flags = flags;
  engine::Engine& engine = *map.state->engine->engine;
  const int64_t result = engine.call(command, attr);
  if (result < 0) return refuse_call(engine, result, fmt::format("map {}: {}", info.name, what));
  return {};
}

}  // namespace

Expected<void> RawMap::lookup(std::span<const std::byte> key, std::span<std::byte> value) const {
  if (index < state->direct.size() && state->direct[index] != nullptr) {
    const MapHeader& header = state->direct[index]->header();
    if (key.size() == header.key_size && value.size() == header.value_size) {
      const int64_t result = maps::read_elem(header, key.data(), value.data());
      if (result == 0) return {};
      if (result == -ENOENT) return refuse(ENOENT, "no such element");
    }
  }
  return element(*this, Cmd::BPF_MAP_LOOKUP_ELEM, key, value.data(), value.size(), 0, "lookup");
}
Expected<void> RawMap::update(std::span<const std::byte> key, std::span<const std::byte> value,
                              uint64_t flags) const {
  return element(*this, Cmd::BPF_MAP_UPDATE_ELEM, key, value.data(), value.size(), flags, "update");
}
Expected<void> RawMap::erase(std::span<const std::byte> key) const {
  return element(*this, Cmd::BPF_MAP_DELETE_ELEM, key, nullptr, 0, 0, "delete");
}
Expected<void> RawMap::next_key(std::span<const std::byte> key, std::span<std::byte> next) const {
  return element(*this, Cmd::BPF_MAP_GET_NEXT_KEY, key, next.data(), next.size(), 0, "next key");
}

std::span<std::byte> RawMap::memory() const {
  const GlobalsMemory& memory = state->globals[index];
  return {memory.address, memory.size};
}

// --- Program, Link ---

std::string_view Program::name() const { return state->object().programs()[index].name; }
std::string_view Program::section() const { return state->object().programs()[index].section; }
int Program::fd() const { return state->loader ? state->loader->programs()[index].fd.get() : -1; }
bool Program::autoload() const { return state->autoload[index]; }
Expected<void> Program::set_autoload(bool load) {
  if (!state->opened) return refuse(EBUSY, state->name + ": it is loaded already");
  state->autoload[index] = load;
  return {};
}
void Program::set_autoattach(bool attach) { state->autoattach[index] = attach; }
bool Program::autoattach() const { return state->autoattach[index]; }

Expected<Link> Program::attach(const AttachTo& to) const {
  if (fd() < 0)
    return refuse(EINVAL, fmt::format("{}: program {} is not loaded", state->name, name()));
  Link link;
  link.state = std::make_shared<LinkState>();
  link.state->engine = state->engine;
  engine::Engine& engine = *state->engine->engine;
  if (to.fd >= 0 || to.interface != 0) {
    auto kind = loader::classify_section(section());
    if (!kind) return refuse(kind);
    engine::LinkCreateAttr attr;
    attr.prog_fd = static_cast<uint32_t>(fd());
    attr.target_fd =
        to.interface != 0 ? static_cast<uint32_t>(to.interface) : static_cast<uint32_t>(to.fd);
    attr.attach_type = static_cast<uint32_t>(kind->expected_attach_type);
    const ProgType type = kind->type;
    if (type == ProgType::BPF_PROG_TYPE_PERF_EVENT || type == ProgType::BPF_PROG_TYPE_KPROBE ||
        type == ProgType::BPF_PROG_TYPE_TRACEPOINT) {
      attr.attach_type = static_cast<uint32_t>(AttachType::BPF_PERF_EVENT);
      attr.perf_event.bpf_cookie = to.cookie;
    }
    const int64_t result = engine.call(Cmd::BPF_LINK_CREATE, attr);
    if (result < 0)
      return refuse_call(engine, result, fmt::format("program {}: BPF_LINK_CREATE", name()));
    link.state->link.fd = engine::EngineFd(&engine, static_cast<int>(result));
    link.state->link.where = std::string(kind->section);
    return link;
  }
  loader::AttachOptions options;
  options.function = to.target;
  if (const char* path = std::getenv("PATH")) options.path = path;
  auto attached = state->loader->attach(state->loader->programs()[index], options);
  if (!attached) return refuse(attached);
  link.state->link = std::move(*attached);
  return link;
}

Expected<void> Program::test_run(TestRun& run) const {
  if (fd() < 0)
    return refuse(EINVAL, fmt::format("{}: program {} is not loaded", state->name, name()));
  engine::TestRunAttr attr;
  attr.prog_fd = static_cast<uint32_t>(fd());
  std::vector<std::byte> out(run.data.empty() ? 0 : run.data.size() + 512);
  attr.data_in = run.data.empty() ? 0 : address_of(run.data.data());
  attr.data_size_in = static_cast<uint32_t>(run.data.size());
  attr.data_out = out.empty() ? 0 : address_of(out.data());
  attr.data_size_out = static_cast<uint32_t>(out.size());
  attr.ctx_in = run.context.empty() ? 0 : address_of(run.context.data());
  attr.ctx_size_in = static_cast<uint32_t>(run.context.size());
  attr.repeat = run.data.empty() ? 0 : run.repeat;
  engine::Engine& engine = *state->engine->engine;
  const int64_t result = engine.call(Cmd::BPF_PROG_TEST_RUN, attr);
  if (result < 0)
    return refuse_call(engine, result, fmt::format("program {}: BPF_PROG_TEST_RUN", name()));
  run.result = attr.retval;
  run.nanoseconds = attr.duration;
  out.resize(std::min<size_t>(attr.data_size_out, out.size()));
  run.data = std::move(out);
  return {};
}

int Link::fd() const { return state ? state->link.fd.get() : -1; }
std::string_view Link::where() const {
  return state ? std::string_view(state->link.where) : std::string_view();
}

}  // namespace skep::v1
