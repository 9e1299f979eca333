// The hive's allocators and its grace periods. All books are the controller's own (Hive::Books).
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>

#include <bit>
#include <cstring>

#include "base/allocation_faults.h"
#include "base/hive_books.h"

namespace skep {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kControlGranule = 64;

uint64_t round_up(uint64_t size, uint64_t to) { return (size + to - 1) & ~(to - 1); }

std::function<bool()>& refused() {
  static std::function<bool()> asked;
  return asked;
}
// A test's doing: allocation_faults.h.
bool is_refused() { return refused() && refused()(); }

// The bees that run now.
std::vector<std::pair<uint32_t, uint32_t>> running_bees() {
  // Pairs with the barrier in claim()'s CAS: a bee not seen here sees what was unpublished before.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  std::vector<std::pair<uint32_t, uint32_t>> bees;
  for (uint32_t i = 0; i < hive::slot_count(); ++i) {
    hive::Slot& slot = hive::slot_table().slots[i];
    uint32_t generation = slot.generation.load();
    if (slot.owner.load() != 0) bees.emplace_back(i, generation);
  }
  return bees;
}

// Drops those that have left; those whose thread is dead too, where `check_dead`.
bool all_left(std::vector<std::pair<uint32_t, uint32_t>>& bees, bool check_dead) {
  std::erase_if(bees, [&](const auto& bee) {
    hive::Slot& slot = hive::slot_table().slots[bee.first];
    uint64_t owner = slot.owner.load();
    if (owner == 0 || slot.generation.load() != bee.second) return true;
    return check_dead &&
           raw::thread_is_dead(static_cast<uint32_t>(owner >> 32), static_cast<uint32_t>(owner));
  });
  return bees.empty();
}

}  // namespace

void hive::refuse_allocations(std::function<bool()> asked) { refused() = std::move(asked); }

// ---- control objects ----

Result<void*> Hive::allocate_object(size_t size) {
  if (!controls_) return fail(EPERM, "only the controlling process may make objects in the hive");
  size = round_up(size, kControlGranule);
  std::lock_guard lock(books_->mutex);
  uint64_t address = is_refused() ? 0 : books_->objects.allocate(size, kControlGranule);
  if (address == 0)
    return fail(ENOMEM, "the hive's control segment has no room for {} bytes more ({} KiB in use)",
                size, books_->objects.used() >> 10);
  std::memset(reinterpret_cast<void*>(address), 0, size);
  return reinterpret_cast<void*>(address);
}

uint32_t Hive::take_id(hive::ObjectKind kind) {
  return control().next_id[static_cast<uint32_t>(kind)].fetch_add(1) + 1;
}

Result<> Hive::publish_object(hive::ObjectKind kind, uint32_t id, void* object, uint64_t user) {
  if (!controls_) return fail(EPERM, "only the controlling process may make objects in the hive");
  std::lock_guard lock(books_->mutex);
  auto address = reinterpret_cast<uint64_t>(object);
  uint64_t size = books_->objects.size_of(address);
  if (size == 0) return fail(EINVAL, "publishing what is no object of the hive");
  uint32_t index;
  uint32_t used = control().objects_used.load();
  if (!books_->free_entries.empty()) {
    index = books_->free_entries.back();
    books_->free_entries.pop_back();
  } else if (used < hive::kMaxObjects) {
    index = used;
  } else {
    return fail(ENOSPC, "the hive has {} objects already", hive::kMaxObjects);
  }
  hive::ObjectEntry& entry = hive::directory()[index];
  hive::kill_point();
  entry.id = id;
  entry.address = address;
  entry.size = size;
  entry.user = user;
  entry.kind.store(static_cast<uint32_t>(kind), std::memory_order_release);
  if (index == used) control().objects_used.store(used + 1, std::memory_order_release);
  return {};
}

