// The C API on top of the C++ one. libbpf's functions take no engine, so there is one for the process, made at first
// use: the one global of this room.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <list>

#include "api/state.h"
#include "skep/skep.h"

using skep::v1::AttachTo;
using skep::v1::Engine;
using skep::v1::EngineKind;
using skep::v1::Expected;
using skep::v1::Link;
using skep::v1::Object;
using skep::v1::Program;
using skep::v1::RawMap;
using Cmd = skep::engine::Cmd;

struct bpf_map {
  RawMap map;
  std::string name;
};
struct bpf_program {
  Program program;
  std::string name, section;
};
struct bpf_object {
  Object object;
  std::string name;
  std::list<bpf_map> maps;  // addresses are handed out
  std::list<bpf_program> programs;
};
struct bpf_link {
  Link link;
};
struct ring_buffer {
  struct Source {
    std::shared_ptr<skep::v1::RingState> ring;
    ring_buffer_sample_fn callback;
    void* context;
  };
  std::vector<Source> sources;
};
struct perf_buffer {
  std::shared_ptr<skep::v1::RingState> ring;
  perf_buffer_sample_fn sample;
  perf_buffer_lost_fn lost;
  void* context;
  uint64_t lost_seen = 0;
};

namespace {

int print_to_stderr(enum libbpf_print_level level, const char* format, va_list arguments) {
  return level == LIBBPF_DEBUG ? 0 : std::vfprintf(stderr, format, arguments);
}

struct Global {
  libbpf_print_fn_t print = print_to_stderr;
  std::optional<Engine> engine;
  std::string engine_name;
};
Global& global() {
  static Global one;
  return one;
}

void say(libbpf_print_level level, const char* format, ...) {
  if (global().print == nullptr) return;
  va_list arguments;
  va_start(arguments, format);
  global().print(level, format, arguments);
  va_end(arguments);
}

int refuse(const skep::v1::Error& error) {
  say(LIBBPF_WARN, "skep: %s\n", error.message.c_str());
  if (!error.hint.empty()) say(LIBBPF_WARN, "  hint: %s\n", error.hint.c_str());
  errno = error.code;
  return -error.code;
}
template <class T>
T* refuse_pointer(const skep::v1::Error& error) {
  (void)refuse(error);
  return nullptr;
}
template <class T>
int status(const Expected<T>& result) {
  return result ? 0 : refuse(result.error());
}

Expected<Engine> the_engine() {
  Global& all = global();
  if (all.engine) return *all.engine;
  EngineKind kind = EngineKind::automatic;
  if (const char* wanted = std::getenv("SKEP_ENGINE"); wanted != nullptr && *wanted != '\0') {
    const std::string_view name = wanted;
    if (name != "kernel" && name != "user" && name != "auto")
      return std::unexpected(skep::v1::Error{
          EINVAL, fmt::format("SKEP_ENGINE=\"{}\": expected kernel, user or auto", name), {}});
    kind = name == "kernel" ? EngineKind::kernel
           : name == "user" ? EngineKind::user
                            : EngineKind::automatic;
  }
  auto made = Engine::create(kind);
  if (!made) return made;
  all.engine = std::move(*made);
  all.engine_name = all.engine->name();
  say(LIBBPF_DEBUG, "skep: on the %s engine\n", all.engine_name.c_str());
  return *all.engine;
}

bpf_object* adopt(Expected<Object> opened, std::string name) {
  if (!opened) return refuse_pointer<bpf_object>(opened.error());
  auto* object = new bpf_object;
  object->object = std::move(*opened);
  object->name = std::move(name);
  for (const RawMap& map : object->object.maps()) object->maps.push_back({map, map.info().name});
  for (const Program& program : object->object.programs())
    object->programs.push_back(
        {program, std::string(program.name()), std::string(program.section())});
  return object;
}

bpf_link* adopt(Expected<Link> attached) {
  if (!attached) return refuse_pointer<bpf_link>(attached.error());
  return new bpf_link{std::move(*attached)};
}

std::string base_name(std::string_view path) {
  path = path.substr(path.rfind('/') + 1);
  return std::string(path.substr(0, path.find('.')));
}

std::span<const std::byte> span_of(const void* bytes, size_t size) {
  return {static_cast<const std::byte*>(bytes), bytes == nullptr ? 0 : size};
}
std::span<std::byte> span_of(void* bytes, size_t size) {
  return {static_cast<std::byte*>(bytes), size};
}

// bpf(2) by descriptor, errors as libbpf's: no message, they are part of ordinary life (ENOENT).
template <class Attr>
int call(Cmd command, Attr& attr) {
  auto engine = the_engine();
  if (!engine) return refuse(engine.error());
  const int64_t result = engine->state->engine->call(command, attr);
  if (result < 0) errno = static_cast<int>(-result);
  return static_cast<int>(result);
}
int element(Cmd command, int fd, const void* key, const void* value, uint64_t flags) {
  skep::engine::MapElemAttr attr;
  attr.map_fd = static_cast<uint32_t>(fd);
  attr.key = skep::v1::address_of(key);
  attr.value = skep::v1::address_of(value);
  attr.flags = flags;
  return call(command, attr);
}
// The same for a map that knows its sizes.
int quiet(const Expected<void>& result) {
  if (result) return 0;
  errno = result.error().code;
  return -result.error().code;
}

}  // namespace

