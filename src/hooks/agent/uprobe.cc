#include "hooks/agent/uprobe.h"

#include <cstring>

#include "base/hive_control.h"
#include "base/raw_syscall.h"
#include "base/slots.h"
#include "hooks/agent/return_stack.h"
#include "hooks/agent/semaphore.h"
#include "hooks/agent/trampoline.h"
#include "hooks/agent/uprobe_offsets.h"
#include "hooks/probe_record.h"
#include "object/prog_header.h"
#include "spec/context_layout.h"

namespace skep::agent {

static_assert(offsetof(Thread, uprobe_rsp) == U_RSP && offsetof(Thread, uprobe_resume) == U_RESUME);

using hooks::ProbeAttachment;
using hooks::ProbeKind;
using hooks::ProbeRole;
using hooks::ProbeSite;
using hooks::ProbeStatus;
using hooks::ProbeTable;
using spec::PtRegs;
using Returns = ReturnStack<2048>;

extern "C" {
extern char agent_uprobe[], agent_uprobe_saved[], agent_uprobe_tail[], agent_uprobe_tail_end[],
    agent_uretprobe[], agent_uretprobe_saved[], agent_uretprobe_tail[], agent_uretprobe_tail_end[];
}

namespace {

// A patched place of this process. Its index is in its trampoline.
struct ActiveSite {
  const ProbeSite* site;  // null: free
  uint64_t address;       // of the probed instruction
  uint64_t trampoline;    // 0: could not be patched
  uint64_t region;        // the mapping that the trampoline lies in, and its size
  uint64_t region_size;
  bool patched;
  const Thread* doomed_by;  // its mapping is being unmapped by that thread
};
constexpr uint32_t kMaxActive = 1024;
constexpr uint64_t kPage = 4096;

ActiveSite active[kMaxActive];
uint32_t active_count;  // active[0..count) have been used

const ProbeTable* table() {
  return reinterpret_cast<const ProbeTable*>(hive::root(hive::Root::kUprobes));
}
uint32_t site_count(const ProbeTable* t) {
  uint32_t count = __atomic_load_n(&t->count, __ATOMIC_ACQUIRE);
  return count < hooks::kMaxProbeSites ? count : hooks::kMaxProbeSites;
}
bool ready(const ProbeSite& site) {
  return __atomic_load_n(&site.state, __ATOMIC_ACQUIRE) == hooks::kSiteReady;
}
ProbeStatus* status_of(const ProbeSite* site) {
  const ProbeTable* t = table();
  if (t == nullptr || !hive::in_data(t->status, sizeof(ProbeStatus) * hooks::kMaxProbeSites))
    return nullptr;
  return reinterpret_cast<ProbeStatus*>(t->status) + (site - t->sites);
}
template <class Field>
void count(const ProbeSite* site, Field ProbeStatus::* field) {
  if (ProbeStatus* status = status_of(site))
    __atomic_fetch_add(&(status->*field), 1, __ATOMIC_RELAXED);
}

struct ProgramMemory {
  bool read(uint64_t address, uint64_t& value) const { return copy_in(&value, address, 8); }
  bool write(uint64_t address, uint64_t value) const { return copy_out(address, &value, 8); }
};

uint64_t trampoline_of_returns() { return address_of(agent_uretprobe); }

// ---- running programs ----

// The CPU's number, by the one instruction that gives it fast; else the slot that was free last time. (The
// kernel's older ways, lsl and rdtscp, take longer than all the rest of a probe.)
bool has_rdpid;
void look_for_rdpid() {
  uint32_t a = 7, b, c = 0, d;
  asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  has_rdpid = (c >> 22 & 1) != 0;
}
uint32_t preferred_slot(const Thread* thread) {
  if (!has_rdpid) return thread->slot_hint;
  uint64_t cpu;
  asm("rdpid %0" : "=r"(cpu));
  return static_cast<uint32_t>(cpu & 0xfff);
}

uint64_t call_native(HelperContext* context, uint64_t entry, uint64_t r1, uint64_t r2, uint64_t r3,
                     uint64_t r4, uint64_t r5) {
  return reinterpret_cast<HelperFn>(entry)(r1, r2, r3, r4, r5, context);
}

// Runs the site's programs for `when`, but those in `skip`, as one bee. Returns the attachments, by bit,
// that want no return run: session programs that returned other than 0.
uint64_t run_programs(Thread* thread, const ProbeSite& site, PtRegs* regs, uint64_t function,
                      uint32_t when, uint64_t skip) {
  uint32_t slot = hive::claim(preferred_slot(thread), thread->owner);
  if (slot == hive::kNoSlot) return 0;
  thread->slot_hint = slot;
  HelperContext context;
  context.host = &host_ops;
  context.slot = slot;
  context.ctx = regs;
  context.regs = regs;
  context.func_ip = function;
  context.host_data = thread;
  context.call_bpf = call_native;
  uint64_t declined = 0;
  uint32_t limit = __atomic_load_n(&site.attachment_limit, __ATOMIC_ACQUIRE);
  if (limit > hooks::kMaxAttachments) limit = hooks::kMaxAttachments;
  for (uint32_t i = 0; i < limit; ++i) {
    const ProbeAttachment& attachment = site.attachments[i];
    uint64_t address = __atomic_load_n(&attachment.program, __ATOMIC_ACQUIRE);
    if (address == 0 || (attachment.when & when) == 0 || (skip >> i & 1) != 0) continue;
    const auto* program = reinterpret_cast<const ProgHeader*>(address);
    if (program->magic != kProgMagic) continue;
    context.program = program;
    context.attach_cookie = attachment.cookie;
    context.tail_calls = 0;
    uint64_t result = reinterpret_cast<ProgEntry>(program->entry)(regs, &context);
    if ((attachment.when & hooks::kSession) != 0 && static_cast<uint32_t>(result) != 0)
      declined |= uint64_t{1} << i;
  }
  hive::release(slot);
  return declined;
}

// ---- return addresses ----

Returns* returns_of(Thread* thread, bool make) {
  if (thread->return_stack == nullptr && make) {
    long memory = raw::syscall(kNrMmap, 0, sizeof(Returns), kProtRead | kProtWrite,
                               kMapPrivate | kMapAnonymous | kMapNoReserve, -1, 0);
    if (is_error(memory)) return nullptr;
    thread->return_stack = reinterpret_cast<void*>(memory);
  }
  return static_cast<Returns*>(thread->return_stack);
}

void replace_return_address(Thread* thread, const ProbeSite& site, const PtRegs* regs,
                            uint64_t function, uint64_t skip) {
  ProgramMemory memory;
  uint64_t real;
  Returns* returns = returns_of(thread, true);
  if (returns == nullptr || !memory.read(regs->rsp, real)) {
    count(&site, &ProbeStatus::missed_returns);
    return;
  }
  ReturnEntry* entry = returns->push(regs->rsp, real, trampoline_of_returns(), memory);
  if (entry == nullptr) {
    count(&site, &ProbeStatus::missed_returns);
    return;
  }
  entry->site = address_of(&site);
  entry->function = function;
  entry->skip = skip;
  if (!memory.write(regs->rsp, trampoline_of_returns())) returns->pop();
}

// The function may have been entered on one thread and be left on another (coroutines); the first may have
// ended, but records and their return stacks stay.
bool take_from_others(uint64_t slot, ReturnEntry& entry) {
  SpinLock lock(process.threads_lock);
  ProgramMemory memory;
  for (Thread* other = process.threads; other != nullptr; other = other->next)
    if (other->return_stack != nullptr && static_cast<Returns*>(other->return_stack)
                                              ->take(slot, trampoline_of_returns(), entry, memory))
      return true;
  return false;
}

void on_unwinder(Thread* thread, ProbeRole role, const PtRegs* regs) {
  Returns* returns = returns_of(thread, false);
  if (returns == nullptr || returns->count() == 0) return;
  constexpr uint64_t kReach = uint64_t{64}
                              << 20;  // nothing that far down belongs to the same stack
  switch (role) {
    case ProbeRole::programs: break;
    case ProbeRole::unwinder_enter:
      returns->reveal(regs->rsp, trampoline_of_returns(), ProgramMemory());
      break;
    case ProbeRole::unwinder_leave:
      if (!process.detached)
        returns->hide(regs->rsp, kReach, trampoline_of_returns(), ProgramMemory());
      break;
    case ProbeRole::unwinder_leave_rcx:
      if (!process.detached)
        returns->hide(regs->rcx + 8, kReach, trampoline_of_returns(), ProgramMemory());
      break;
  }
}

void complete(PtRegs* regs, const Thread* thread, uint64_t rip) {
  constexpr uint64_t kUserCode = 0x33, kUserStack = 0x2b;
  regs->orig_rax = ~uint64_t{0};
  regs->rip = rip;
  regs->cs = kUserCode;
  regs->rsp = thread->uprobe_rsp;
  regs->ss = kUserStack;
}

}  // namespace

extern "C" void agent_on_uprobe(PtRegs* regs, uint32_t index) {
  Thread* thread = this_thread();
  const ActiveSite& here = active[index];
  complete(regs, thread, here.address);
  thread->uprobe_resume = here.trampoline + kTrampolineHead;
  const ProbeSite* site = here.site;
  if (site == nullptr || process.detached) [[unlikely]]
    return;
  if (site->role != ProbeRole::programs) [[unlikely]]
    on_unwinder(thread, site->role, regs);
  uint32_t when = __atomic_load_n(&site->when, __ATOMIC_ACQUIRE);
  uint64_t declined = 0;
  if ((when & hooks::kOnEntry) != 0)
    declined = run_programs(thread, *site, regs, here.address, hooks::kOnEntry, 0);
  if ((when & hooks::kOnReturn) != 0)
    replace_return_address(thread, *site, regs, here.address, declined);
}

extern "C" void agent_on_uretprobe(PtRegs* regs) {
  Thread* thread = this_thread();
  uint64_t slot = thread->uprobe_rsp - 8;
  ReturnEntry entry;
  Returns* returns = returns_of(thread, false);
  if ((returns == nullptr ||
       !returns->take(slot, trampoline_of_returns(), entry, ProgramMemory())) &&
      !take_from_others(slot, entry)) {
    // Nobody knows where this function was called from: the program copied a replaced return address
    // elsewhere. The kernel's uretprobes answer with SIGILL too.
    constexpr int kSigIll = 4;
    KernelSigaction by_default{};
    raw::syscall(kNrRtSigaction, kSigIll, static_cast<long>(address_of(&by_default)), 0, 8);
    raw::syscall(kNrTgkill, thread->pid, thread->tid, kSigIll);
    uint64_t none = 0;
    raw::syscall(kNrRtSigprocmask, kSigSetMask, static_cast<long>(address_of(&none)), 0, 8);
    __builtin_trap();
  }
  complete(regs, thread, entry.real);
  thread->uprobe_resume = entry.real;
  if (process.detached) return;
  const auto& site = *reinterpret_cast<const ProbeSite*>(entry.site);
  run_programs(thread, site, regs, entry.function, hooks::kOnReturn, entry.skip);
}

// ---- signals ----

namespace {

bool between(uint64_t rip, const char* begin, const char* end) {
  return rip >= address_of(begin) && rip < address_of(end);
}

const PtRegs* saved_registers(const Thread* thread) {
  return reinterpret_cast<const PtRegs*>(thread->stack_top - U_FRAME);
}

void resume_from(SignalContext* context, const Thread* thread) {
  const PtRegs& regs = *saved_registers(thread);
  context->r15 = regs.r15;
  context->r14 = regs.r14;
  context->r13 = regs.r13;
  context->r12 = regs.r12;
  context->rbp = regs.rbp;
  context->rbx = regs.rbx;
  context->r11 = regs.r11;
  context->r10 = regs.r10;
  context->r9 = regs.r9;
  context->r8 = regs.r8;
  context->rax = regs.rax;
  context->rcx = regs.rcx;
  context->rdx = regs.rdx;
  context->rsi = regs.rsi;
  context->rdi = regs.rdi;
  context->eflags = regs.flags;
  context->rsp = thread->uprobe_rsp;
  context->rip = thread->uprobe_resume;
}

uint64_t cave_of(const ActiveSite& here) {
  const hooks::ProbeCode& code = here.site->code;
  return code.kind == ProbeKind::short_jump
             ? here.address + static_cast<uint64_t>(int64_t{code.cave})
             : 0;
}

const ActiveSite* site_of_trampoline(uint64_t rip) {
  for (uint32_t i = 0; i < active_count; ++i)
    if (active[i].trampoline != 0 && rip - active[i].trampoline < kTrampolineSize)
      return &active[i];
  return nullptr;
}

}  // namespace

bool uprobe_leave(const Thread* thread, SignalContext* context) {
  uint64_t rip = context->rip;
  if (between(rip, agent_uprobe_tail, agent_uprobe_tail_end) ||
      between(rip, agent_uretprobe_tail, agent_uretprobe_tail_end)) {
    resume_from(context, thread);
    return true;
  }
  if (between(rip, agent_uprobe, agent_uprobe_saved)) {
    uint64_t index = *reinterpret_cast<const uint64_t*>(thread->stack_top - 8);
    context->rip = active[index].address;  // all of it again
    context->rsp = thread->uprobe_rsp;
    return true;
  }
  if (between(rip, agent_uretprobe, agent_uretprobe_saved)) {
    if (rip != address_of(agent_uretprobe)) context->rsp = thread->uprobe_rsp;
    context->rip = address_of(agent_uretprobe);
    return true;
  }
  const ActiveSite* here = site_of_trampoline(rip);
  if (here == nullptr) return false;
  uint64_t offset = rip - here->trampoline;
  if (offset >= kTrampolineHead) return false;
  context->rsp = thread->uprobe_rsp;  // in_agent(): the agent's stack is in use
  context->rip = offset == kTrampolineReturn ? here->trampoline + kTrampolineHead : here->address;
  return true;
}

void uprobe_rewind(SignalContext* context) {
  constexpr uint64_t kRspSaved = 9;
  uint64_t rip = context->rip;
  for (uint32_t i = 0; i < active_count; ++i) {
    const ActiveSite& here = active[i];
    if (here.site == nullptr) continue;
    if (rip != here.trampoline && rip != here.trampoline + kRspSaved && rip != cave_of(here))
      continue;
    context->rip = here.address;
    return;
  }
}

bool uprobe_trapped(SignalContext* context) {
  uint64_t at = context->rip - 1;
  for (uint32_t i = 0; i < active_count; ++i) {
    const ActiveSite& here = active[i];
    if (here.site == nullptr || here.trampoline == 0) continue;
    const hooks::ProbeCode& code = here.site->code;
    uint64_t offset = at - here.address;
    if (offset >= code.displaced) continue;
    if (offset == 0) {
      context->rip = here.trampoline;
      return true;
    }
    for (uint32_t b = 0; b < code.boundary_count; ++b)
      if (code.boundaries[b].original == offset) {
        context->rip = here.trampoline + kTrampolineHead + code.boundaries[b].relocated;
        return true;
      }
  }
  return false;
}

uint64_t uprobe_real_return(const Thread* thread, uint64_t slot, uint64_t value) {
  if (value != trampoline_of_returns() || thread->return_stack == nullptr) return value;
  const Returns& returns = *static_cast<const Returns*>(thread->return_stack);
  for (uint32_t i = returns.count(); i-- > 0;)
    if (returns[i].slot == slot && returns[i].real != value) return returns[i].real;
  return value;
}

bool uprobe_overlaps(uint64_t address, uint64_t size) {
  for (uint32_t i = 0; i < active_count; ++i) {
    const ActiveSite& here = active[i];
    if (here.site != nullptr && here.patched &&
        address < here.address + here.site->code.displaced && here.address < address + size)
      return true;
  }
  return false;
}

// ---- patching ----

namespace {

int64_t map_at(uint64_t address, uint64_t size) {
  int64_t result =
      raw::syscall(kNrMmap, static_cast<long>(address), static_cast<long>(size),
                   kProtRead | kProtWrite, kMapPrivate | kMapAnonymous | kMapFixedNoReplace, -1, 0);
  if (is_error(result)) return result;
  if (static_cast<uint64_t>(result) == address) return result;
  raw::syscall(kNrMunmap, result, static_cast<long>(size));  // an old kernel took it as a hint
  return -kEnomem;
}

// Memory within reach of a jump from the mapping at `near`. Below it first, closely: above an executable
// its heap grows, above the libraries the stack.
uint64_t map_near(uint64_t near, uint64_t size) {
  constexpr uint64_t kLowest = 0x10000;
  constexpr uint64_t kReach =
      (uint64_t{1} << 31) - (uint64_t{256} << 20);  // room for the mapping itself
  uint64_t base = near & ~uint64_t{0xffff};
  struct Pass {
    uint64_t step;
    int count;
  };
  for (Pass pass : {Pass{0x10000, 64}, Pass{0x100000, 256}, Pass{0x1000000, 100}}) {
    for (int i = 1; i <= pass.count; ++i) {
      uint64_t below = pass.step * static_cast<uint64_t>(i) + size;
      if (below > kReach || base < below + kLowest) break;
      int64_t result = map_at((base - below) & ~(kPage - 1), size);
      if (!is_error(result)) return static_cast<uint64_t>(result);
    }
  }
  for (uint64_t above = kReach; above > (uint64_t{64} << 20); above -= 0x1000000) {
    int64_t result = map_at(base + above, size);
    if (!is_error(result)) return static_cast<uint64_t>(result);
  }
  return 0;
}

// Writes text. Its pages are never writable and executable at once; no thread runs there.
bool write_text(uint64_t address, const void* bytes, uint64_t size, int protection) {
  uint64_t first = address & ~(kPage - 1);
  uint64_t length = ((address + size + kPage - 1) & ~(kPage - 1)) - first;
  if (is_error(raw::syscall(kNrMprotect, static_cast<long>(first), static_cast<long>(length),
                            kProtRead | kProtWrite)))
    return false;
  memcpy(reinterpret_cast<void*>(address), bytes, size);
  raw::syscall(kNrMprotect, static_cast<long>(first), static_cast<long>(length), protection);
  return true;
}

// Gives probed text back while threads may run in it: its pages stay executable and read-only, so the bytes go
// through /proc/self/mem. A breakpoint stands at the first byte while the others change; whoever hits it goes
// on in the trampoline.
bool poke(long memory, uint64_t address, const void* bytes, uint64_t size) {
  constexpr long kNrPwrite64 = 18, kMembarrierSyncCore = 1 << 5;
  if (raw::syscall(kNrPwrite64, memory, reinterpret_cast<long>(bytes), static_cast<long>(size),
                   static_cast<long>(address)) != static_cast<long>(size))
    return false;
  raw::syscall(kNrMembarrier, kMembarrierSyncCore, 0, 0);
  return true;
}
bool restore_text(uint64_t address, const uint8_t* original, uint64_t size) {
  constexpr int kCurrentDirectory = -100, kReadWriteCloseOnExec = 02000002;
  constexpr long kMembarrierRegisterSyncCore = 1 << 6;
  raw::syscall(kNrMembarrier, kMembarrierRegisterSyncCore, 0, 0);
  long memory = raw::syscall(kNrOpenat, kCurrentDirectory, reinterpret_cast<long>("/proc/self/mem"),
                             kReadWriteCloseOnExec, 0);
  if (is_error(memory)) return false;
  constexpr uint8_t kBreakpoint = 0xcc;
  bool done = size == 1 || (poke(memory, address, &kBreakpoint, 1) &&
                            poke(memory, address + 1, original + 1, size - 1));
  done = done && poke(memory, address, original, 1);
  raw::syscall(kNrClose, memory);
  return done;
}

// The trampoline stays: a thread may be in it, and its jump back is as good as ever.
void take_back(ActiveSite& place) {
  if (!place.patched) return;
  const hooks::ProbeCode& code = place.site->code;
  // What is there may have been mapped over behind our back.
  SitePatch patch;
  make_patch(patch, place.address, place.trampoline, code);
  uint8_t found[sizeof patch.bytes];
  if (!copy_in(found, place.address, patch.size) || memcmp(found, patch.bytes, patch.size) != 0)
    return;
  if (!restore_text(place.address, code.original, patch.size)) return;
  if (patch.cave != 0) restore_text(patch.cave, code.cave_original, sizeof code.cave_original);
  place.patched = false;
  count(place.site, &ProbeStatus::removed);
}

struct Mapping {
  uint64_t address, length, offset;
  uint64_t device, inode;
  int protection;
};

bool lies_in(const ProbeSite& site, const Mapping& mapping) {
  return ready(site) && site.device == mapping.device && site.inode == mapping.inode &&
         site.file_offset >= mapping.offset && site.file_offset - mapping.offset < mapping.length;
}

bool cave_is_free(const hooks::ProbeCode& code, uint64_t address) {
  if (code.kind != ProbeKind::short_jump) return true;
  uint8_t found[sizeof code.cave_original];
  return copy_in(found, address + static_cast<uint64_t>(int64_t{code.cave}), sizeof found) &&
         memcmp(found, code.cave_original, sizeof found) == 0;
}

ActiveSite* free_place() {
  for (uint32_t i = 0; i < active_count; ++i)
    if (active[i].site == nullptr && active[i].region == 0) return &active[i];
  return active_count < kMaxActive ? &active[active_count] : nullptr;
}

void install(const ProbeTable* t, const Mapping& mapping) {
  uint32_t sites = site_count(t), wanted = 0;
  for (uint32_t i = 0; i < sites; ++i) wanted += lies_in(t->sites[i], mapping) ? 1 : 0;
  if (wanted == 0) return;
  SpinLock lock(process.patch_lock);
  uint64_t size = (uint64_t{wanted} * kTrampolineSize + kPage - 1) & ~(kPage - 1);
  uint64_t region = map_near(mapping.address, size);
  uint64_t next = region;
  static ActiveSite* made[kMaxActive];  // under the lock
  uint32_t made_count = 0;
  for (uint32_t i = 0; i < sites && made_count < kMaxActive; ++i) {
    const ProbeSite& site = t->sites[i];
    if (!lies_in(site, mapping)) continue;
    uint64_t address = mapping.address + (site.file_offset - mapping.offset);
    uint8_t found[sizeof site.code.original];
    uint32_t original = site.code.original_size;
    if (original > sizeof found || !copy_in(found, address, original) ||
        memcmp(found, site.code.original, original) != 0 || !cave_is_free(site.code, address)) {
      count(&site, &ProbeStatus::mismatched);
      continue;
    }
    ActiveSite* place = free_place();
    uint8_t trampoline[kTrampolineSize];
    uint32_t index = place != nullptr ? static_cast<uint32_t>(place - active) : 0;
    if (region == 0 || place == nullptr ||
        !write_trampoline(trampoline, next, address, site.code, index, address_of(agent_uprobe))) {
      count(&site, &ProbeStatus::unreachable);
      continue;
    }
    memcpy(reinterpret_cast<void*>(next), trampoline, sizeof trampoline);
    *place = {.site = &site,
              .address = address,
              .trampoline = next,
              .region = region,
              .region_size = size,
              .patched = false,
              .doomed_by = nullptr};
    if (index >= active_count) active_count = index + 1;
    made[made_count++] = place;
    next += kTrampolineSize;
  }
  if (region == 0) return;
  raw::syscall(kNrMprotect, static_cast<long>(region), static_cast<long>(size),
               kProtRead | kProtExec);
  for (uint32_t i = 0; i < made_count; ++i) {
    ActiveSite& place = *made[i];
    SitePatch patch;
    place.patched = make_patch(patch, place.address, place.trampoline, place.site->code) &&
                    (patch.cave == 0 || write_text(patch.cave, patch.cave_bytes,
                                                   sizeof patch.cave_bytes, mapping.protection)) &&
                    write_text(place.address, patch.bytes, patch.size, mapping.protection);
    count(place.site, place.patched ? &ProbeStatus::installed : &ProbeStatus::unreachable);
    if (!place.patched) place.site = nullptr;
  }
}

void drop(ActiveSite& place) {
  if (place.patched) count(place.site, &ProbeStatus::removed);
  place.site = nullptr;
  place.patched = false;
  uint64_t region = place.region;
  for (uint32_t i = 0; i < active_count; ++i)
    if (active[i].region == region && active[i].site != nullptr) return;
  raw::syscall(kNrMunmap, static_cast<long>(region), static_cast<long>(place.region_size));
  for (uint32_t i = 0; i < active_count; ++i)
    if (active[i].region == region) active[i] = ActiveSite{};
}

// st_dev and st_ino of the kernel's struct stat.
struct Identity {
  uint64_t device, inode, rest[16];
};
static_assert(sizeof(Identity) == 144);

// ---- /proc/self/maps ----

struct Line {
  uint64_t begin, end, offset;
  bool executable, is_private;
  int protection;
  const char* path;  // NUL-terminated; empty where it has none
};

uint64_t hexadecimal(const char*& at) {
  uint64_t value = 0;
  for (;; ++at) {
    if (*at >= '0' && *at <= '9')
      value = value << 4 | static_cast<uint64_t>(*at - '0');
    else if (*at >= 'a' && *at <= 'f')
      value = value << 4 | static_cast<uint64_t>(*at - 'a' + 10);
    else
      return value;
  }
}
// "begin-end rwxp offset dev inode   path"
Line parse_line(const char* at) {
  Line line{};
  line.begin = hexadecimal(at);
  if (*at == '-') ++at;
  line.end = hexadecimal(at);
  if (*at == ' ') ++at;
  line.protection = (at[0] == 'r' ? kProtRead : 0) | (at[1] == 'w' ? kProtWrite : 0) |
                    (at[2] == 'x' ? kProtExec : 0);
  line.executable = at[2] == 'x';
  line.is_private = at[3] == 'p';
  at += 5;
  line.offset = hexadecimal(at);
  while (*at != 0 && *at != '/') ++at;
  line.path = at;
  return line;
}

template <class Fn>
void for_each_line(Fn fn) {
  constexpr int kCloseOnExec = 02000000;
  constexpr int kCurrentDirectory = -100;
  long fd = raw::syscall(kNrOpenat, kCurrentDirectory, reinterpret_cast<long>("/proc/self/maps"),
                         kCloseOnExec, 0);
  if (is_error(fd)) return;
  constexpr size_t kLongest = 4096 + 128;
  static char
      buffer[2 * kLongest];  // under patch_lock's caller: only uprobes_start, single-threaded
  size_t used = 0;
  for (;;) {
    long got = raw::syscall(kNrRead, fd, reinterpret_cast<long>(buffer + used),
                            static_cast<long>(sizeof buffer - 1 - used));
    if (got <= 0) break;
    used += static_cast<size_t>(got);
    size_t start = 0;
    for (size_t i = 0; i < used; ++i) {
      if (buffer[i] != '\n') continue;
      buffer[i] = 0;
      fn(parse_line(buffer + start));
      start = i + 1;
    }
    memmove(buffer, buffer + start, used - start);
    used -= start;
    if (used >= kLongest) break;
  }
  raw::syscall(kNrClose, fd);
}

}  // namespace

void uprobes_start() {
  const ProbeTable* t = table();
  if (t == nullptr || site_count(t) == 0) return;
  look_for_rdpid();
  // Patching changes the list while it is read: first all mappings, then the patches.
  constexpr uint32_t kMappings = 64;
  static Mapping mappings[kMappings];
  uint32_t found = 0;
  const bool with_data = semaphores_wanted(t);
  for_each_line([&](const Line& line) {
    const bool data = with_data && (line.protection & kProtWrite) != 0;
    if ((!line.executable && !data) || !line.is_private || *line.path == 0 || found == kMappings)
      return;
    Identity identity;
    constexpr int kCurrentDirectory = -100;
    if (is_error(raw::syscall(kNrNewfstatat, kCurrentDirectory, reinterpret_cast<long>(line.path),
                              reinterpret_cast<long>(&identity), 0)))
      return;
    mappings[found++] = {.address = line.begin,
                         .length = line.end - line.begin,
                         .offset = line.offset,
                         .device = identity.device,
                         .inode = identity.inode,
                         .protection = line.protection};
  });
  for (uint32_t i = 0; i < found; ++i) {
    const Mapping& m = mappings[i];
    if ((m.protection & kProtWrite) != 0)
      semaphores_mapped(t, m.address, m.length, m.offset, m.device, m.inode);
    if ((m.protection & kProtExec) != 0) install(t, m);
  }
}

void uprobes_mapped(uint64_t address, uint64_t length, uint64_t protection, uint64_t flags, int fd,
                    uint64_t offset) {
  const ProbeTable* t = table();
  if (t == nullptr || process.detached || process.confined || (flags & kMapAnonymous) != 0 ||
      (flags & kMapPrivate) == 0 || fd < 0)
    return;
  const bool data = (protection & kProtWrite) != 0 && semaphores_wanted(t);
  if ((protection & kProtExec) == 0 && !data) return;
  Identity identity;
  constexpr long kNrFstat = 5;
  if (is_error(raw::syscall(kNrFstat, fd, reinterpret_cast<long>(&identity)))) return;
  if (data) {
    SpinLock lock(process.patch_lock);
    semaphores_mapped(t, address, length, offset, identity.device, identity.inode);
  }
  if ((protection & kProtExec) == 0) return;
  install(t, {.address = address,
              .length = length,
              .offset = offset,
              .device = identity.device,
              .inode = identity.inode,
              .protection = static_cast<int>(protection)});
}

void uprobes_unmapping(const Thread* thread, uint64_t address, uint64_t length) {
  const ProbeTable* t = table();
  if (t != nullptr && semaphores_wanted(t)) {
    SpinLock lock(process.patch_lock);
    semaphores_unmapped(address, length);
  }
  if (active_count == 0) return;
  uint64_t end = address + ((length + kPage - 1) & ~(kPage - 1));
  SpinLock lock(process.patch_lock);
  for (uint32_t i = 0; i < active_count; ++i)
    if (active[i].site != nullptr && active[i].address >= address && active[i].address < end)
      active[i].doomed_by = thread;
}

void uprobes_unmapped(const Thread* thread, bool done) {
  if (active_count == 0) return;
  SpinLock lock(process.patch_lock);
  for (uint32_t i = 0; i < active_count; ++i) {
    if (active[i].doomed_by != thread) continue;
    active[i].doomed_by = nullptr;
    if (done) drop(active[i]);
  }
}

void uprobes_moving(uint64_t address, uint64_t length) {
  SpinLock lock(process.patch_lock);
  for (uint32_t i = 0; i < active_count; ++i) {
    ActiveSite& place = active[i];
    if (place.site != nullptr && place.address >= address && place.address - address < length)
      take_back(place);
  }
}

void uprobes_detach() {
  {
    SpinLock lock(process.patch_lock);
    for (uint32_t i = 0; i < active_count; ++i)
      if (active[i].site != nullptr) take_back(active[i]);
    semaphores_detach();
  }
  SpinLock lock(process.threads_lock);
  for (Thread* thread = process.threads; thread != nullptr; thread = thread->next)
    if (thread->return_stack != nullptr)
      static_cast<Returns*>(thread->return_stack)
          ->reveal(0, trampoline_of_returns(), ProgramMemory());
}

}  // namespace skep::agent