void Hive::unpublish_object(hive::ObjectKind kind, uint32_t id) {
  if (!controls_) return;
  std::lock_guard lock(books_->mutex);
  for (uint32_t i = 0; i < control().objects_used.load(); ++i) {
    hive::ObjectEntry& entry = hive::directory()[i];
    if (entry.kind.load() != static_cast<uint32_t>(kind) || entry.id != id) continue;
    entry.kind.store(0);
    books_->free_entries.push_back(i);
    return;
  }
}

void Hive::free_object(void* object) {
  if (!controls_ || object == nullptr) return;
  std::lock_guard lock(books_->mutex);
  books_->objects.free(reinterpret_cast<uint64_t>(object));
}

void Hive::for_each_object(hive::ObjectKind kind,
                           const std::function<bool(uint32_t, void*, uint64_t)>& fn) const {
  struct Found {
    uint32_t id;
    uint64_t address, size;
  };
  std::vector<Found> found;
  uint32_t used =
      std::min(control().objects_used.load(std::memory_order_acquire), hive::kMaxObjects);
  for (uint32_t i = 0; i < used; ++i) {
    hive::ObjectEntry& entry = hive::directory()[i];
    if (entry.kind.load(std::memory_order_acquire) != static_cast<uint32_t>(kind)) continue;
    Found object{entry.id, entry.address, entry.size};
    if (hive::in_control(object.address, object.size) && object.address % kControlGranule == 0)
      found.push_back(object);
  }
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.id < b.id; });
  for (const Found& object : found)
    if (!fn(object.id, reinterpret_cast<void*>(object.address), object.size)) return;
}

void* Hive::find_object(hive::ObjectKind kind, uint32_t id) const {
  uint32_t used =
      std::min(control().objects_used.load(std::memory_order_acquire), hive::kMaxObjects);
  for (uint32_t i = 0; i < used; ++i) {
    hive::ObjectEntry& entry = hive::directory()[i];
    if (entry.kind.load(std::memory_order_acquire) != static_cast<uint32_t>(kind) || entry.id != id)
      continue;
    uint64_t address = entry.address;
    if (!hive::in_control(address, entry.size) || address % kControlGranule != 0) return nullptr;
    return reinterpret_cast<void*>(address);
  }
  return nullptr;
}

void Hive::set_root(hive::Root root, const void* object) {
  if (!controls_) return;
  control().roots[static_cast<uint32_t>(root)].store(reinterpret_cast<uint64_t>(object));
}

// ---- data memory ----

Result<void*> Hive::allocate_data(size_t size, bool reserve) {
  if (!controls_) return fail(EPERM, "only the controlling process may allocate the hive's memory");
  if (size == 0) return fail(EINVAL, "allocating nothing in the hive");
  std::lock_guard lock(books_->mutex);
  auto no_room = [&](uint64_t wanted) {
    return std::unexpected<Error>(
        Error(ENOMEM, fmt::format("the hive's data segment has no room for {} KiB more: {} of {} "
                                  "MiB are in use",
                                  wanted >> 10, books_->data.used() >> 20, data_size_ >> 20))
            .with_hint("make the hive larger, or its maps smaller"));
  };
  if (is_refused()) return no_room(size);
  if (size < kPage / 2 + 1) {
    size_t size_class = size <= 64 ? 0 : std::bit_width((size - 1) >> 6);
    uint64_t block = uint64_t{64} << size_class;
    auto& blocks = books_->small_free[size_class];
    if (blocks.empty()) {
      uint64_t slab = books_->data.allocate(kPage, kPage);
      if (slab == 0) return no_room(kPage);
      for (uint64_t offset = kPage; offset > 0; offset -= block)
        blocks.push_back(slab + offset - block);
    }
    uint64_t address = blocks.back();
    blocks.pop_back();
    books_->small_class[address] = static_cast<uint8_t>(size_class);
    std::memset(reinterpret_cast<void*>(address), 0, block);
    return reinterpret_cast<void*>(address);
  }
  if (size > data_size_) return no_room(size);
  uint64_t length = round_up(size, kPage);
  uint64_t address = books_->data.allocate(length, kPage);
  if (address == 0) return no_room(length);
  if (reserve &&
      ::fallocate(data_fd_.get(), 0, static_cast<off_t>(address - hive::kData),
                  static_cast<off_t>(length)) != 0 &&
      errno != EOPNOTSUPP && errno != EINTR) {
    int code = errno;
    books_->data.free(address);
    return fail_errno(code, "allocating {} KiB of the hive's memory", length >> 10);
  }
  return reinterpret_cast<void*>(address);
}

