// The abstract state: what is known of registers, stack slots and resources at one point of one path.
//
//   VerifierState
//     frames[0..current]  FuncState: r0 to r10, the stack, who called it
//       RegState          base type + flags, fixed offset, the variable part's Scalar, ids
//       StackSlot         8 bytes: one SlotByte each, and the register spilled there
//     references          what was acquired and must be released
//     history             what precision.cc needs to walk back over the instructions since `first_insn`
//     parent              the remembered state that this one grew out of (prune.cc)
//
// A pointer is its object + off + a number in `number` (a constant 0 for most). A scalar is `number`.
// Frames come from a pool and keep their stack vectors' capacity: copying a state allocates nothing once warm.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "isa/insn.h"
#include "verifier/scalar.h"

namespace skep::verifier {

enum class Base : uint8_t {
  not_init,
  scalar,
  ctx,
  const_map,
  map_value,
  map_key,
  stack,
  packet,
  packet_meta,
  packet_end,
  flow_keys,
  socket,
  sock_common,
  tcp_sock,
  tp_buffer,
  xdp_sock,
  btf_id,
  mem,
  arena,
  buf,
  func,
  dynptr,    // a bpf_dynptr: in a stack slot, or (in a register) one that can't be changed
  iterator,  // in a stack slot only
  irq_flag,  // in a stack slot only
};

// Modifiers of a register's type.
using Flags = uint16_t;
inline constexpr Flags kMaybeNull = 1 << 0, kRdonly = 1 << 1, kRingbuf = 1 << 2, kUser = 1 << 3,
                       kPercpu = 1 << 4, kRcu = 1 << 5, kUntrusted = 1 << 6, kTrusted = 1 << 7,
                       kAlloc = 1 << 8, kNonOwning = 1 << 9,
                       kPacketSlice = 1 << 10;  // mem: part of a packet, by bpf_dynptr_slice

enum class DynptrKind : uint8_t { none, local, ringbuf, skb, xdp, skb_meta, file };
inline constexpr uint32_t kFirstSlot = 1u << 8;  // in RegState::word of a dynptr: | its DynptrKind

// In RegState::map_uid of an iterator; its `off` counts how often it was found active.
enum class IteratorState : uint32_t { active, drained };
// In RegState::word of an IRQ flag.
enum class IrqFlagOf : uint32_t { native, lock };

// In RegState::id of a scalar: it is the id's number plus `off`; of 32 bits, zero-extended, with the second.
inline constexpr uint32_t kAddConstant64 = 1u << 31, kAddConstant32 = 1u << 30;
inline constexpr uint32_t kAddConstant = kAddConstant64 | kAddConstant32;

// Ranges of packet pointers that compared with data_end: below zero, as the kernel has them.
inline constexpr int32_t kAtPacketEnd = -1, kBeyondPacketEnd = -2;

// Where BTF of a btf_id register comes from.
enum class BtfOf : uint8_t { none, program, attach };

struct RegState {
  Base base = Base::not_init;
  bool precise = false;  // scalar: its value was needed; covered states must be within it
  Flags flags = 0;
  int32_t off = 0;  // pointers: fixed part. Linked scalars: the constant added to the id's number.
  Scalar number;    // pointers: variable part
  union {
    int32_t range = 0;    // packet: bytes after the pointer's object start that are known to exist
    uint32_t mem_size;    // mem
    uint32_t map;         // const_map, map_value, map_key: index into Verifier::maps
    uint32_t btf_type;    // btf_id, iterator
    uint32_t subprogram;  // func
    uint32_t word;
  };
  // Maps: which inner map. btf_id: BtfOf.
  uint32_t map_uid = 0;
  // Pointers: those of one maybe-null origin, or one packet variable part, share it. Scalars: equal
  // numbers share it. 0: none.
  uint32_t id = 0;
  uint32_t ref_id = 0;  // the acquired resource that this points into
  union {
    uint32_t frame = 0;  // stack: whose
    uint32_t
        dynptr_id;  // mem: the dynptr that it is a slice of; dynptr: the reference to what it is of; 0: none
  };

