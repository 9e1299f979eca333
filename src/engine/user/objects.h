// The user engine's objects, and what a descriptor holds of one.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <variant>

#include "engine/bpf_attr.h"
#include "runtime/runtime.h"

namespace skep::engine::user {

// What perf_event_open made: a place to attach to.
struct EventObject {
  enum class Kind { tracepoint, uprobe, uretprobe, kprobe, kretprobe, bpf_output };
  Kind kind{};
  std::string path;  // uprobe
  uint64_t offset =
      0;  // uprobe: into the file; tracepoint: its id; kprobe: the system call's number
  uint64_t semaphore_offset = 0;  // uprobe: into the file; 0: none
  // PERF_EVENT_IOC_SET_BPF: attached as long as the event is open.
  std::mutex mutex;
  std::shared_ptr<struct LinkObject> link;
};

// The traced processes, as something that cgroup programs are attached to.
struct CgroupObject {};

// A program attached to a hook; detached when the last reference goes, or before.
struct LinkObject {
  LinkObject(uint32_t link_id, std::shared_ptr<runtime::ProgObject> prog, AttachType type)
      : id(link_id), program(std::move(prog)), attach_type(type) {}
  ~LinkObject() { detach(); }
  LinkObject(const LinkObject&) = delete;
  LinkObject& operator=(const LinkObject&) = delete;
  void detach() {
    std::function<void()> once;
    {
      std::lock_guard lock(mutex);
      once = std::exchange(release, nullptr);
    }
    if (once) once();
  }
  [[nodiscard]] bool attached() const {
    std::lock_guard lock(mutex);
    return static_cast<bool>(release);
  }
  [[nodiscard]] std::shared_ptr<runtime::ProgObject> prog() const {
    std::lock_guard lock(mutex);
    return program;
  }

  const uint32_t id;
  mutable std::mutex mutex;                      // program and release
  std::shared_ptr<runtime::ProgObject> program;  // LINK_UPDATE replaces it
  const AttachType attach_type;
  uint32_t kind = 0;                   // BPF_LINK_TYPE_*
  std::shared_ptr<EventObject> event;  // perf events
  struct UprobeMulti {
    std::string path;
    std::vector<uint64_t> offsets, cookies, semaphores;  // the last two: of each place, or empty
    uint32_t flags = 0, pid = 0;
  };
  std::optional<UprobeMulti> uprobes;  // uprobe.multi, uprobe.session
  std::string name;                    // raw tracepoints; iterators: the target
  uint64_t cookie = 0;
  std::shared_ptr<runtime::MapObject> map;  // iterators over a map's elements
  std::function<void()> release;            // takes it out of the hook tables; called once
};

using Object =
    std::variant<std::shared_ptr<runtime::BtfObject>, std::shared_ptr<runtime::MapObject>,
                 std::shared_ptr<runtime::ProgObject>, std::shared_ptr<LinkObject>,
                 std::shared_ptr<EventObject>, std::shared_ptr<CgroupObject>,
                 std::shared_ptr<runtime::RunTimes>>;

// An open descriptor: the object, and what may be done through it (maps only).
struct Handle {
  template <class T>
  Handle(std::shared_ptr<T> of, bool read = true, bool write = true)
      : object(std::move(of)), can_read(read), can_write(write) {
    hold();
  }
  explicit Handle(Object of) : object(std::move(of)) { hold(); }
  Object object;
  bool can_read = true;
  bool can_write = true;

 private:
  void hold() {
    if (auto* map = std::get_if<std::shared_ptr<runtime::MapObject>>(&object))
      user_reference_ = (*map)->user_reference();
  }
  std::shared_ptr<void> user_reference_;  // goes before the object
};

}  // namespace skep::engine::user
