// skep's C++ API: eBPF objects, opened, configured, loaded, attached, read. C++23, no macros, no exceptions.
//
//   auto engine = skep::Engine::create();                        // the kernel where it is allowed, else the user engine
//   auto object = skep::Object::open("opensnoop.bpf.o");
//   object->set("min_us", "100");                                // const volatile globals, before load
//   object->load(*engine);
//   object->attach();                                            // every program where its SEC() says
//   skep::Ring<event> ring(*object->map("events"));
//   while (ring.poll(std::chrono::milliseconds(100)))
//     for (const event& e : ring.drain()) ...
//
// `skep skeleton FILE.bpf.o` writes a header with one typed class for an object on top of this.
//
// Everything that can fail gives an Expected: a value, or an Error that says what, where and what to do. Handles
// (Program, RawMap) are cheap copies that stay valid as long as their Object; destroying an Object detaches its links
// and closes its descriptors. Not thread-safe, but for maps' elements: look-ups and updates may run on any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace skep::v1 {

struct Error {
  int code = 0;         // positive errno
  std::string message;  // "xdp.bpf.o: program count: …"
  std::string hint;     // what to do about it; may be empty
};
template <class T>
using Expected = std::expected<T, Error>;

struct EngineState;
struct ObjectState;
struct LinkState;
struct RingState;

enum class EngineKind : std::uint8_t { automatic, kernel, user };

// Where programs run: Linux's bpf(2), or the user engine in this process and those that it starts. Outlives, shared,
// every object loaded on it.
class Engine {
 public:
  // `automatic`: the kernel where bpf(2) is allowed, else the user engine.
  [[nodiscard]] static Expected<Engine> create(EngineKind kind = EngineKind::automatic);
  [[nodiscard]] std::string_view name() const;  // "kernel" or "user"

  // User engine: starts a command with what is attached watching it; its process id. Kernel: EOPNOTSUPP.
  Expected<int> launch(const std::vector<std::string>& argv);
  // Lets the launched command go on for at most `limit`; its exit status once it has ended.
  std::optional<int> step(std::chrono::milliseconds limit);

  std::shared_ptr<EngineState> state;
};

struct MapInfo {
  std::string name;
  std::uint32_t type = 0, key_size = 0, value_size = 0, max_entries = 0, flags = 0;
  std::size_t user_value_size = 0;  // of lookup and update: per-CPU maps have a value for each CPU
};

// A map by bytes. Descriptor and elements exist once the object is loaded (else EINVAL).
class RawMap {
 public:
  [[nodiscard]] MapInfo info() const;
  [[nodiscard]] int fd() const;                      // -1 before load
  Expected<void> resize(std::uint32_t max_entries);  // before load

  // ENOENT where there is no such key. Sizes must be key_size and user_value_size.
  Expected<void> lookup(std::span<const std::byte> key, std::span<std::byte> value) const;
  Expected<void> update(std::span<const std::byte> key, std::span<const std::byte> value,
                        std::uint64_t flags = 0) const;
  Expected<void> erase(std::span<const std::byte> key) const;
  // Of an empty `key`: the first. ENOENT at the end.
  Expected<void> next_key(std::span<const std::byte> key, std::span<std::byte> next) const;

  // A section of globals: its memory, shared with programs once loaded (read-only for .rodata then).
  [[nodiscard]] std::span<std::byte> memory() const;

  std::shared_ptr<ObjectState> state;
  std::uint32_t index = 0;
};

// A map of K to V, both trivially copyable, of the sizes that the map has.
template <class K, class V>
class Map {
  static_assert(std::is_trivially_copyable_v<K> && std::is_trivially_copyable_v<V>);

 public:
  Map() = default;
  explicit Map(RawMap raw) : raw_(std::move(raw)) {}
  [[nodiscard]] const RawMap& raw() const { return raw_; }

  [[nodiscard]] std::optional<V> find(const K& key) const {
    V value;
    if (!raw_.lookup(bytes(key), writable(value))) return std::nullopt;
    return value;
  }
  Expected<void> insert(const K& key, const V& value) const {
    return raw_.update(bytes(key), bytes(value));
  }
  bool erase(const K& key) const { return raw_.erase(bytes(key)).has_value(); }

  // Forward, over a map that others change: each key that stays is seen once.
  class Iterator {
   public:
    using value_type = std::pair<K, V>;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    explicit Iterator(const RawMap* map) : map_(map) { advance(false); }
    const value_type& operator*() const { return current_; }
    const value_type* operator->() const { return &current_; }
    Iterator& operator++() {
      advance(true);
      return *this;
    }
    void operator++(int) { advance(true); }
    bool operator==(const Iterator& other) const { return map_ == other.map_; }

   private:
    void advance(bool from_current) {
      // A key that goes between next_key and lookup is passed over.
      for (std::uint32_t tries = 0; tries < 1024; ++tries) {
        K next;
        const auto key = from_current ? bytes(current_.first) : std::span<const std::byte>();
        if (!map_->next_key(key, writable(next))) break;
        current_.first = next;
        from_current = true;
        if (map_->lookup(bytes(next), writable(current_.second))) return;
      }
      map_ = nullptr;
    }
    const RawMap* map_ = nullptr;
    value_type current_{};
  };
  [[nodiscard]] Iterator begin() const { return Iterator(&raw_); }
  [[nodiscard]] Iterator end() const { return {}; }