  [[nodiscard]] bool is(Base b) const { return base == b; }
  [[nodiscard]] bool is_scalar() const { return base == Base::scalar; }
  [[nodiscard]] bool is_constant() const { return base == Base::scalar && number.is_constant(); }
  [[nodiscard]] bool is_null() const { return is_constant() && number.constant() == 0; }
  [[nodiscard]] bool maybe_null() const { return (flags & kMaybeNull) != 0; }
  [[nodiscard]] bool is_packet() const { return base == Base::packet || base == Base::packet_meta; }
  [[nodiscard]] bool is_pointer() const { return base != Base::scalar && base != Base::not_init; }
  [[nodiscard]] bool has_type(Base b, Flags f) const { return base == b && flags == f; }
};

// A state is compared and copied far more often than changed: keep it small.
static_assert(sizeof(RegState) <= 96);

enum class SlotByte : uint8_t {
  invalid,  // never written
  spill,    // part of the spilled register
  misc,     // some number's byte
  zero,
  dynptr,
  iterator,
  irq_flag,
};

struct StackSlot {
  RegState spilled;
  std::array<SlotByte, 8> bytes{};  // [7] is the byte at the lowest address: byte_of()

  // A register lies here (perhaps only its low part).
  [[nodiscard]] bool is_spill() const { return bytes[7] == SlotByte::spill; }
  [[nodiscard]] bool is_whole_spill() const { return bytes[0] == SlotByte::spill; }
  [[nodiscard]] bool is_scalar_spill() const { return is_spill() && spilled.is_scalar(); }
  [[nodiscard]] bool is_special() const {
    return bytes[7] == SlotByte::spill || bytes[7] == SlotByte::dynptr ||
           bytes[7] == SlotByte::iterator || bytes[7] == SlotByte::irq_flag;
  }
};

inline constexpr unsigned kStackSlots = isa::kMaxStackBytes / 8;
// Slot i holds fp-8*(i+1) to fp-8*i-1; byte [7 - k] of it is at address fp-8*(i+1)+k.
[[nodiscard]] constexpr unsigned slot_of(int offset) {
  return static_cast<unsigned>(-offset - 1) / 8;
}
[[nodiscard]] constexpr unsigned byte_of(int offset) {
  return static_cast<unsigned>(-offset - 1) % 8;
}

inline constexpr uint32_t kNoCaller = ~uint32_t{0};

struct FuncState {
  std::array<RegState, isa::kRegisters> regs;
  std::vector<StackSlot> stack;   // as many slots as were touched
  uint32_t callsite = kNoCaller;  // the caller's call instruction
  uint32_t subprogram = 0;
  uint32_t frame = 0;
  uint32_t callback_depth = 0;  // iterations of a callback walked so far
  // The range that the caller needs of r0, for callbacks.
  int32_t return_min = 0, return_max = 0;
  bool in_callback = false;
  bool in_async_callback = false;
  bool in_exception_callback = false;
  bool in_less = false;  // the comparison of bpf_rbtree_add, called with the lock held
  uint32_t async_entries = 0;
  uint32_t instance = 0;  // of liveness.h: this function as called through these callers
  // Callbacks: references held by the callers when it was entered, and the last id given out by then.
  uint32_t held_at_entry = 0, first_id = 0;

