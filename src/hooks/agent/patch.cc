#include "hooks/agent/patch.h"

#include <cstring>

#include "base/hive_control.h"
#include "base/raw_syscall.h"
#include "hooks/agent/module.h"
#include "hooks/agent/uprobe.h"
#include "hooks/attach_table.h"

namespace skep::agent {
namespace {

enum SiteState : uint32_t {
  kSiteFree = 0,
  kSiteCounting,
  kSiteRefused,
  kSitePatched,
  kSiteRestored
};
enum SiteForm : uint8_t { kFormMov, kFormSyscall };

struct Site {
  uint64_t address;  // of the syscall instruction
  uint64_t patch;    // where bytes were replaced
  uint64_t arena;    // its stub in the arena
  uint64_t near;     // its stub near the module
  uint64_t padding;  // form B: where the second jump lies
  uint64_t nr;       // form A: what the mov loads
  std::atomic<uint32_t> state;
  uint32_t hits;
  uint8_t form, size;  // bytes replaced at `patch`
  uint8_t original[8];
  uint8_t padding_original[8];
  uint8_t padding_bytes[8];
};

constexpr uint32_t kSites = 2048;  // a power of two
constexpr uint32_t kHot = 4;       // hits before a site is patched
Site sites[kSites];
std::atomic<uint32_t> patched_count;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kArena = hive::kAgentImage + 8 * hive::kMiB;
constexpr uint64_t kArenaSize = 8 * hive::kMiB;
constexpr uint64_t kArenaStub = 128, kNearStub = 32;
constexpr uint64_t kArenaSyscall = 44, kArenaAfter = 46;
uint64_t arena_used;

struct NearPage {
  uint64_t address;
  uint64_t used;
};
constexpr uint32_t kNearPages = 128;
NearPage near_pages[kNearPages];
uint32_t near_page_count;
bool sync_core_registered;

const hooks::AttachTable* table() {
  return reinterpret_cast<const hooks::AttachTable*>(hive::root(hive::Root::kSyscallHooks));
}

Site* find_site(uint64_t address, bool make) {
  auto hash = static_cast<uint32_t>((address * 0x9e3779b97f4a7c15u) >> 40);
  for (uint32_t i = 0; i < 16; ++i) {
    Site& site = sites[(hash + i) & (kSites - 1)];
    if (site.address == address && site.state.load(std::memory_order_acquire) != kSiteFree)
      return &site;
    if (site.state.load(std::memory_order_relaxed) == kSiteFree) {
      if (!make) return nullptr;
      site.address = address;
      site.hits = 0;
      site.state.store(kSiteCounting, std::memory_order_release);
      return &site;
    }
  }
  return nullptr;
}

int64_t protect(uint64_t address, uint64_t size, int protection) {
  uint64_t first = address & ~(kPage - 1);
  uint64_t length = ((address + size + kPage - 1) & ~(kPage - 1)) - first;
  return raw::syscall(kNrMprotect, static_cast<long>(first), static_cast<long>(length), protection);
}

uint32_t live_threads() {
  uint32_t count = 0;
  for (const Thread* thread = process.threads; thread != nullptr; thread = thread->next)
    count += thread->state == kThreadLive;
  return count;
}

// Every core sees the stores before this, and has dropped what it fetched earlier.
void serialize_cores() {
  constexpr long kSyncCore = 1 << 5;
  if (live_threads() > 1) raw::syscall(kNrMembarrier, kSyncCore, 0, 0);
}

bool can_serialize() {
  if (live_threads() <= 1) return true;
  constexpr long kRegister = 1 << 6;
  if (!sync_core_registered)
    sync_core_registered = !is_error(raw::syscall(kNrMembarrier, kRegister, 0, 0));
  return sync_core_registered;
}

void write_bytes(uint64_t address, const void* bytes, size_t size) {
  memcpy(reinterpret_cast<void*>(address), bytes, size);
}

// Writes a stub into a page that may hold others, in use.
bool write_stub(uint64_t address, const uint8_t* bytes, size_t size) {
  if (is_error(protect(address, size, kProtRead | kProtWrite | kProtExec))) return false;
  write_bytes(address, bytes, size);
  protect(address, size, kProtRead | kProtExec);
  return true;
}

uint64_t allocate_arena() {
  if (arena_used + kArenaStub > kArenaSize) return 0;
  uint64_t address = kArena + arena_used;
  if (arena_used % kPage == 0 &&
      is_error(raw::syscall(kNrMmap, static_cast<long>(address), kPage, kProtRead | kProtWrite,
                            kMapPrivate | kMapAnonymous | kMapFixedNoReplace, -1, 0)))
    return 0;
  arena_used += kArenaStub;
  return address;
}

bool reaches(uint64_t from, uint64_t to) {
  auto distance = static_cast<int64_t>(to - from);
  return distance > -0x7fff0000 && distance < 0x7fff0000;
}

// A page within 2 GiB: below the module first, closely; above an executable its heap grows.
uint64_t map_near(const Module& module) {
  uint64_t base = module.begin & ~uint64_t{0xffff};
  for (uint64_t step : {uint64_t{0x10000}, uint64_t{0x100000}, uint64_t{0x1000000}}) {
    for (uint64_t i = 1; i <= 100; ++i) {
      uint64_t distance = step * i + kPage;
      if (distance > 0x60000000 || base < distance + 0x10000) break;
      int64_t result =
          raw::syscall(kNrMmap, static_cast<long>(base - distance), kPage, kProtRead | kProtWrite,
                       kMapPrivate | kMapAnonymous | kMapFixedNoReplace, -1, 0);
      if (!is_error(result)) return static_cast<uint64_t>(result);
    }
  }
  return 0;
}

uint64_t allocate_near(const Module& module, uint64_t from) {
  for (uint32_t i = 0; i < near_page_count; ++i) {
    NearPage& page = near_pages[i];
    if (page.used + kNearStub > kPage || !reaches(from, page.address)) continue;
    page.used += kNearStub;
    return page.address + page.used - kNearStub;
  }
  if (near_page_count == kNearPages) return 0;
  uint64_t address = map_near(module);
  if (address == 0 || !reaches(from, address)) return 0;
  near_pages[near_page_count++] = {.address = address, .used = kNearStub};
  return address;
}

class Code {
 public:
  Code& bytes(std::initializer_list<uint8_t> list) {
    for (uint8_t byte : list) out_[size_++] = byte;
    return *this;
  }
  Code& copy(const uint8_t* from, size_t size) {
    for (size_t i = 0; i < size; ++i) out_[size_++] = from[i];
    return *this;
  }
  Code& u64(uint64_t value) {
    for (int i = 0; i < 8; ++i) out_[size_++] = static_cast<uint8_t>(value >> (8 * i));
    return *this;
  }
  Code& rel32(uint64_t from_end, uint64_t to) {
    auto distance = static_cast<uint32_t>(to - from_end);
    for (int i = 0; i < 4; ++i) out_[size_++] = static_cast<uint8_t>(distance >> (8 * i));
    return *this;
  }
  [[nodiscard]] const uint8_t* data() const { return out_; }
  [[nodiscard]] size_t size() const { return size_; }

