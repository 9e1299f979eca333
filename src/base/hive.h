// Hive: the shared memory that holds one user engine's objects, as the controlling process makes it
// and as another process inspects it. hive_layout.h draws the address space; hive_control.h and
// slots.h say what lies there (freestanding: what a traced process uses once the segments are
// mapped).
//
//   segment   controller                    traced process and inspector    seals
//   control   read-write at kControl        read-only (FUTURE_WRITE seal)   shrink, grow, future-write
//   code      r-x at kCode, rw- elsewhere   r-x (FUTURE_WRITE seal)         shrink, grow, future-write
//   data      read-write at kData           read-write                      shrink, grow
//
// The segments are sparse memfds. Their books (which extents are in use) are kept in the
// controller's own memory, so nothing that a traced process writes can mislead them. One hive at a
// time can be mapped in a process.
//
// Thread-safe. Not to be used in a forked child of the controller, but through the freestanding
// headers.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/code_memory.h"
#include "base/fd.h"
#include "base/hive_control.h"
#include "base/hive_layout.h"
#include "base/result.h"
#include "base/slots.h"

namespace skep {

struct HiveOptions {
  std::string name{};     // shown in lists; at most 63 bytes
  bool has_home = false;  // its directory is named by `name`, not by the controller's pid
  uint64_t data_size = uint64_t{4}
                       << 30;   // limit of map memory, sparse; at most hive::kDataMaxSize
  uint32_t slots = 0;           // 0: four a CPU, 8 to kMaxSlots
  bool publish_session = true;  // make it visible to list_sessions()
};

// One live hive, as its session file says. The file lies in session_directory(), is named after the
// controller's pid and is locked by it, so that what a killed controller leaves is known as stale,
// and removed.
struct HiveSession {
  pid_t controller = 0;
  uint64_t controller_start = 0;
  int control_fd = -1, code_fd = -1, data_fd = -1;  // numbers in the controller
  uint64_t data_size = 0;
  std::string name;
  std::string file;
};

// $XDG_RUNTIME_DIR/skep, or /tmp/skep-<uid>: made with mode 0700 where absent; EPERM where it is
// another's.
[[nodiscard]] Result<std::string> session_directory();
// /proc/<pid>/stat field 22, in clock ticks since boot; 0 where there is no such process.
[[nodiscard]] uint64_t process_start_time(pid_t pid);
// Live hives of this user, oldest first; removes stale files.
[[nodiscard]] Result<std::vector<HiveSession>> list_sessions();

class Hive {
 public:
  // EEXIST where this process has a hive already or something else lies in its address range,
  // ENOMEM or ENOSPC where there is no room (the message names the limit that refused), EINVAL for
  // bad options.
  [[nodiscard]] static Result<std::unique_ptr<Hive>> create(const HiveOptions& options = {});
  // Maps another process's hive to look into it: control and code read-only, data read-write (map
  // updates by `skep map update` are data operations). ESRCH where the controller is gone.
  [[nodiscard]] static Result<std::unique_ptr<Hive>> open(const HiveSession& session);
  ~Hive();
  Hive(const Hive&) = delete;
  Hive& operator=(const Hive&) = delete;

  [[nodiscard]] bool controls() const { return controls_; }
  [[nodiscard]] int control_fd() const { return control_fd_.get(); }
  [[nodiscard]] int code_fd() const { return code_fd_.get(); }
  [[nodiscard]] int data_fd() const { return data_fd_.get(); }
  [[nodiscard]] uint64_t data_size() const { return data_size_; }
  [[nodiscard]] uint32_t slot_count() const { return slot_count_; }
  [[nodiscard]] hive::ControlHeader& control() const { return hive::control_header(); }

  // Maps a process page for this process, lets `fill` write it, and makes it read-only. Again:
  // replaces it.
  [[nodiscard]] Result<> map_process_page(const std::function<void(hive::ProcessPage&)>& fill);

  // ---- control objects (controller only; EPERM otherwise) ----
  // Zeroed, 64-byte aligned memory in the control segment, not yet visible as an object.
  [[nodiscard]] Result<void*> allocate_object(size_t size);
  // The next id of the kind, from 1; never given twice.
  [[nodiscard]] uint32_t take_id(hive::ObjectKind kind);
  // Makes it visible: its contents must be complete. One store publishes.
  [[nodiscard]] Result<> publish_object(hive::ObjectKind kind, uint32_t id, void* object,
                                        uint64_t user = 0);
  // Makes it invisible to new look-ups; the memory stays until free_object().
  void unpublish_object(hive::ObjectKind kind, uint32_t id);
  // Only after synchronize(): a bee may still hold its address.
  void free_object(void* object);
  // Published objects of a kind, by id; `fn` returns false to stop. The directory is checked as it
  // is read.
  void for_each_object(
      hive::ObjectKind kind,
      const std::function<bool(uint32_t id, void* object, uint64_t size)>& fn) const;
  [[nodiscard]] void* find_object(hive::ObjectKind kind, uint32_t id) const;
  void set_root(hive::Root root, const void* object);

  // ---- data memory (controller only) ----
  // Zeroed memory in the data segment. From a page on: page-aligned and its pages given back to the
  // system when freed; below: at least 64-byte aligned, never sharing a cache line. `reserve`
  // allocates the pages now, so that a later store can't fail: ENOMEM or ENOSPC here.
  [[nodiscard]] Result<void*> allocate_data(size_t size, bool reserve = false);
  // Only after synchronize().
  void free_data(void* memory);
  [[nodiscard]] uint64_t data_used() const;

  // ---- code memory (controller only) ----
  [[nodiscard]] CodeMemory& code_memory();

  // Waits until every bee that ran when this was called has left or is dead: what was unpublished
  // before is no longer reached by anyone. EBUSY at the limit (a bee's process is stopped): try
  // again later.
  [[nodiscard]] Result<> synchronize(
      std::chrono::milliseconds limit = std::chrono::milliseconds(200));
  // Runs `action` (a free, usually) once a grace period has passed; at once where no bee runs.
  // Actions that must wait run in a later call of defer() or run_deferred().
  void defer(std::function<void()> action);
  void run_deferred();

 private:
  struct Books;
  Hive() = default;
  [[nodiscard]] Result<> make_segments(const HiveOptions& options);
  [[nodiscard]] Result<> map_segments();
  [[nodiscard]] Result<> publish_session(const std::string& name);

  Fd control_fd_, code_fd_, data_fd_, session_fd_;
  std::string session_file_;
  uint64_t data_size_ = 0;
  uint32_t slot_count_ = 0;
  bool controls_ = false;
  bool mapped_ = false;
  bool process_page_ = false;
  std::byte* code_alias_ = nullptr;
  std::unique_ptr<Books> books_;
};

// A slot held for a scope, by library code (user-side map operations, runs in this process). Check
// it: all slots may be busy.
class HeldSlot {
 public:
  HeldSlot();
  ~HeldSlot();
  HeldSlot(const HeldSlot&) = delete;
  HeldSlot& operator=(const HeldSlot&) = delete;
  [[nodiscard]] explicit operator bool() const { return slot_ != hive::kNoSlot; }
  [[nodiscard]] uint32_t slot() const { return slot_; }

 private:
  uint32_t slot_;
};

}  // namespace skep