  void copy_from(const FuncState& other) {
    regs = other.regs;
    stack.assign(other.stack.begin(), other.stack.end());
    callsite = other.callsite;
    subprogram = other.subprogram;
    frame = other.frame;
    callback_depth = other.callback_depth;
    return_min = other.return_min;
    return_max = other.return_max;
    in_callback = other.in_callback;
    in_async_callback = other.in_async_callback;
    in_exception_callback = other.in_exception_callback;
    in_less = other.in_less;
    async_entries = other.async_entries;
    instance = other.instance;
    held_at_entry = other.held_at_entry;
    first_id = other.first_id;
  }
};

enum class ReferenceKind : uint8_t { pointer, lock, res_lock, res_lock_irq, irq };
// In Reference::lock_map: the lock lies in an object of bpf_obj_new.
inline constexpr uint32_t kAllocatedObject = ~uint32_t{0};
struct Reference {
  uint32_t id = 0;
  uint32_t insn = 0;
  ReferenceKind kind{};
  uint32_t lock_map = 0;  // lock: the map whose value holds it, and the register's id
  uint32_t lock_reg_id = 0;
  [[nodiscard]] bool is_lock() const {
    return kind == ReferenceKind::lock || kind == ReferenceKind::res_lock ||
           kind == ReferenceKind::res_lock_irq;
  }
  bool operator==(const Reference&) const = default;
};

// A register or slot that shares a scalar id with another at a conditional jump, packed in 11 bits;
// up to five of them in a history entry. 0 is none.
class LinkedSet {
 public:
  static constexpr unsigned kMax = 5;
  struct Item {
    unsigned frame;  // 3 bits
    unsigned index;  // 6 bits: register or slot
    bool is_register;
  };
  [[nodiscard]] unsigned size() const { return static_cast<unsigned>(bits_ >> 60); }
  [[nodiscard]] bool full() const { return size() == kMax; }
  void clear() { bits_ = 0; }
  void add(Item item) {
    const uint64_t packed = item.frame | item.index << 3 | unsigned{item.is_register} << 9;
    bits_ |= packed << (size() * 11);
    bits_ += uint64_t{1} << 60;
  }
  [[nodiscard]] Item at(unsigned i) const {
    const uint64_t packed = bits_ >> (i * 11);
    return {static_cast<unsigned>(packed & 7), static_cast<unsigned>((packed >> 3) & 63),
            ((packed >> 9) & 1) != 0};
  }
  [[nodiscard]] uint64_t bits() const { return bits_; }
  void set_bits(uint64_t bits) { bits_ = bits; }

 private:
  uint64_t bits_ = 0;
};

// One entry an instruction that is no plain step, or that precision must know more of.
struct HistoryEntry {
  uint32_t insn = 0;
  uint32_t previous = 0;
  bool stack_access = false;  // a spill or fill of slot `slot` of frame `frame`
  bool dst_is_stack_pointer = false, src_is_stack_pointer = false;  // of a conditional jump
  uint8_t frame = 0, slot = 0;
  LinkedSet linked;
};

struct CachedState;
struct SccVisit;

struct VerifierState {
  std::array<FuncState*, isa::kMaxCallFrames> frames{};  // owned by the pool
  unsigned current = 0;
  CachedState* parent = nullptr;
  uint32_t branches = 0;                   // paths out of here that are not walked yet
  uint32_t insn = 0;                       // remembered states: which
  uint32_t first_insn = 0, last_insn = 0;  // of `history`
  uint32_t depth = 0;                      // of the tree of remembered states
  uint32_t may_goto_depth = 0;
  uint32_t callback_unroll_depth = 0;
  uint32_t active_locks = 0;
  uint32_t active_preempt_locks = 0;
  uint32_t active_irq_flags = 0;
  uint32_t rcu_locks = 0;
  bool speculative = false;  // what a mispredicted processor may run (sanitize.cc)
  bool sleepable = false;
  std::vector<Reference> references;
  std::vector<HistoryEntry> history;

  [[nodiscard]] FuncState& frame() const { return *frames[current]; }
};

// A state that was remembered at an instruction, to prune paths that come there later.
struct CachedState {
  VerifierState state;
  uint32_t hits = 0, misses = 0;
  SccVisit* scc = nullptr;  // the loop visit that it is part of
  bool evicted = false;     // no longer in its list; lives until branches is 0
  bool cleaned = false;     // what is dead in it has been forgotten
};

}  // namespace skep::verifier
