// What lies in the control segment: a header, a directory of objects, then the objects themselves.
// The controlling process writes it; every other process maps it read-only, so its words can be
// trusted by whoever trusts the controller. Freestanding: the agent compiles this.
//
//   kControl + 0       ControlHeader         4 KiB
//   kControl + 4 KiB   ObjectEntry[65536]    2 MiB    one an object; published by one store of `kind`
//   kControl + 4 MiB   objects               60 MiB   MapHeader, ProgHeader, attach tables, …
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/hive_layout.h"
#include "base/shared.h"

namespace skep::hive {

// What an object in the control segment is. base/ knows the numbers, never the contents.
enum class ObjectKind : uint32_t {
  kFree = 0,  // the entry names nothing (any more)
  kMap = 1,   // MapHeader
  kProg = 2,  // ProgHeader
  kLink = 3,
  kAttachTable = 4,
  kBtf = 5,
  kMapMemory = 6,  // maps whose elements no traced process may write: prog arrays, maps of maps
  kOther = 7,
};
inline constexpr uint32_t kObjectKinds = 8;

struct ObjectEntry {
  Shared<uint32_t> kind;  // ObjectKind; the last store of publishing, the first of removing
  uint32_t id;            // of its kind; increasing, never reused while the hive lives
  uint64_t address;       // in the control segment
  uint64_t size;          // bytes
  uint64_t user;          // the publisher's own
};
static_assert(sizeof(ObjectEntry) == 32);

// Words that rooms above publish their roots in (the address of a control object, or 0).
enum class Root : uint32_t {
  kSyscallHooks = 0,
  kUprobes = 1,
  kCgroupHooks = 2,
  kAgent = 3,
  kSession = 4,
  kPrintk = 5,
  kTaskStorages = 6,  // maps/local_storage.h
  kCgroup = 7,        // object/task_view.h
  kHeap = 8,          // object/heap.h
  kEngineTypes = 9,   // object/value_fields.h
  kTimers = 10,       // object/timers.h
};
inline constexpr uint32_t kRoots = 16;

inline constexpr uint64_t kControlMagic = 0x3165766968'70656b;  // "kephive1"
inline constexpr uint32_t kControlVersion = 1;
inline constexpr uint32_t kMaxObjects = 65536;

struct ControlHeader {
  Shared<uint64_t>
      magic;  // kControlMagic once all below is filled in; 0 when the hive is being torn down
  uint32_t version;
  uint32_t slot_count;  // below or equal kMaxSlots
  uint32_t controller_pid;
  uint32_t controller_uid;
  uint64_t controller_start;      // /proc/<pid>/stat field 22, so that a reused pid is recognised
  uint64_t data_size;             // bytes of the data segment's mapping
  uint64_t session;               // random
  Shared<uint32_t> objects_used;  // directory entries ever used: where a scan may stop
  Shared<uint32_t> next_id[kObjectKinds];
  Shared<uint64_t> roots[kRoots];
  char name[64];
};
static_assert(sizeof(ControlHeader) <= 4096);

inline constexpr uint64_t kDirectory = kControl + 4096;
inline constexpr uint64_t kObjects = kControl + 4 * kMiB;
static_assert(kDirectory + kMaxObjects * sizeof(ObjectEntry) <= kObjects);

// Only where a hive is mapped.
inline ControlHeader& control_header() { return *reinterpret_cast<ControlHeader*>(kControl); }
inline ObjectEntry* directory() { return reinterpret_cast<ObjectEntry*>(kDirectory); }
inline uint64_t root(Root which) {
  return control_header().roots[static_cast<uint32_t>(which)].load(std::memory_order_acquire);
}

// True where [address, address + size) lies in the data segment: for words read from memory that a
// traced process can write.
inline bool in_data(uint64_t address, uint64_t size) {
  uint64_t limit = control_header().data_size;
  return address >= kData && size <= limit && address - kData <= limit - size;
}
inline bool in_control(uint64_t address, uint64_t size) {
  return address >= kControl && size <= kControlSize && address - kControl <= kControlSize - size;
}

}  // namespace skep::hive
