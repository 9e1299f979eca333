#include "engine/user/user_engine.h"

#include <unistd.h>

#include "btf/user_engine/user_engine.h"
#include "engine/user/home.h"
#include "engine/user/tracepoints.h"

namespace skep::engine {

using namespace user;

namespace {
// perf_event_attr.type of our uprobes, beyond all static types; as dynamic PMUs have it.
}  // namespace

Result<std::unique_ptr<UserEngine>> UserEngine::create(const runtime::RuntimeOptions& options,
                                                       const hooks::SessionOptions& session_options,
                                                       const UserEngineOptions& engine_options) {
  std::unique_ptr<UserEngine> engine(new UserEngine);
  auto runtime = runtime::Runtime::create(options);
  if (!runtime) return fail(runtime, "user engine");
  engine->runtime_ = std::move(*runtime);
  auto session = hooks::Session::create(engine->runtime_->hive(), session_options);
  if (!session) return fail(session, "user engine");
  engine->session_ = std::move(*session);
  auto uprobes = hooks::UprobeTable::create(engine->runtime_->hive());
  if (!uprobes) return fail(uprobes, "user engine");
  engine->uprobes_ = std::move(*uprobes);
  engine->cgroups_ = std::make_unique<CgroupHooks>(*engine->session_);
  std::string root = engine_options.pin_root;
  if (root.empty()) {
    SKEP_TRY(home, hive_home(options.hive));
    root = home + "/pins";
  }
  engine->pins_ = std::make_unique<Pins>(root, engine_options.pin_root.empty());
  return engine;
}

UserEngine::~UserEngine() {
  stop();
  // Links before programs before maps: what is released first must not be in use.
  pins_.reset();
  local_.clear();
  cgroups_.reset();
}

int64_t UserEngine::remember(const Error& error) {
  std::lock_guard lock(mutex_);
  last_error_ = error;
  return -error.code();
}

int64_t UserEngine::bpf(Cmd cmd, void* attr, uint32_t size) {
  auto result = bpf_for(local_, cmd, attr, size);
  return result ? *result : remember(result.error());
}

std::optional<Error> UserEngine::last_error() const {
  std::lock_guard lock(mutex_);
  return last_error_;
}

Result<int64_t> UserEngine::bpf_for(Caller& caller, Cmd cmd, void* attr, uint32_t size) {
  Call call(caller, attr, size);
  SKEP_CHECK(call.take());
  try {
    return dispatch(cmd, call);
  } catch (const std::bad_alloc&) {
    return fail(ENOMEM, "out of memory");
  }
}

Result<int64_t> UserEngine::dispatch(Cmd cmd, Call& call) {
  switch (cmd) {
    case Cmd::BPF_MAP_CREATE: return map_create(call);
    case Cmd::BPF_MAP_LOOKUP_ELEM: return map_lookup(call, false);
    case Cmd::BPF_MAP_UPDATE_ELEM: return map_update(call);
    case Cmd::BPF_MAP_DELETE_ELEM: return map_delete(call);
    case Cmd::BPF_MAP_GET_NEXT_KEY: return map_next_key(call);
    case Cmd::BPF_MAP_LOOKUP_AND_DELETE_ELEM: return map_lookup(call, true);
    case Cmd::BPF_MAP_FREEZE: return map_freeze(call);
    case Cmd::BPF_MAP_LOOKUP_BATCH:
    case Cmd::BPF_MAP_LOOKUP_AND_DELETE_BATCH:
    case Cmd::BPF_MAP_UPDATE_BATCH:
    case Cmd::BPF_MAP_DELETE_BATCH: return map_batch(cmd, call);
    case Cmd::BPF_PROG_LOAD: return prog_load(call);
    case Cmd::BPF_PROG_TEST_RUN: return prog_test_run(call);
    case Cmd::BPF_PROG_BIND_MAP: return prog_bind_map(call);
    case Cmd::BPF_PROG_ATTACH: return prog_attach(call);
    case Cmd::BPF_PROG_DETACH: return prog_detach(call);
    case Cmd::BPF_PROG_QUERY: return prog_query(call);
    case Cmd::BPF_BTF_LOAD: return btf_load(call);
    case Cmd::BPF_PROG_GET_NEXT_ID:
    case Cmd::BPF_MAP_GET_NEXT_ID:
    case Cmd::BPF_BTF_GET_NEXT_ID:
    case Cmd::BPF_LINK_GET_NEXT_ID: pins_->sweep(); return get_next_id(cmd, call);
    case Cmd::BPF_PROG_GET_FD_BY_ID:
    case Cmd::BPF_MAP_GET_FD_BY_ID:
    case Cmd::BPF_BTF_GET_FD_BY_ID:
    case Cmd::BPF_LINK_GET_FD_BY_ID: pins_->sweep(); return get_fd_by_id(cmd, call);
    case Cmd::BPF_OBJ_GET_INFO_BY_FD: return get_info(call);
    case Cmd::BPF_OBJ_PIN: return obj_pin(call);
    case Cmd::BPF_OBJ_GET: return obj_get(call);
    case Cmd::BPF_TASK_FD_QUERY: return task_fd_query(call);
    case Cmd::BPF_LINK_CREATE: return link_create(call);
    case Cmd::BPF_LINK_UPDATE: return link_update(call);
    case Cmd::BPF_LINK_DETACH: return link_detach(call);
    case Cmd::BPF_ITER_CREATE: return iter_create(call);
    case Cmd::BPF_RAW_TRACEPOINT_OPEN: return raw_tracepoint_open(call);
    case Cmd::BPF_ENABLE_STATS: return enable_stats(call);
    case Cmd::BPF_TOKEN_CREATE: return token_create(call);
    case Cmd::BPF_PROG_STREAM_READ_BY_FD: return stream_read(call);
    case Cmd::BPF_PROG_ASSOC_STRUCT_OPS: break;
  }
  const spec::CommandRow* row = spec::find_command(static_cast<uint32_t>(cmd));
  return fail(EINVAL, "the user engine does not have bpf(2) command {} ({})",
              static_cast<uint32_t>(cmd), row != nullptr ? row->name : "unknown");
}

void UserEngine::close(int fd) { local_.close(fd); }

Result<uint32_t> UserEngine::perf_type(std::string_view unit) {
  if (unit == "uprobe") return kUprobeType;
  if (unit == "kprobe") return kKprobeType;
  return fail(ENOENT, "the user engine has no performance unit \"{}\", only uprobe and kprobe",
              unit);
}

Result<uint64_t> UserEngine::tracepoint_id(std::string_view category, std::string_view name) {
  return find_tracepoint(category, name);
}

Result<int> UserEngine::open_cgroup(const std::string& path) {
  if (!path.empty()) {
    return fail(EOPNOTSUPP,
                "cgroup {}: the user engine attaches to the processes that it traces only", path);
  }
  return open_cgroup_for(local_);
}

Result<int> UserEngine::open_cgroup_for(Caller& caller) {
  return caller.open(Handle(std::make_shared<CgroupObject>()));
}

int64_t UserEngine::perf_event_open(const PerfEventAttr& attr, int, int, int, uint64_t) {
  auto fd = perf_event_open_for(local_, attr);
  return fd ? *fd : remember(fd.error());
}

Result<int64_t> UserEngine::perf_event_open_for(Caller& caller, const PerfEventAttr& attr) {
  auto event = std::make_shared<EventObject>();
  if (attr.type == kUprobeType) {
    SKEP_TRY(path, caller.copy_string_in(attr.config1, 4096));
    event->kind = (attr.config & 1) != 0 ? EventObject::Kind::uretprobe : EventObject::Kind::uprobe;
    event->path = path;
    event->offset = attr.config2;
    event->semaphore_offset = attr.config >> 32;
  } else if (attr.type == kKprobeType) {
    if (attr.config1 == 0 || attr.config2 != 0)
      return fail(EINVAL, "a kprobe of the user engine is named by its function alone");
    SKEP_TRY(function, caller.copy_string_in(attr.config1, 256));
    SKEP_TRY(nr, find_syscall_function(function));
    event->kind = (attr.config & 1) != 0 ? EventObject::Kind::kretprobe : EventObject::Kind::kprobe;
    event->offset = nr;
  } else if (attr.type == PERF_TYPE_TRACEPOINT) {
    event->kind = EventObject::Kind::tracepoint;
    event->offset = attr.config;
  } else if (attr.type == PERF_TYPE_SOFTWARE && attr.config == PERF_COUNT_SW_BPF_OUTPUT) {
    event->kind = EventObject::Kind::bpf_output;
  } else {
    return fail(ENOENT, "the user engine has no perf event of type {}, config {:#x}", attr.type,
                attr.config);
  }
  SKEP_TRY(fd, caller.open(Handle(std::move(event))));
  return fd;
}

Result<std::shared_ptr<const btf::Btf>> UserEngine::vmlinux_btf() { return runtime_->kernel_btf(); }

Result<std::shared_ptr<runtime::MapObject>> UserEngine::map_of(int fd) const {
  return local_.get<runtime::MapObject>(fd);
}
Result<std::shared_ptr<runtime::ProgObject>> UserEngine::program_of(int fd) const {
  return local_.get<runtime::ProgObject>(fd);
}

}  // namespace skep::engine