 private:
  uint8_t out_[128] = {};
  size_t size_ = 0;
};

bool write_arena_stub(const Site& site) {
  uint64_t back = site.address + 2;
  Code code;
  code.bytes({0x0f, 0xb7, 0xc8});                           // movzx ecx, ax
  code.bytes({0x49, 0xbb}).u64(address_of(table()->seen));  // mov r11, seen
  code.bytes({0x41, 0x0f, 0xb6, 0x0c, 0x0b});               // movzx ecx, byte [r11 + rcx]
  code.bytes({0xe3, 0x0f});                                 // jrcxz syscall
  code.bytes({0x48, 0xb9}).u64(back);                       // mov rcx, back
  code.bytes({0xe9}).rel32(site.arena + 35, address_of(agent_entry));  // jmp agent_entry
  code.bytes({0x65, 0x48, 0x89, 0x04, 0x25, F_NR, 0, 0, 0});  // mov gs:[F_NR], rax: for a kick
  code.bytes({0x0f, 0x05});                                   // syscall
  code.bytes({0xff, 0x25, 0, 0, 0, 0}).u64(back);             // jmp [rip]
  while (code.size() < kArenaStub - 8) code.bytes({0xcc});
  code.u64(address_of(&site));
  return code.size() == kArenaStub && write_stub(site.arena, code.data(), code.size());
}

bool write_near_stub(const Site& site) {
  Code code;
  if (site.form == kFormMov) code.copy(site.original, site.size);
  code.bytes({0xff, 0x25, 0, 0, 0, 0}).u64(site.arena);
  return write_stub(site.near, code.data(), code.size());
}

// Chooses the form: what is replaced, and by what.
bool plan(Site& site, const Module& module, uint64_t nr) {
  uint8_t before[9];
  if (site.address - module.begin < 7 || !copy_in(before, site.address - 7, sizeof before))
    return false;
  if (before[7] != 0x0f || before[8] != 0x05) return false;
  uint32_t imm;
  memcpy(&imm, before + 3, sizeof imm);
  bool mov64 = before[0] == 0x48 && before[1] == 0xc7 && before[2] == 0xc0;
  // A REX or operand-size prefix would make another instruction of it; and it must have loaded what was called.
  bool mov32 = before[2] == 0xb8 && (before[1] < 0x41 || before[1] > 0x4f) && before[1] != 0x66 &&
               before[1] != 0x0f;
  if ((mov32 || mov64) && imm == nr && imm < hooks::kSyscallLimit) {
    site.form = kFormMov;
    site.size = mov64 ? 7 : 5;
    site.patch = site.address - site.size;
    site.nr = imm;
    memcpy(site.original, before + 7 - site.size, site.size);
    return true;
  }
  site.form = kFormSyscall;
  site.size = 2;
  site.patch = site.address;
  site.original[0] = 0x0f;
  site.original[1] = 0x05;
  site.padding =
      find_padding(module, site.address, site.address + 2 - 128, site.address + 2 + 127, 5);
  return site.padding != 0 && copy_in(site.padding_original, site.padding, 5);
}

bool overlaps_others(const Site& site) {
  if (uprobe_overlaps(site.patch, site.size) ||
      (site.padding != 0 && uprobe_overlaps(site.padding, 5)))
    return true;
  return sites_overlap(site.patch, site.size) ||
         (site.padding != 0 && sites_overlap(site.padding, 5));
}

bool patch(Site& site, uint64_t nr) {
  const Module* module = find_module(site.address);
  site.padding = 0;
  if (module == nullptr || !plan(site, *module, nr) || overlaps_others(site) || !can_serialize())
    return false;
  site.near = allocate_near(*module, site.patch);
  if (site.near == 0) return false;
  site.arena = allocate_arena();
  if (site.arena == 0 || !write_arena_stub(site) || !write_near_stub(site)) return false;
  Code code;
  if (site.form == kFormMov) {
    code.bytes({0xe9}).rel32(site.patch + 5, site.near);
    code.copy(site.original + 5, site.size - 5u);  // never reached
  } else {
    Code hop;
    hop.bytes({0xe9}).rel32(site.padding + 5, site.near);
    memcpy(site.padding_bytes, hop.data(), 5);
    if (is_error(protect(site.padding, 5, kProtRead | kProtWrite | kProtExec))) return false;
    write_bytes(site.padding, hop.data(), 5);
    protect(site.padding, 5, kProtRead | kProtExec);
    code.bytes({0xeb, static_cast<uint8_t>(site.padding - (site.address + 2))});
  }
  site.state.store(kSitePatched, std::memory_order_release);
  if (patch_code(site.patch, code.data(), code.size())) {
    patched_count.fetch_add(1, std::memory_order_release);
    return true;
  }
  return false;
}

}  // namespace

bool patch_code(uint64_t address, const uint8_t* bytes, size_t size) {
  if (is_error(protect(address, size, kProtRead | kProtWrite | kProtExec))) return false;
  auto* first = reinterpret_cast<std::atomic<uint8_t>*>(address);
  serialize_cores();  // whoever traps from here on finds what was recorded before
  first->store(0xcc, std::memory_order_seq_cst);
  serialize_cores();
  write_bytes(address + 1, bytes + 1, size - 1);
  serialize_cores();
  first->store(bytes[0], std::memory_order_seq_cst);
  serialize_cores();
  protect(address, size, kProtRead | kProtExec);
  return true;
}

bool patch_trapped(Thread*, SignalContext* context) {
  uint64_t at = context->rip - 1;
  for (Site& site : sites) {
    uint32_t state = site.state.load(std::memory_order_acquire);
    if (site.patch != at || (state != kSitePatched && state != kSiteRestored)) continue;
    if (site.form == kFormMov) {
      context->rax = site.nr;
      context->rip = site.address;
    } else {
      context->rip = site.arena;
    }
    return true;
  }
  return false;
}

void sites_caught(Thread* thread, SignalContext* context) {
  const hooks::AttachTable* t = table();
  if (t == nullptr || (t->flags & hooks::kPatchSites) == 0 || process.detached ||
      process.confined || thread->vfork_child)
    return;
  Site* site = find_site(context->rip - 2, true);
  if (site == nullptr || site->state.load(std::memory_order_relaxed) != kSiteCounting ||
      ++site->hits < kHot)
    return;
  uint32_t free = 0;
  if (!process.patch_lock.compare_exchange_strong(free, thread->tid, std::memory_order_acquire))
    return;
  if (site->state.load() == kSiteCounting && !patch(*site, context->rax))
    site->state.store(kSiteRefused, std::memory_order_release);
  process.patch_lock.store(0, std::memory_order_release);
}

bool sites_after_call(const SignalContext* context, uint64_t* nr) {
  uint64_t rip = context->rip;
  if (rip < kArena || rip >= kArena + arena_used || (rip & (kArenaStub - 1)) != kArenaAfter)
    return false;
  *nr = this_thread()->frame.nr;
  return true;
}

bool sites_leave(SignalContext* context) {
  uint64_t rip = context->rip;
  if (rip >= kArena && rip < kArena + arena_used) {
    uint64_t stub = rip & ~(kArenaStub - 1);
    const auto* site = *reinterpret_cast<const Site* const*>(stub + kArenaStub - 8);
    context->rip = rip - stub <= kArenaSyscall ? site->address : site->address + 2;
    return true;
  }
  for (uint32_t i = 0; i < near_page_count; ++i) {
    if (rip < near_pages[i].address || rip >= near_pages[i].address + kPage) continue;
    uint64_t stub = rip & ~(kNearStub - 1);
    for (const Site& site : sites) {
      if (site.near != stub || site.state.load(std::memory_order_relaxed) < kSitePatched) continue;
      if (site.form == kFormMov) context->rax = site.nr;
      context->rip = site.address;
      return true;
    }
  }
  return false;
}

void sites_unmapped(uint64_t address, uint64_t size) {
  forget_modules(address, size);
  if (patched_count.load(std::memory_order_relaxed) == 0) return;
  for (Site& site : sites) {
    if (site.state.load(std::memory_order_relaxed) == kSiteFree || site.address < address ||
        site.address - address >= size)
      continue;
    // The place in the table stays taken, so that a search goes past it; nothing is found there again.
    site.address = ~uint64_t{0};
    site.patch = ~uint64_t{0};
    site.state.store(kSiteRefused, std::memory_order_release);
  }
}

bool sites_overlap(uint64_t address, uint64_t size) {
  for (const Site& site : sites) {
    if (site.state.load(std::memory_order_relaxed) != kSitePatched) continue;
    if (site.patch < address + size && address < site.patch + site.size) return true;
    if (site.padding != 0 && site.padding < address + size && address < site.padding + 5)
      return true;
  }
  return false;
}

void sites_restore() {
  for (Site& site : sites) {
    if (site.state.load() != kSitePatched) continue;
    site.state.store(kSiteRestored, std::memory_order_release);
    patch_code(site.patch, site.original, site.size);
    if (site.padding != 0 &&
        !is_error(protect(site.padding, 5, kProtRead | kProtWrite | kProtExec))) {
      write_bytes(site.padding, site.padding_original, 5);
      protect(site.padding, 5, kProtRead | kProtExec);
    }
  }
}

}  // namespace skep::agent