 private:
  template <class T>
  static std::span<const std::byte> bytes(const T& value) {
    return std::as_bytes(std::span(&value, 1));
  }
  template <class T>
  static std::span<std::byte> writable(T& value) {
    return std::as_writable_bytes(std::span(&value, 1));
  }
  RawMap raw_;
};

// Records of a ring buffer or perf event array, by bytes. One reader a map.
class RawRing {
 public:
  RawRing() = default;
  [[nodiscard]] static Expected<RawRing> open(const RawMap& map);
  // Waits until a record is there, at most `limit`: whether one is.
  bool poll(std::chrono::milliseconds limit);
  // Hands over what is there; how many. The bytes are valid until the callback returns.
  std::size_t consume(const std::function<void(std::span<const std::byte>)>& callback);
  [[nodiscard]] std::uint64_t lost() const;  // perf event arrays: records that found no room

  std::shared_ptr<RingState> state;
};

// The same, by type. A shorter record is filled up with zeros.
template <class T>
class Ring {
 public:
  [[nodiscard]] static Expected<Ring> open(const RawMap& map) {
    auto raw = RawRing::open(map);
    if (!raw) return std::unexpected(raw.error());
    Ring ring;
    ring.raw_ = std::move(*raw);
    return ring;
  }
  bool poll(std::chrono::milliseconds limit) { return raw_.poll(limit); }
  [[nodiscard]] std::vector<T> drain() {
    std::vector<T> records;
    raw_.consume([&](std::span<const std::byte> bytes) {
      T record{};
      std::memcpy(&record, bytes.data(),
                  bytes.size() < sizeof record ? bytes.size() : sizeof record);
      records.push_back(record);
    });
    return records;
  }
  [[nodiscard]] RawRing& raw() { return raw_; }

 private:
  RawRing raw_;
};

// Attached as long as it lives.
class Link {
 public:
  Link() = default;
  Link(Link&&) = default;
  Link& operator=(Link&&) = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link() = default;
  [[nodiscard]] int fd() const;
  [[nodiscard]] std::string_view where() const;  // "tracepoint syscalls/sys_enter_openat"
  void detach() { state.reset(); }
  [[nodiscard]] explicit operator bool() const { return state != nullptr; }

  std::shared_ptr<LinkState> state;
};

struct AttachTo {
  std::string target;        // what SEC() left open: "libc.so.6:malloc", "/path/to/cgroup"
  int fd = -1;               // or something open: a cgroup, a perf event, a network namespace
  int interface = 0;         // or a network interface
  std::uint64_t cookie = 0;  // bpf_get_attach_cookie
};

struct TestRun {
  std::vector<std::byte> data, context;  // in; data out
  std::uint32_t repeat = 1;
  std::uint32_t result = 0;       // out: r0
  std::uint32_t nanoseconds = 0;  // out: mean of a run
};

class Program {
 public:
  [[nodiscard]] std::string_view name() const;
  [[nodiscard]] std::string_view section() const;
  [[nodiscard]] int fd() const;  // -1 where it is not loaded
  [[nodiscard]] bool autoload() const;
  Expected<void> set_autoload(bool load);  // before load
  void set_autoattach(bool attach);
  [[nodiscard]] bool autoattach() const;
  // Where its section says, and `to` adds.
  Expected<Link> attach(const AttachTo& to = {}) const;
  Expected<void> test_run(TestRun& run) const;

  std::shared_ptr<ObjectState> state;
  std::uint32_t index = 0;
};

class Object {
 public:
  Object() = default;
  [[nodiscard]] static Expected<Object> open(const std::string& path);
  // `name` is for messages.
  [[nodiscard]] static Expected<Object> open(std::span<const std::byte> elf, std::string name);
  [[nodiscard]] const std::string& name() const;

  // A global variable's first value, by its type: numbers, true, enumerators, text. Before load.
  Expected<void> set(std::string_view variable, std::string_view text);
  Expected<void> load(const Engine& engine);
  // Every loaded program that its section says a place for; undone as a whole where one fails.
  Expected<void> attach();
  void detach();
  [[nodiscard]] bool loaded() const;

  [[nodiscard]] std::optional<RawMap> map(
      std::string_view name) const;  // a section's globals: ".data"
  [[nodiscard]] std::optional<Program> program(std::string_view name) const;
  [[nodiscard]] std::vector<RawMap> maps() const;
  [[nodiscard]] std::vector<Program> programs() const;

  std::shared_ptr<ObjectState> state;
};

// A view of a section of globals as the skeleton's struct; null where the object has no such section.
template <class T>
[[nodiscard]] T* globals(const Object& object, std::string_view section) {
  auto map = object.map(section);
  if (!map) return nullptr;
  // A section ends with its last variable, a struct at a multiple of its alignment: there is memory for that.
  const std::size_t size = (map->memory().size() + alignof(T) - 1) / alignof(T) * alignof(T);
  if (size < sizeof(T)) return nullptr;
  return reinterpret_cast<T*>(map->memory().data());
}

}  // namespace skep::v1

#ifndef SKEP_IN_LIBRARY
namespace skep {
using namespace v1;
}
#endif
