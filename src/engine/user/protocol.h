// What a client process and the process that keeps a hive say to each other, over a SOCK_SEQPACKET socket in the
// hive's home (home.h): a request a message, a reply a message, descriptors by SCM_RIGHTS. The client's memory is
// not in the messages: the server reads and writes it where it is, as a kernel does.
//
// An object's descriptor is, in the client, one end of a socket pair whose other end the server holds. Its inode
// says which object it is, in whatever process it got to by fork(2), exec(3) or SCM_RIGHTS; when its last copy is
// closed, by close(2), exit or SIGKILL, the server sees the hang-up and drops the reference.
#pragma once

#include <cstdint>

namespace skep::engine::user {

inline constexpr uint32_t kProtocolVersion = 1;

enum class Op : uint32_t {
  hello = 0,          // HelloReply at address[0]
  bpf = 1,            // number: the command; address[0]: the attribute; size: its size
  perf_event = 2,     // address[0]: struct perf_event_attr; size: its size
  event_set_bpf = 3,  // number: the event; address[0]: the program's descriptor
  cgroup = 4,         // the traced processes, as a target
  map_memory = 5,     // mmap(2): number: the map; address[0]: offset, [1]: length, [2]: protection
  describe = 6,       // number: a descriptor; result: a Kind, or -EINVAL
};
enum class Kind : uint32_t { other = 0, map = 1, prog = 2, link = 3, btf = 4, event = 5 };

struct ServerRequest {
  Op op{};
  uint32_t number = 0;
  uint32_t size = 0;
  uint32_t version = kProtocolVersion;
  uint64_t address[3] = {};
};

struct HelloReply {
  uint32_t version = kProtocolVersion;
  uint32_t possible_cpus = 0;
  uint32_t uprobe_type = 0;
  uint32_t reserved = 0;
  char pin_root[4096] = {};
};

struct ServerReply {
  int64_t result =
      0;  // of the system call, or -errno; where a descriptor came along, that is the result
  uint64_t offset = 0;  // map_memory: into the descriptor's file
  uint32_t descriptors = 0;
  uint32_t message_size = 0;
  char message[480] = {};  // why, in words
};

}  // namespace skep::engine::user
