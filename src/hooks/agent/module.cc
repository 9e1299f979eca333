#include "hooks/agent/module.h"

#include "base/raw_syscall.h"
#include "hooks/agent/thread.h"

namespace skep::agent {
namespace {

constexpr uint32_t kModules = 64;
Module modules[kModules];
uint32_t next_module;

constexpr int kAtFdcwd = -100, kOpenFlags = 02000000;  // O_CLOEXEC

// Reads /proc/self/maps by lines, without memory of its own but a buffer.
class MapsReader {
 public:
  MapsReader()
      : fd_(static_cast<int>(raw::syscall(
            kNrOpenat, kAtFdcwd, reinterpret_cast<long>("/proc/self/maps"), kOpenFlags, 0))) {}
  ~MapsReader() {
    if (fd_ >= 0) raw::syscall(kNrClose, fd_);
  }
  MapsReader(const MapsReader&) = delete;
  MapsReader& operator=(const MapsReader&) = delete;

  struct Line {
    uint64_t begin, end, offset, device, inode;
    bool read, write, exec, is_private;
  };
  bool next(Line& line) {
    char sign;
    if (!number(line.begin, 16, sign) || !number(line.end, 16, sign)) return false;
    char mode[5];
    for (char& c : mode) c = byte();
    line.read = mode[0] == 'r';
    line.write = mode[1] == 'w';
    line.exec = mode[2] == 'x';
    line.is_private = mode[3] == 'p';
    uint64_t major, minor;
    if (!number(line.offset, 16, sign) || !number(major, 16, sign) || !number(minor, 16, sign))
      return false;
    line.device = major << 32 | minor;
    if (!number(line.inode, 10, sign)) return false;
    while (sign != '\n' && sign != 0) sign = byte();
    return true;
  }

 private:
  char byte() {
    if (at_ == have_) {
      int64_t got =
          fd_ < 0 ? -1
                  : raw::syscall(kNrRead, fd_, reinterpret_cast<long>(buffer_), sizeof buffer_);
      if (got <= 0) return 0;
      have_ = static_cast<uint32_t>(got);
      at_ = 0;
    }
    return buffer_[at_++];
  }
  bool number(uint64_t& value, unsigned base, char& sign) {
    value = 0;
    unsigned digits = 0;
    for (;; ++digits) {
      sign = byte();
      unsigned digit;
      if (sign >= '0' && sign <= '9')
        digit = static_cast<unsigned>(sign - '0');
      else if (base == 16 && sign >= 'a' && sign <= 'f')
        digit = static_cast<unsigned>(sign - 'a' + 10);
      else
        break;
      value = value * base + digit;
    }
    return digits != 0;
  }

