// sockcount: hand-written bytecode that counts TCP, UDP and ICMP packets, loaded and run through bpf(2) as the
// user engine answers it. No compiler, no object file, no root.
//
//   build/bin/sockcount                 counts a few packets of its own making
//
// The program is the classic socket filter: load the IP protocol byte, look its counter up, add one atomically.
#include <cstdio>
#include <cstring>
#include <vector>

#include "engine/user/user_engine.h"
#include "isa/builder.h"

using namespace skep;
using namespace skep::isa;
using namespace skep::isa::macros;

namespace {

// An Ethernet frame with an IPv4 header of this protocol, and nothing in it.
std::vector<uint8_t> frame(uint8_t protocol) {
  std::vector<uint8_t> bytes(14 + 20 + 8);
  bytes[12] = 0x08;  // ETH_P_IP
  bytes[14] = 0x45;
  bytes[14 + 9] = protocol;
  return bytes;
}

uint64_t address_of(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

int fail(const engine::Engine& engine, const char* what) {
  auto error = engine.last_error();
  std::fprintf(stderr, "sockcount: %s: %s\n", what, error ? error->text().c_str() : "?");
  return 1;
}

}  // namespace

int main() {
  auto engine = engine::UserEngine::create();
  if (!engine) {
    std::fprintf(stderr, "sockcount: %s\n", engine.error().text().c_str());
    return 1;
  }
  engine::MapCreateAttr map;
  map.map_type = static_cast<uint32_t>(MapType::BPF_MAP_TYPE_ARRAY);
  map.key_size = 4;
  map.value_size = 8;
  map.max_entries = 256;
  auto map_fd = static_cast<int>((*engine)->call(engine::Cmd::BPF_MAP_CREATE, map));
  if (map_fd < 0) return fail(**engine, "BPF_MAP_CREATE");

  const int32_t kProtocol = -0x100000 + 9;  // SKF_NET_OFF: from the network header
  const auto program =
      insns(BPF_MOV64_REG(6, 1),            // r6 = ctx, which LD_ABS wants there
            BPF_LD_ABS(BPF_B, kProtocol),   // r0 = ip->protocol
            BPF_STX_MEM(BPF_W, 10, 0, -4),  // *(u32 *)(fp - 4) = r0
            BPF_MOV64_REG(2, 10), BPF_ALU64_IMM(BPF_ADD, 2, -4), BPF_LD_MAP_FD(1, map_fd),
            BPF_EMIT_CALL(1),  // bpf_map_lookup_elem
            BPF_JMP_IMM(BPF_JEQ, 0, 0, 2), BPF_MOV64_IMM(1, 1),
            BPF_ATOMIC_OP(BPF_DW, BPF_ADD, 0, 1, 0),  // lock *(u64 *)r0 += 1
            BPF_MOV64_IMM(0, 0), BPF_EXIT_INSN());

  std::vector<char> log(65536);
  engine::ProgLoadAttr load;
  load.prog_type = static_cast<uint32_t>(ProgType::BPF_PROG_TYPE_SOCKET_FILTER);
  load.insns = address_of(program.data());
  load.insn_cnt = static_cast<uint32_t>(program.size());
  load.license = address_of("GPL");
  load.log_level = 1;
  load.log_buf = address_of(log.data());
  load.log_size = static_cast<uint32_t>(log.size());
  auto prog_fd = static_cast<int>((*engine)->call(engine::Cmd::BPF_PROG_LOAD, load));
  if (prog_fd < 0) {
    std::fputs(log.data(), stderr);
    return fail(**engine, "BPF_PROG_LOAD");
  }

  constexpr uint8_t kIcmp = 1, kTcp = 6, kUdp = 17;
  for (uint8_t protocol : {kTcp, kTcp, kTcp, kUdp, kUdp, kIcmp}) {
    auto packet = frame(protocol);
    engine::TestRunAttr run;
    run.prog_fd = static_cast<uint32_t>(prog_fd);
    run.data_in = address_of(packet.data());
    run.data_size_in = static_cast<uint32_t>(packet.size());
    if ((*engine)->call(engine::Cmd::BPF_PROG_TEST_RUN, run) < 0)
      return fail(**engine, "BPF_PROG_TEST_RUN");
  }
  for (auto [name, protocol] : {std::pair{"TCP", kTcp}, {"UDP", kUdp}, {"ICMP", kIcmp}}) {
    uint32_t key = protocol;
    uint64_t count = 0;
    engine::MapElemAttr lookup;
    lookup.map_fd = static_cast<uint32_t>(map_fd);
    lookup.key = address_of(&key);
    lookup.value = address_of(&count);
    if ((*engine)->call(engine::Cmd::BPF_MAP_LOOKUP_ELEM, lookup) < 0)
      return fail(**engine, "BPF_MAP_LOOKUP_ELEM");
    std::printf("%-4s %llu packets\n", name, static_cast<unsigned long long>(count));
  }
  return 0;
}
