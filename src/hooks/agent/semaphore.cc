#include "hooks/agent/semaphore.h"

#include "hooks/agent/thread.h"

namespace skep::agent {

using hooks::ProbeSemaphore;
using hooks::ProbeTable;

namespace {

uint64_t counted[hooks::kMaxProbeSemaphores];  // addresses of what was counted up; 0: free

uint32_t semaphore_count(const ProbeTable* table) {
  uint32_t count = __atomic_load_n(&table->semaphore_count, __ATOMIC_ACQUIRE);
  return count < hooks::kMaxProbeSemaphores ? count : hooks::kMaxProbeSemaphores;
}

// No more than the program itself may do there; a fault is nobody's counter.
bool add(uint64_t address, uint16_t what) {
  uint16_t value = 0;
  if (!copy_in(&value, address, sizeof value)) return false;
  value = static_cast<uint16_t>(value + what);
  return copy_out(address, &value, sizeof value);
}

void count_up(uint64_t address) {
  uint64_t* place = nullptr;
  for (uint64_t& one : counted) {
    if (one == address) return;
    if (one == 0 && place == nullptr) place = &one;
  }
  if (place != nullptr && add(address, 1)) *place = address;
}

}  // namespace

bool semaphores_wanted(const ProbeTable* table) { return semaphore_count(table) != 0; }

void semaphores_mapped(const ProbeTable* table, uint64_t address, uint64_t length, uint64_t offset,
                       uint64_t device, uint64_t inode) {
  const uint32_t count = semaphore_count(table);
  for (uint32_t i = 0; i < count; ++i) {
    const ProbeSemaphore& semaphore = table->semaphores[i];
    if (semaphore.device != device || semaphore.inode != inode || semaphore.file_offset < offset ||
        length < sizeof(uint16_t) || semaphore.file_offset - offset > length - sizeof(uint16_t))
      continue;
    count_up(address + (semaphore.file_offset - offset));
  }
}

void semaphores_unmapped(uint64_t address, uint64_t length) {
  for (uint64_t& one : counted)
    if (one >= address && one - address < length) one = 0;
}

void semaphores_detach() {
  for (uint64_t& one : counted) {
    if (one != 0) add(one, static_cast<uint16_t>(-1));
    one = 0;
  }
}

}  // namespace skep::agent