  int fd_;
  uint32_t at_ = 0, have_ = 0;
  char buffer_[2048];
};

struct ElfHeader {
  uint8_t ident[16];
  uint16_t type, machine;
  uint32_t version;
  uint64_t entry, phoff, shoff;
  uint32_t flags;
  uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct ElfSegment {
  uint32_t type, flags;
  uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

// The address of .eh_frame_hdr of the file whose first page is mapped at `base`.
uint64_t eh_frame_hdr_of(uint64_t base, uint64_t end) {
  ElfHeader header;
  if (!copy_in(&header, base, sizeof header) || header.ident[0] != 0x7f || header.ident[1] != 'E' ||
      header.phentsize != sizeof(ElfSegment))
    return 0;
  uint64_t bias = 0, wanted = 0;
  bool found_bias = false;
  for (unsigned i = 0; i < header.phnum && i < 64; ++i) {
    ElfSegment segment;
    if (!copy_in(&segment, base + header.phoff + i * sizeof segment, sizeof segment)) return 0;
    constexpr uint32_t kLoad = 1, kGnuEhFrame = 0x6474e550;
    if (segment.type == kLoad && segment.offset == 0) {
      bias = base - segment.vaddr;
      found_bias = true;
    }
    if (segment.type == kGnuEhFrame) wanted = segment.vaddr;
  }
  (void)end;
  return found_bias && wanted != 0 ? bias + wanted : 0;
}

// How many bytes the nop (or int3) at `p` has; 0: something else.
unsigned padding_size(const uint8_t* p, unsigned left) {
  unsigned i = 0;
  if (p[0] == 0xcc) return 1;
  while (i < left && i < 12 && (p[i] == 0x66 || p[i] == 0x2e)) ++i;
  if (i >= left) return 0;
  if (p[i] == 0x90) return i + 1;
  if (i + 2 >= left || p[i] != 0x0f || p[i + 1] != 0x1f) return 0;
  unsigned size;
  switch (p[i + 2]) {
    case 0x00: size = 3; break;
    case 0x40: size = 4; break;
    case 0x44: size = 5; break;
    case 0x80: size = 7; break;
    case 0x84: size = 8; break;
    default: return 0;
  }
  return i + size <= left ? i + size : 0;
}

struct FrameTable {
  uint64_t header;
  uint32_t count;

  bool open(uint64_t address) {
    uint8_t start[4];
    header = address;
    return copy_in(start, address, 4) && start[0] == 1 && start[2] == 0x03 && start[3] == 0x3b &&
           copy_in(&count, address + 8, 4) && count != 0;
  }
  // Function `index` by address: [begin, end).
  bool at(uint32_t index, uint64_t& begin, uint64_t& end) const {
    int32_t pair[2];
    if (index >= count || !copy_in(pair, header + 12 + uint64_t{index} * 8, sizeof pair))
      return false;
    begin = header + static_cast<uint64_t>(static_cast<int64_t>(pair[0]));
    uint64_t fde = header + static_cast<uint64_t>(static_cast<int64_t>(pair[1]));
    struct {
      uint32_t length, cie;
      int32_t begin;
      uint32_t range;
    } entry;
    if (!copy_in(&entry, fde, sizeof entry)) return false;
    // pc-relative 32-bit addresses are what compilers write; anything else does not add up here.
    if (fde + 8 + static_cast<uint64_t>(static_cast<int64_t>(entry.begin)) != begin) return false;
    end = begin + entry.range;
    return true;
  }
  // The last function that begins at or below `address`.
  uint32_t find(uint64_t address) const {
    uint32_t low = 0, high = count;
    while (high - low > 1) {
      uint32_t middle = low + (high - low) / 2;
      int32_t begin;
      if (!copy_in(&begin, header + 12 + uint64_t{middle} * 8, sizeof begin)) return low;
      if (header + static_cast<uint64_t>(static_cast<int64_t>(begin)) <= address)
        low = middle;
      else
        high = middle;
    }
    return low;
  }
};

}  // namespace

const Module* find_module(uint64_t address) {
  for (const Module& module : modules) {
    if (address >= module.begin && address < module.end) return &module;
  }
  MapsReader reader;
  MapsReader::Line line{};
  uint64_t base = 0, base_end = 0, device = 0, inode = 0;
  while (reader.next(line)) {
    if (line.inode != 0 && line.offset == 0) {
      base = line.begin;
      base_end = line.end;
      device = line.device;
      inode = line.inode;
    }
    if (address < line.begin) return nullptr;
    if (address >= line.end) continue;
    if (!line.exec || line.write || !line.read || !line.is_private || line.inode == 0)
      return nullptr;
    Module& module = modules[next_module++ % kModules];
    bool known = line.device == device && line.inode == inode;
    module = {.begin = line.begin,
              .end = line.end,
              .eh_frame_hdr = known ? eh_frame_hdr_of(base, base_end) : 0};
    return &module;
  }
  return nullptr;
}

void forget_modules(uint64_t address, uint64_t size) {
  for (Module& module : modules) {
    if (module.begin < address + size && address < module.end) module = {};
  }
}

uint64_t find_padding(const Module& module, uint64_t near, uint64_t low, uint64_t high,
                      uint64_t need) {
  FrameTable table;
  if (module.eh_frame_hdr == 0 || !table.open(module.eh_frame_hdr)) return 0;
  uint32_t middle = table.find(near);
  uint64_t begin, end;
  if (!table.at(middle, begin, end) || near < begin || near >= end) return 0;
  for (uint32_t index = middle < 4 ? 0 : middle - 4; index <= middle + 3; ++index) {
    uint64_t next_begin, next_end;
    if (!table.at(index, begin, end) || !table.at(index + 1, next_begin, next_end)) continue;
    if (next_begin <= end || next_begin - end > 64 || end < module.begin || next_begin > module.end)
      continue;
    uint8_t gap[64];
    auto size = static_cast<unsigned>(next_begin - end);
    if (!copy_in(gap, end, size)) continue;
    unsigned at = 0;
    while (at < size) {
      unsigned step = padding_size(gap + at, size - at);
      if (step == 0) break;
      at += step;
    }
    if (at != size) continue;  // something that is not padding: code without a frame
    uint64_t first = end > low ? end : low;
    if (first <= high && first + need <= next_begin) return first;
  }
  return 0;
}

}  // namespace skep::agent
