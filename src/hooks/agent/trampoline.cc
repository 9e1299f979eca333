#include "hooks/agent/trampoline.h"

#include <cstring>

#include "hooks/agent/frame_offsets.h"
#include "hooks/agent/uprobe_offsets.h"

namespace skep::agent {
namespace {

struct Writer {
  uint8_t* at;
  void bytes(const uint8_t* from, size_t size) {
    memcpy(at, from, size);
    at += size;
  }
  void u32(uint32_t value) { bytes(reinterpret_cast<const uint8_t*>(&value), 4); }
};

bool reach(uint64_t target, uint64_t from, int32_t& displacement) {
  auto distance = static_cast<int64_t>(target - from);
  displacement = static_cast<int32_t>(distance);
  return displacement == distance;
}

}  // namespace

bool write_trampoline(uint8_t (&out)[kTrampolineSize], uint64_t address, uint64_t site,
                      const hooks::ProbeCode& code, uint32_t index, uint64_t entry) {
  // mov gs:[disp32], rsp and mov rsp, gs:[disp32]
  static constexpr uint8_t kSaveRsp[] = {0x65, 0x48, 0x89, 0x24, 0x25};
  static constexpr uint8_t kLoadRsp[] = {0x65, 0x48, 0x8b, 0x24, 0x25};
  static constexpr uint8_t kPush[] = {0x68};
  static constexpr uint8_t kCall[] = {0xff, 0x15};
  memset(out, 0xcc, sizeof out);
  uint32_t literal = kTrampolineSize - 8;
  Writer writer{out};
  writer.bytes(kSaveRsp, sizeof kSaveRsp);
  writer.u32(U_RSP);
  writer.bytes(kLoadRsp, sizeof kLoadRsp);
  writer.u32(T_STACK_TOP);
  writer.bytes(kPush, sizeof kPush);
  writer.u32(index);
  writer.bytes(kCall, sizeof kCall);
  writer.u32(literal - kTrampolineReturn);
  writer.bytes(kLoadRsp, sizeof kLoadRsp);
  writer.u32(U_RSP);
  memcpy(out + literal, &entry, 8);

  uint8_t* moved = out + kTrampolineHead;
  uint64_t moved_address = address + kTrampolineHead;
  memcpy(moved, code.code, code.code_size);
  for (uint32_t i = 0; i < code.fixup_count; ++i) {
    const hooks::ProbeFixup& fixup = code.fixups[i];
    uint64_t target = site + static_cast<uint64_t>(fixup.delta);
    if (fixup.kind == hooks::ProbeFixup::address64) {
      memcpy(moved + fixup.offset, &target, 8);
      continue;
    }
    int32_t displacement;
    if (!reach(target, moved_address + fixup.end, displacement)) return false;
    memcpy(moved + fixup.offset, &displacement, 4);
  }
  return true;
}

bool make_patch(SitePatch& out, uint64_t site, uint64_t trampoline, const hooks::ProbeCode& code) {
  memset(&out, 0xcc, sizeof out);
  out.cave = 0;
  out.size = code.displaced;
  uint64_t jump_at = site;
  uint8_t* jump = out.bytes;
  switch (code.kind) {
    case hooks::ProbeKind::none: return false;
    case hooks::ProbeKind::breakpoint: out.size = 1; return true;
    case hooks::ProbeKind::jump: break;
    case hooks::ProbeKind::short_jump:
      out.cave = site + static_cast<uint64_t>(int64_t{code.cave});
      out.bytes[0] = 0xeb;
      out.bytes[1] = static_cast<uint8_t>(code.cave - 2);
      jump_at = out.cave;
      jump = out.cave_bytes;
  }
  int32_t displacement;
  if (!reach(trampoline, jump_at + 5, displacement)) return false;
  jump[0] = 0xe9;
  memcpy(jump + 1, &displacement, 4);
  return true;
}

}  // namespace skep::agent
