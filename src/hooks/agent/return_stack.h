// ReturnStack: the return addresses that uretprobes replaced on one thread.
//
// An entry is found by the address of the stack slot that was changed, never by order alone: programs
// leave functions by longjmp and exceptions, and switch stacks (coroutines, signal stacks), so the entry
// of the function that returns need not be the newest. The newest entry of a slot is the right one:
// whoever replaces a slot's content pushes an entry. An entry whose slot no longer holds the trampoline's
// address belongs to a frame that is gone, and is dropped when room is needed.
//
// Unwinders read slots: before one walks, `reveal` puts the real addresses back; after it, `hide`
// replaces them again, but for the frames that the unwinder has removed.
//
// Single-threaded (the thread's own); Memory gives fault-safe access to the program's stack:
//   bool read(uint64_t address, uint64_t& value);  bool write(uint64_t address, uint64_t value);
// Freestanding.
#pragma once

#include <cstdint>

namespace skep::agent {

struct ReturnEntry {
  uint64_t slot;      // address of the return address
  uint64_t real;      // what it held
  uint64_t site;      // address of the ProbeSite
  uint64_t function;  // address of the probed instruction
  uint64_t skip;      // attachments, by bit, whose return run is not wanted
};

template <uint32_t kCapacity>
class ReturnStack {
 public:
  // Takes over the return address in `slot`, which holds `real`; null where there is no room. The
  // caller writes the trampoline's address to the slot and fills the entry in.
  template <class Memory>
  ReturnEntry* push(uint64_t slot, uint64_t real, uint64_t trampoline, Memory&& memory) {
    if (count_ == kCapacity) {
      // A recursion deeper than this would look through all entries again at each call.
      if (patience_ > 0) return --patience_, nullptr;
      collect(trampoline, memory);
      if (count_ > kCapacity - kCapacity / 8) patience_ = kCapacity;
      if (count_ == kCapacity) return nullptr;
    }
    ReturnEntry& entry = entries_[count_++];
    entry = ReturnEntry{};
    entry.slot = slot;
    entry.real = real;
    return &entry;
  }
  void pop() { --count_; }

  // The newest entry for `slot`, removed into `out`. False where there is none.
  template <class Memory>
  bool take(uint64_t slot, uint64_t trampoline, ReturnEntry& out, Memory&& memory) {
    for (uint32_t i = count_; i-- > 0;) {
      if (entries_[i].slot != slot) continue;
      out = entries_[i];
      remove(i);
      // Those above it were passed over: by a jump out of them, or by a switch of stacks.
      if (i < count_) collect_from(i, trampoline, memory);
      return true;
    }
    return false;
  }

  // Puts the real addresses back into slots from `from` upwards (the unwinder's own frame and its callers).
  template <class Memory>
  void reveal(uint64_t from, uint64_t trampoline, Memory&& memory) {
    for (uint32_t i = count_; i-- > 0;) {  // newest first: of a chain, the oldest is the real one
      uint64_t held = 0;
      if (entries_[i].slot < from || !memory.read(entries_[i].slot, held) || held != trampoline)
        continue;
      if (entries_[i].real != trampoline) memory.write(entries_[i].slot, entries_[i].real);
      revealed_ = true;
    }
  }
  [[nodiscard]] bool revealed() const { return revealed_; }
  // Replaces again what `reveal` put back. Slots less than `reach` below `from`, where the stack pointer
  // now is, belong to frames that are gone: their entries are dropped.
  template <class Memory>
  void hide(uint64_t from, uint64_t reach, uint64_t trampoline, Memory&& memory) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count_; ++i) {
      ReturnEntry& entry = entries_[i];
      if (entry.slot < from && from - entry.slot < reach) continue;
      uint64_t held = 0;
      bool readable = memory.read(entry.slot, held);
      if (!readable || (held != entry.real && held != trampoline)) continue;
      if (held == entry.real && entry.real != trampoline) memory.write(entry.slot, trampoline);
      if (kept != i) entries_[kept] = entry;
      ++kept;
    }
    count_ = kept;
    revealed_ = false;
  }
  // Puts all real addresses back for good: the probes leave.
  template <class Memory>
  void abandon(uint64_t trampoline, Memory&& memory) {
    reveal(0, trampoline, memory);
    count_ = 0;
    revealed_ = false;
  }

  [[nodiscard]] uint32_t count() const { return count_; }
  [[nodiscard]] const ReturnEntry& operator[](uint32_t index) const { return entries_[index]; }

 private:
  void remove(uint32_t index) {
    --count_;
    for (uint32_t i = index; i < count_; ++i) entries_[i] = entries_[i + 1];
  }
  template <class Memory>
  void collect_from(uint32_t first, uint64_t trampoline, Memory&& memory) {
    uint32_t kept = first;
    for (uint32_t i = first; i < count_; ++i) {
      uint64_t held = 0;
      if (!memory.read(entries_[i].slot, held)) continue;
      if (held != trampoline && !(revealed_ && held == entries_[i].real)) continue;
      if (kept != i) entries_[kept] = entries_[i];
      ++kept;
    }
    count_ = kept;
  }
  template <class Memory>
  void collect(uint64_t trampoline, Memory&& memory) {
    // Of two entries of one slot the older is gone, unless the newer was entered by a tail call from it.
    for (uint32_t i = count_; i-- > 1;) {
      if (entries_[i].real == trampoline) continue;
      for (uint32_t older = i; older-- > 0;)
        if (entries_[older].slot == entries_[i].slot) {
          remove(older);
          --i;
        }
    }
    collect_from(0, trampoline, memory);
  }

  uint32_t count_;
  uint32_t patience_;
  bool revealed_;
  ReturnEntry entries_[kCapacity];
};

}  // namespace skep::agent