extern "C" {

libbpf_print_fn_t libbpf_set_print(libbpf_print_fn_t function) {
  return std::exchange(global().print, function);
}
int libbpf_strerror(int error, char* text, size_t size) {
  if (text == nullptr || size == 0) return -EINVAL;
  const std::string said = skep::errno_text(error < 0 ? -error : error);
  const size_t length = std::min(said.size(), size - 1);
  said.copy(text, length);
  text[length] = '\0';
  return length == said.size() ? 0 : -ERANGE;
}
long libbpf_get_error(const void* pointer) { return pointer == nullptr ? -errno : 0; }
int libbpf_num_possible_cpus(void) {
  auto engine = the_engine();
  if (!engine) return refuse(engine.error());
  return static_cast<int>(engine->state->engine->possible_cpus());
}
uint32_t libbpf_major_version(void) { return 1; }
uint32_t libbpf_minor_version(void) { return 0; }
const char* libbpf_version_string(void) { return "v1.0 (skep " SKEP_VERSION ")"; }
int libbpf_set_strict_mode(int) { return 0; }

bpf_object* bpf_object__open(const char* path) { return bpf_object__open_file(path, nullptr); }
bpf_object* bpf_object__open_file(const char* path, const bpf_object_open_opts* options) {
  const char* name = options != nullptr ? options->object_name : nullptr;
  return adopt(Object::open(path), name != nullptr ? name : base_name(path));
}
bpf_object* bpf_object__open_mem(const void* bytes, size_t size,
                                 const bpf_object_open_opts* options) {
  const char* name = options != nullptr ? options->object_name : nullptr;
  return adopt(Object::open(span_of(bytes, size), name != nullptr ? name : "object"),
               name != nullptr ? name : "object");
}
int bpf_object__load(bpf_object* object) {
  auto engine = the_engine();
  if (!engine) return refuse(engine.error());
  return status(object->object.load(*engine));
}
void bpf_object__close(bpf_object* object) { delete object; }
const char* bpf_object__name(const bpf_object* object) { return object->name.c_str(); }

bpf_map* bpf_object__find_map_by_name(const bpf_object* object, const char* wanted) {
  // Sections of globals also go by the kernel's name of them: "minimal_.rodata".
  std::string_view name = wanted;
  if (const size_t dot = name.find('.'); dot != std::string_view::npos && dot > 0)
    name.remove_prefix(dot);
  for (const bpf_map& map : object->maps)
    if (map.name == wanted || map.name == name) return const_cast<bpf_map*>(&map);
  errno = ENOENT;
  return nullptr;
}
int bpf_object__find_map_fd_by_name(const bpf_object* object, const char* name) {
  const bpf_map* map = bpf_object__find_map_by_name(object, name);
  return map != nullptr ? bpf_map__fd(map) : -ENOENT;
}
bpf_program* bpf_object__find_program_by_name(const bpf_object* object, const char* name) {
  for (const bpf_program& program : object->programs)
    if (program.name == name) return const_cast<bpf_program*>(&program);
  errno = ENOENT;
  return nullptr;
}
bpf_map* bpf_object__next_map(const bpf_object* object, const bpf_map* before) {
  bool found = before == nullptr;
  for (const bpf_map& map : object->maps) {
    if (found) return const_cast<bpf_map*>(&map);
    found = &map == before;
  }
  return nullptr;
}
bpf_program* bpf_object__next_program(const bpf_object* object, bpf_program* before) {
  bool found = before == nullptr;
  for (const bpf_program& program : object->programs) {
    if (found) return const_cast<bpf_program*>(&program);
    found = &program == before;
  }
  return nullptr;
}

const char* bpf_program__name(const bpf_program* program) { return program->name.c_str(); }
const char* bpf_program__section_name(const bpf_program* program) {
  return program->section.c_str();
}
int bpf_program__fd(const bpf_program* program) { return program->program.fd(); }
bool bpf_program__autoload(const bpf_program* program) { return program->program.autoload(); }
int bpf_program__set_autoload(bpf_program* program, bool load) {
  return status(program->program.set_autoload(load));
}
bool bpf_program__autoattach(const bpf_program* program) { return program->program.autoattach(); }
void bpf_program__set_autoattach(bpf_program* program, bool attach) {
  program->program.set_autoattach(attach);
}

bpf_link* bpf_program__attach(const bpf_program* program) {
  return adopt(program->program.attach());
}
bpf_link* bpf_program__attach_uprobe(const bpf_program* program, bool is_return, pid_t pid,
                                     const char* binary, size_t offset) {
  bpf_uprobe_opts options{};
  options.sz = sizeof options;
  options.retprobe = is_return;
  return bpf_program__attach_uprobe_opts(program, pid, binary, offset, &options);
}
bpf_link* bpf_program__attach_uprobe_opts(const bpf_program* program, pid_t pid, const char* binary,
                                          size_t offset, const bpf_uprobe_opts* options) {
  AttachTo to;
  std::string path = binary;
  if (path == "/proc/self/exe")
    path.resize(4096), path.resize([&] {
      const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
      return size < 0 ? size_t{0} : static_cast<size_t>(size);
    }());
  const bool by_name = options != nullptr && options->func_name != nullptr;
  to.target = by_name ? fmt::format("{}:{}", path, options->func_name)
                      : fmt::format("{}:{:#x}", path, offset);
  if (by_name && offset != 0) to.target += fmt::format("+{:#x}", offset);
  to.cookie = options != nullptr ? options->bpf_cookie : 0;
  (void)pid;  // every process that runs it, as with -1
  return adopt(program->program.attach(to));
}
static bpf_link* attach_to(const bpf_program* program, int fd, int interface = 0) {
  AttachTo to;
  to.fd = fd;
  to.interface = interface;
  return adopt(program->program.attach(to));
}
bpf_link* bpf_program__attach_perf_event(const bpf_program* program, int event) {
  return attach_to(program, event);
}
bpf_link* bpf_program__attach_cgroup(const bpf_program* program, int cgroup) {
  return attach_to(program, cgroup);
}
bpf_link* bpf_program__attach_netns(const bpf_program* program, int netns) {
  return attach_to(program, netns);
}
bpf_link* bpf_program__attach_xdp(const bpf_program* program, int interface) {
  return attach_to(program, -1, interface);
}
bpf_link* bpf_program__attach_iter(const bpf_program* program, const bpf_iter_attach_opts*) {
  return attach_to(program, 0);
}
int bpf_link__fd(const bpf_link* link) { return link->link.fd(); }
int bpf_link__detach(bpf_link* link) {
  skep::engine::LinkDetachAttr attr;
  attr.link_fd = static_cast<uint32_t>(link->link.fd());
  return call(Cmd::BPF_LINK_DETACH, attr);
}
int bpf_link__destroy(bpf_link* link) {
  delete link;
  return 0;
}

const char* bpf_map__name(const bpf_map* map) { return map->name.c_str(); }
int bpf_map__fd(const bpf_map* map) {
  const int fd = map->map.fd();
  return fd >= 0 ? fd : -EINVAL;
}
uint32_t bpf_map__key_size(const bpf_map* map) { return map->map.info().key_size; }
uint32_t bpf_map__value_size(const bpf_map* map) { return map->map.info().value_size; }
uint32_t bpf_map__max_entries(const bpf_map* map) { return map->map.info().max_entries; }
uint32_t bpf_map__map_flags(const bpf_map* map) { return map->map.info().flags; }
int bpf_map__set_max_entries(bpf_map* map, uint32_t max_entries) {
  return status(map->map.resize(max_entries));
}
void* bpf_map__initial_value(const bpf_map* map, size_t* size) {
  const auto memory = map->map.memory();
  if (size != nullptr) *size = memory.size();
  return memory.data();
}
int bpf_map__set_initial_value(bpf_map* map, const void* value, size_t size) {
  const auto memory = map->map.memory();
  if (map->map.fd() >= 0) return -EBUSY;
  if (memory.empty() || memory.size() != size) return -EINVAL;
  std::ranges::copy(span_of(value, size), memory.begin());
  return 0;
}
int bpf_map__lookup_elem(const bpf_map* map, const void* key, size_t key_size, void* value,
                         size_t value_size, uint64_t flags) {
  if (flags != 0) {
    const auto info = map->map.info();
    if (key_size != info.key_size || value_size != info.user_value_size) return -EINVAL;
    return element(Cmd::BPF_MAP_LOOKUP_ELEM, map->map.fd(), key, value, flags);
  }
  return quiet(map->map.lookup(span_of(key, key_size), span_of(value, value_size)));
}
int bpf_map__update_elem(const bpf_map* map, const void* key, size_t key_size, const void* value,
                         size_t value_size, uint64_t flags) {
  return quiet(map->map.update(span_of(key, key_size), span_of(value, value_size), flags));
}
int bpf_map__delete_elem(const bpf_map* map, const void* key, size_t key_size, uint64_t) {
  return quiet(map->map.erase(span_of(key, key_size)));
}
int bpf_map__get_next_key(const bpf_map* map, const void* key, void* next, size_t key_size) {
  return quiet(map->map.next_key(span_of(key, key_size), span_of(next, key_size)));
}

int bpf_map_lookup_elem(int fd, const void* key, void* value) {
  return element(Cmd::BPF_MAP_LOOKUP_ELEM, fd, key, value, 0);
}
int bpf_map_update_elem(int fd, const void* key, const void* value, uint64_t flags) {
  return element(Cmd::BPF_MAP_UPDATE_ELEM, fd, key, value, flags);
}
int bpf_map_delete_elem(int fd, const void* key) {
  return element(Cmd::BPF_MAP_DELETE_ELEM, fd, key, nullptr, 0);
}
int bpf_map_get_next_key(int fd, const void* key, void* next) {
  return element(Cmd::BPF_MAP_GET_NEXT_KEY, fd, key, next, 0);
}
int bpf_map_lookup_and_delete_elem(int fd, const void* key, void* value) {
  return element(Cmd::BPF_MAP_LOOKUP_AND_DELETE_ELEM, fd, key, value, 0);
}
int bpf_iter_create(int link) {
  skep::engine::IterCreateAttr attr;
  attr.link_fd = static_cast<uint32_t>(link);
  return call(Cmd::BPF_ITER_CREATE, attr);
}
int bpf_prog_test_run_opts(int program, bpf_test_run_opts* options) {
  skep::engine::TestRunAttr attr;
  attr.prog_fd = static_cast<uint32_t>(program);
  attr.data_in = skep::v1::address_of(options->data_in);
  attr.data_out = skep::v1::address_of(options->data_out);
  attr.data_size_in = options->data_size_in;
  attr.data_size_out = options->data_size_out;
  attr.ctx_in = skep::v1::address_of(options->ctx_in);
  attr.ctx_out = skep::v1::address_of(options->ctx_out);
  attr.ctx_size_in = options->ctx_size_in;
  attr.ctx_size_out = options->ctx_size_out;
  attr.repeat = static_cast<uint32_t>(options->repeat);
  attr.flags = options->flags;
  attr.cpu = options->cpu;
  attr.batch_size = options->batch_size;
  const int result = call(Cmd::BPF_PROG_TEST_RUN, attr);
  options->data_size_out = attr.data_size_out;
  options->ctx_size_out = attr.ctx_size_out;
  options->retval = attr.retval;
  options->duration = attr.duration;
  return result;
}

ring_buffer* ring_buffer__new(int map, ring_buffer_sample_fn callback, void* context,
                              const ring_buffer_opts*) {
  auto* rings = new ring_buffer;
  if (ring_buffer__add(rings, map, callback, context) == 0) return rings;
  delete rings;
  return nullptr;
}
int ring_buffer__add(ring_buffer* rings, int map, ring_buffer_sample_fn callback, void* context) {
  auto engine = the_engine();
  if (!engine) return refuse(engine.error());
  auto ring = skep::v1::open_ring(engine->state, map);
  if (!ring) return refuse(ring.error());
  rings->sources.push_back({std::move(*ring), callback, context});
  return 0;
}
int ring_buffer__consume(ring_buffer* rings) {
  int count = 0, failed = 0;
  for (ring_buffer::Source& source : rings->sources) {
    count += static_cast<int>(source.ring->consume([&](std::span<const std::byte> sample) {
      if (failed < 0) return;
      failed =
          source.callback(source.context, const_cast<std::byte*>(sample.data()), sample.size());
    }));
  }
  return failed < 0 ? failed : count;
}
int ring_buffer__poll(ring_buffer* rings, int timeout_ms) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    if (const int count = ring_buffer__consume(rings); count != 0) return count;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    if (timeout_ms >= 0 && left.count() <= 0) return 0;
    // Of several rings each gets a share of the wait.
    auto share = std::chrono::milliseconds(timeout_ms < 0 ? 100 : left.count());
    if (rings->sources.size() > 1) share = std::min(share, std::chrono::milliseconds(10));
    errno = 0;
    for (ring_buffer::Source& source : rings->sources)
      if (source.ring->wait(share)) break;
    if (errno == EINTR) return -EINTR;
  }
}
void ring_buffer__free(ring_buffer* rings) { delete rings; }