void Hive::free_data(void* memory) {
  if (!controls_ || memory == nullptr) return;
  auto address = reinterpret_cast<uint64_t>(memory);
  std::lock_guard lock(books_->mutex);
  if (auto small = books_->small_class.find(address); small != books_->small_class.end()) {
    books_->small_free[small->second].push_back(address);
    books_->small_class.erase(small);
    return;
  }
  uint64_t length = books_->data.size_of(address);
  if (length == 0) return;
  // Holes read as zeroes: the next user finds the memory as new.
  if (::madvise(memory, length, MADV_REMOVE) != 0) std::memset(memory, 0, length);
  books_->data.free(address);
}

uint64_t Hive::data_used() const {
  if (!books_) return 0;
  std::lock_guard lock(books_->mutex);
  return books_->data.used();
}

// ---- code memory ----

CodeMemory& Hive::code_memory() { return books_->code; }

Result<CodeBlock> HiveCodeMemory::allocate(size_t size) {
  if (size == 0 || size > hive::kCodeSize)
    return fail(EINVAL, "a block of native code of {} bytes", size);
  std::lock_guard lock(mutex_);
  uint64_t length = round_up(size, 64);
  uint64_t address = is_refused() ? 0 : extents_.allocate(length, 64);
  if (address == 0)
    return fail(ENOMEM, "the hive's code segment has no room for {} bytes more", size);
  return CodeBlock{alias_ + (address - hive::kCode), address, length};
}

void HiveCodeMemory::free(const CodeBlock& block) {
  std::lock_guard lock(mutex_);
  uint64_t length = extents_.size_of(block.address);
  if (length == 0) return;
  // A jump that still leads here traps instead of running what comes next.
  std::memset(alias_ + (block.address - hive::kCode), kTrapByte, length);
  extents_.free(block.address);
}

// ---- grace periods ----

Result<> Hive::synchronize(std::chrono::milliseconds limit) {
  auto bees = running_bees();
  const auto end = std::chrono::steady_clock::now() + limit;
  for (uint32_t round = 0;; ++round) {
    if (all_left(bees, round % 8 == 7)) return {};
    if (round < 64) {
      ::sched_yield();
    } else {
      if (std::chrono::steady_clock::now() >= end) {
        if (all_left(bees, true)) return {};
        return fail(EBUSY,
                    "{} programs still run in the hive after {} ms (is their process stopped?)",
                    bees.size(), limit.count());
      }
      timespec pause{0, 200'000};
      ::nanosleep(&pause, nullptr);
    }
  }
}

void Hive::defer(std::function<void()> action) {
  if (!controls_) return;
  auto bees = running_bees();
  if (bees.empty()) {
    action();
  } else {
    std::lock_guard lock(books_->mutex);
    books_->deferred.emplace_back(std::move(bees), std::move(action));
  }
  run_deferred();
}

void Hive::run_deferred() {
  if (!controls_) return;
  std::vector<std::function<void()>> ready;
  {
    std::lock_guard lock(books_->mutex);
    std::erase_if(books_->deferred, [&](auto& waiting) {
      if (!all_left(waiting.first, true)) return false;
      ready.push_back(std::move(waiting.second));
      return true;
    });
  }
  for (auto& action : ready) action();  // without the lock: they free memory
}

}  // namespace skep
