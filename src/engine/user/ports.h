// Where XDP programs send frames: elements of DEVMAP, DEVMAP_HASH, CPUMAP and XSKMAP, and interfaces. A test run with
// live frames delivers there.
//
// An interface's port is a packet socket on it; a queue's (XSKMAP) is a datagram or seqpacket socket of the caller's,
// whose other end reads the frames, as an AF_XDP socket's rings would be; a CPU's runs its program on the frame.
#pragma once

#include "base/fd.h"
#include "engine/user/caller.h"
#include "maps/ports.h"

namespace skep::engine::user {

struct PortObject {
  explicit PortObject(Hive& of) : hive(of) {}
  ~PortObject();
  PortObject(const PortObject&) = delete;
  PortObject& operator=(const PortObject&) = delete;
  Hive& hive;
  maps::Port* port = nullptr;
  Fd socket;
  std::shared_ptr<runtime::ProgObject> program;
};

// BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM, BPF_MAP_LOOKUP_ELEM on such a map, with the kernel's errno.
[[nodiscard]] Result<> update_port(const Caller& caller, runtime::Runtime& runtime,
                                   runtime::MapObject& map, uint32_t key, ByteSpan value,
                                   uint64_t flags);
[[nodiscard]] Result<> delete_port(runtime::Runtime& runtime, runtime::MapObject& map,
                                   uint32_t key);
[[nodiscard]] Result<> lookup_port(const MapHeader& map, uint32_t key, std::span<std::byte> value);

// The frame goes where the verdict says; what has no way is dropped, as by the kernel. How many times it was sent.
uint32_t deliver(runtime::Runtime& runtime, const runtime::RunOutput& output, uint32_t ingress);

}  // namespace skep::engine::user