perf_buffer* perf_buffer__new(int map, size_t, perf_buffer_sample_fn sample,
                              perf_buffer_lost_fn lost, void* context, const perf_buffer_opts*) {
  auto engine = the_engine();
  if (!engine) return refuse_pointer<perf_buffer>(engine.error());
  auto ring = skep::v1::open_ring(engine->state, map);
  if (!ring) return refuse_pointer<perf_buffer>(ring.error());
  return new perf_buffer{std::move(*ring), sample, lost, context};
}
int perf_buffer__consume(perf_buffer* buffer) {
  const size_t count = buffer->ring->consume([&](std::span<const std::byte> sample) {
    buffer->sample(buffer->context, 0, const_cast<std::byte*>(sample.data()),
                   static_cast<uint32_t>(sample.size()));
  });
  const uint64_t lost = buffer->ring->lost();
  if (lost != buffer->lost_seen && buffer->lost != nullptr)
    buffer->lost(buffer->context, 0, lost - buffer->lost_seen);
  buffer->lost_seen = lost;
  return static_cast<int>(count);
}
int perf_buffer__poll(perf_buffer* buffer, int timeout_ms) {
  errno = 0;
  if (!buffer->ring->wait(std::chrono::milliseconds(timeout_ms)) && errno == EINTR) return -EINTR;
  return perf_buffer__consume(buffer);
}
void perf_buffer__free(perf_buffer* buffer) { delete buffer; }

