// What stands behind the handles of include/skep/skep.hpp. Private to this room.
#pragma once

#define SKEP_IN_LIBRARY  // skep::Program and skep::Error are the library's own in here
#include "engine/user/user_engine.h"
#include "loader/loader.h"
#include "skep/skep.hpp"

namespace skep::v1 {

struct EngineState {
  std::shared_ptr<engine::Engine> engine;
  engine::UserEngine* user = nullptr;  // `engine`, where it is one
};

// A section's globals as its user sees them: its pages while the object is open, the map's once it is loaded.
struct GlobalsMemory {
  std::byte* address = nullptr;
  size_t size = 0;    // bytes of the section
  size_t mapped = 0;  // of pages that are ours to unmap
};

struct ObjectState {
  ObjectState() = default;
  ObjectState(const ObjectState&) = delete;
  ObjectState& operator=(const ObjectState&) = delete;
  ~ObjectState();

  [[nodiscard]] const object::Object& object() const { return loader ? loader->object() : *opened; }

  std::string name;
  std::unique_ptr<object::Object> opened;  // before load
  std::shared_ptr<EngineState> engine;     // once loaded; declared first, so that it goes last
  std::optional<loader::Loader> loader;
  std::vector<GlobalsMemory> globals;  // by map
  // Once loaded on the user engine, by map: elements are read where they lie. Null where bpf(2) has more to say.
  std::vector<std::shared_ptr<runtime::MapObject>> direct;
  std::vector<bool> autoload, autoattach;  // by program
  std::vector<Link> links;                 // of Object::attach
};

struct LinkState {
  std::shared_ptr<EngineState> engine;
  loader::Link link;
};

[[nodiscard]] inline Error to_public(const skep::Error& error) {
  return {error.code(), error.text(), error.hint()};
}
template <class T>
[[nodiscard]] std::unexpected<Error> refuse(const Result<T>& failed) {
  return std::unexpected(to_public(failed.error()));
}
[[nodiscard]] inline std::unexpected<Error> refuse(int code, std::string message,
                                                   std::string hint = {}) {
  return std::unexpected(Error{code, std::move(message), std::move(hint)});
}
// What a command of bpf(2) said, in the engine's words where it has any.
[[nodiscard]] std::unexpected<Error> refuse_call(const engine::Engine& engine, int64_t result,
                                                 std::string_view what);

[[nodiscard]] inline uint64_t address_of(const void* pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}

// Reader of a ring buffer or perf event array behind a descriptor, on either engine.
struct RingState {
  virtual ~RingState() = default;
  virtual size_t consume(const std::function<void(std::span<const std::byte>)>& callback) = 0;
  [[nodiscard]] virtual bool pending() = 0;
  virtual bool wait(std::chrono::milliseconds limit) = 0;
  [[nodiscard]] virtual uint64_t lost() const { return 0; }
};
[[nodiscard]] Expected<std::shared_ptr<RingState>> open_ring(
    const std::shared_ptr<EngineState>& engine, int map_fd);

}  // namespace skep::v1