// --- Skeletons. Their arrays have the caller's stride: it may be older than this. ---

static bpf_map_skeleton* map_at(const bpf_object_skeleton* skeleton, int i) {
  return reinterpret_cast<bpf_map_skeleton*>(reinterpret_cast<char*>(skeleton->maps) +
                                             size_t(i) * size_t(skeleton->map_skel_sz));
}
static bpf_prog_skeleton* program_at(const bpf_object_skeleton* skeleton, int i) {
  return reinterpret_cast<bpf_prog_skeleton*>(reinterpret_cast<char*>(skeleton->progs) +
                                              size_t(i) * size_t(skeleton->prog_skel_sz));
}
static void point_at_globals(const bpf_object_skeleton* skeleton) {
  for (int i = 0; i < skeleton->map_cnt; ++i) {
    bpf_map_skeleton* map = map_at(skeleton, i);
    if (map->mmaped != nullptr && *map->map != nullptr)
      *map->mmaped = (*map->map)->map.memory().data();
  }
}

int bpf_object__open_skeleton(bpf_object_skeleton* skeleton, const bpf_object_open_opts* options) {
  bpf_object_open_opts named{};
  named.sz = sizeof named;
  named.object_name =
      options != nullptr && options->object_name != nullptr ? options->object_name : skeleton->name;
  bpf_object* object = bpf_object__open_mem(skeleton->data, skeleton->data_sz, &named);
  if (object == nullptr) return -errno;
  *skeleton->obj = object;
  for (int i = 0; i < skeleton->map_cnt; ++i) {
    bpf_map_skeleton* map = map_at(skeleton, i);
    *map->map = bpf_object__find_map_by_name(object, map->name);
    if (*map->map == nullptr)
      return refuse(
          {ESRCH, fmt::format("skeleton {}: the object has no map {}", skeleton->name, map->name),
           "generate the skeleton anew"});
  }
  for (int i = 0; i < skeleton->prog_cnt; ++i) {
    bpf_prog_skeleton* program = program_at(skeleton, i);
    *program->prog = bpf_object__find_program_by_name(object, program->name);
    if (*program->prog == nullptr)
      return refuse(
          {ESRCH,
           fmt::format("skeleton {}: the object has no program {}", skeleton->name, program->name),
           "generate the skeleton anew"});
  }
  point_at_globals(skeleton);
  return 0;
}
int bpf_object__load_skeleton(bpf_object_skeleton* skeleton) {
  const int result = bpf_object__load(*skeleton->obj);
  if (result == 0) point_at_globals(skeleton);
  return result;
}
int bpf_object__attach_skeleton(bpf_object_skeleton* skeleton) {
  for (int i = 0; i < skeleton->prog_cnt; ++i) {
    bpf_prog_skeleton* at = program_at(skeleton, i);
    const Program& program = (*at->prog)->program;
    if (program.fd() < 0 || !program.autoattach() || at->link == nullptr || *at->link != nullptr)
      continue;
    *at->link = bpf_program__attach(*at->prog);
    if (*at->link == nullptr) return -errno;
  }
  return 0;
}
void bpf_object__detach_skeleton(bpf_object_skeleton* skeleton) {
  for (int i = 0; i < skeleton->prog_cnt; ++i) {
    bpf_prog_skeleton* at = program_at(skeleton, i);
    if (at->link != nullptr) bpf_link__destroy(std::exchange(*at->link, nullptr));
  }
}
void bpf_object__destroy_skeleton(bpf_object_skeleton* skeleton) {
  if (skeleton == nullptr) return;
  if (skeleton->progs != nullptr) bpf_object__detach_skeleton(skeleton);
  if (skeleton->obj != nullptr) bpf_object__close(std::exchange(*skeleton->obj, nullptr));
  std::free(skeleton->maps);
  std::free(skeleton->progs);
  std::free(skeleton);
}

const char* skep_engine_name(void) {
  auto engine = the_engine();
  if (!engine) return refuse_pointer<const char>(engine.error());
  return global().engine_name.c_str();
}
int skep_launch(char* const argv[]) {
  auto engine = the_engine();
  if (!engine) return refuse(engine.error());
  std::vector<std::string> arguments;
  for (size_t i = 0; argv[i] != nullptr; ++i) arguments.emplace_back(argv[i]);
  auto pid = engine->launch(arguments);
  return pid ? *pid : refuse(pid.error());
}
int skep_step(int timeout_ms, int* exit_status) {
  auto engine = the_engine();
  if (!engine) return refuse(engine.error());
  auto ended = engine->step(std::chrono::milliseconds(timeout_ms));
  if (ended && exit_status != nullptr) *exit_status = *ended;
  return ended.has_value();
}

}  // extern "C"
