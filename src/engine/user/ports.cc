#include "engine/user/ports.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "maps/control/maps.h"
#include "spec/context_layout.h"

namespace skep::engine::user {
namespace {

using enum MapType;
constexpr uint32_t kXdpPass = 2, kXdpTx = 3, kXdpRedirect = 4;
constexpr uint32_t kLongestQueue = 16384;

// EINVAL where there is no such interface; EPERM where this process may not send there.
Result<Fd> interface_socket(uint32_t interface) {
  char name[IF_NAMESIZE];
  if (::if_indextoname(interface, name) == nullptr)
    return fail(EINVAL, "there is no interface {}", interface);
  Fd made(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (made.get() < 0) return fail_errno(errno, "a packet socket for interface {}", name);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(interface);
  if (::bind(made.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return fail_errno(errno, "a packet socket for interface {}", name);
  return made;
}

Result<Fd> copy_of(const Caller& caller, int32_t fd) {
  if (fd < 0) return fail(EBADF, "descriptor {}", fd);
  if (caller.pid() == ::getpid()) {
    Fd copy(::dup(fd));
    if (copy.get() < 0) return fail_errno(errno, "descriptor {}", fd);
    return copy;
  }
  Fd process(static_cast<int>(::syscall(SYS_pidfd_open, caller.pid(), 0)));
  if (process.get() < 0) return fail_errno(errno, "process {}", caller.pid());
  Fd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
  if (copy.get() < 0) return fail_errno(errno, "descriptor {}", fd);
  return copy;
}

Result<Fd> queue_socket(const Caller& caller, int32_t fd) {
  SKEP_TRY(copy, copy_of(caller, fd));
  int family = 0, type = 0;
  socklen_t size = sizeof family;
  if (::getsockopt(copy.get(), SOL_SOCKET, SO_DOMAIN, &family, &size) != 0)
    return fail_errno(errno, "descriptor {}", fd);
  size = sizeof type;
  (void)::getsockopt(copy.get(), SOL_SOCKET, SO_TYPE, &type, &size);
  if (family != AF_UNIX || (type != SOCK_DGRAM && type != SOCK_SEQPACKET))
    return fail(EOPNOTSUPP, "descriptor {}: a queue is a datagram or seqpacket socket of AF_UNIX",
                fd);
  return std::move(copy);
}

Result<std::shared_ptr<runtime::ProgObject>> port_program(const Caller& caller, int32_t fd,
                                                          AttachType wanted) {
  SKEP_TRY(program, caller.get<runtime::ProgObject>(fd));
  if (program->type() != ProgType::BPF_PROG_TYPE_XDP ||
      program->verified().program().expected_attach_type != wanted)
    return fail(EINVAL, "program {} was not loaded to run at such a port", program->header().name);
  return program;
}

ByteSpan key_bytes(const uint32_t& key) {
  return {reinterpret_cast<const std::byte*>(&key), sizeof key};
}

void send_frame(const maps::Port& port, ByteSpan frame, uint32_t& sent) {
  if (port.socket < 0) return;
  if (::send(port.socket, frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) ++sent;
}

class Delivery {
 public:
  Delivery(runtime::Runtime& runtime, uint32_t ingress) : runtime_(runtime), ingress_(ingress) {}

  uint32_t redirect(const runtime::RunOutput& output, int depth = 0) {
    const auto& where = output.redirect;
    if (where.map_id == 0) {
      if (auto socket = interface_socket(where.key))
        send_frame({.value = where.key, .prog_id = 0, .socket = socket->get(), .reserved = 0},
                   output.data, sent_);
      return sent_;
    }
    auto map = runtime_.find_map(where.map_id);
    if (!map) return sent_;
    if ((where.flags & maps::kRedirectBroadcast) == 0) {
      if (const maps::Port* port = maps::port_at(map->header(), where.key))
        through(*map, *port, output, depth);
      return sent_;
    }
    std::vector<std::byte> key, next(4);
    for (uint32_t steps = 0; steps < map->header().max_entries; ++steps) {
      if (!maps::next_key(map->header(), key, next)) break;
      key = next;
      const maps::Port* port = maps::port_at(map->header(), load<uint32_t>(key.data()));
      const bool excluded = (where.flags & maps::kRedirectExcludeIngress) != 0 && port != nullptr &&
                            port->value == ingress_;
      if (port != nullptr && !excluded) through(*map, *port, output, depth);
    }
    return sent_;
  }

 private:
  // Out of a port, through its program where it has one.
  void through(const runtime::MapObject& map, const maps::Port& port,
               const runtime::RunOutput& frame, int depth) {
    constexpr int kMostHops = 4;
    const bool cpu = map.header().type == static_cast<uint32_t>(BPF_MAP_TYPE_CPUMAP);
    auto program = port.prog_id != 0 ? runtime_.find_program(port.prog_id) : nullptr;
    if (!program) return send_frame(port, frame.data, sent_);
    spec::XdpContext ctx{};
    ctx.ingress_ifindex = ingress_;
    if (!cpu) ctx.egress_ifindex = port.value;
    runtime::RunInput input;
    input.data = frame.data;
    input.ctx = ByteSpan(reinterpret_cast<const std::byte*>(&ctx), 24);
    auto output = runtime_.run(*program, input);
    if (!output) return;
    if (output->retval == kXdpPass) send_frame(port, output->data, sent_);
    if (output->retval == kXdpRedirect && depth < kMostHops) redirect(*output, depth + 1);
  }

  runtime::Runtime& runtime_;
  uint32_t ingress_;
  uint32_t sent_ = 0;
};

}  // namespace

PortObject::~PortObject() {
  if (port != nullptr) maps::free_port(hive, port);
}

Result<> update_port(const Caller& caller, runtime::Runtime& runtime, runtime::MapObject& map,
                     uint32_t key, ByteSpan value, uint64_t flags) {
  MapHeader& header = map.header();
  const auto type = static_cast<MapType>(header.type);
  const auto number = load<uint32_t>(value.data());
  const int32_t prog_fd = header.value_size == 8 ? load<int32_t>(value.data() + 4) : -1;
  if (flags > BPF_EXIST) return fail(EINVAL, "flags {:#x}", flags);
  const bool hash = type == BPF_MAP_TYPE_DEVMAP_HASH;
  if (!hash && key >= header.max_entries)
    return fail(E2BIG, "key {}: map {} has {}", key, header.name, header.max_entries);
  const bool there = maps::port_at(header, key) != nullptr;
  if (type == BPF_MAP_TYPE_XSKMAP) {
    SKEP_TRY(socket, queue_socket(caller, static_cast<int32_t>(number)));
    if (there && flags == BPF_NOEXIST) return fail(EEXIST, "key {} has a queue", key);
    if (!there && flags == BPF_EXIST) return fail(ENOENT, "key {} has no queue", key);
    auto made = std::make_shared<PortObject>(runtime.hive());
    made->socket = std::move(socket);
    SKEP_TRY(port, maps::make_port(
                       runtime.hive(),
                       {.value = key, .prog_id = 0, .socket = made->socket.get(), .reserved = 0}));
    made->port = port;
    SKEP_CHECK(maps::set_port(runtime.hive(), &header, key, port, 0));
    map.hold(key_bytes(key), made);
    return {};
  }
  const bool cpu = type == BPF_MAP_TYPE_CPUMAP;
  // An array's elements all exist; a value of 0 empties one.
  if (!hash && flags == BPF_NOEXIST) return fail(EEXIST, "key {} exists", key);
  if (cpu && number > kLongestQueue)
    return fail(EOVERFLOW, "a queue of {}, at most {}", number, kLongestQueue);
  if (cpu && key >= runtime.possible_cpus())
    return fail(ENODEV, "CPU {}: there are {}", key, runtime.possible_cpus());
  if (number == 0 && !hash) {
    if (!cpu && prog_fd > 0) return fail(EINVAL, "a program needs an interface");
    SKEP_CHECK(maps::set_port(runtime.hive(), &header, key, nullptr, 0));
    map.hold(key_bytes(key), nullptr);
    return {};
  }
  if (hash && there && flags == BPF_NOEXIST) return fail(EEXIST, "key {} exists", key);
  auto made = std::make_shared<PortObject>(runtime.hive());
  if (!cpu) {
    SKEP_TRY(socket, interface_socket(number));
    made->socket = std::move(socket);
  }
  if (prog_fd > 0) {
    SKEP_TRY(program, port_program(caller, prog_fd,
                                   cpu ? AttachType::BPF_XDP_CPUMAP : AttachType::BPF_XDP_DEVMAP));
    made->program = program;
  }
  SKEP_TRY(port,
           maps::make_port(runtime.hive(), {.value = number,
                                            .prog_id = made->program ? made->program->id() : 0,
                                            .socket = made->socket.get(),
                                            .reserved = 0}));
  made->port = port;
  SKEP_CHECK(maps::set_port(runtime.hive(), &header, key, port, hash ? flags : 0));
  map.hold(key_bytes(key), made);
  return {};
}

Result<> delete_port(runtime::Runtime& runtime, runtime::MapObject& map, uint32_t key) {
  MapHeader& header = map.header();
  const auto type = static_cast<MapType>(header.type);
  if (type != BPF_MAP_TYPE_DEVMAP_HASH && key >= header.max_entries)
    return fail(EINVAL, "key {}: map {} has {}", key, header.name, header.max_entries);
  if (maps::port_at(header, key) != nullptr || type == BPF_MAP_TYPE_DEVMAP_HASH)
    SKEP_CHECK(maps::set_port(runtime.hive(), &header, key, nullptr, 0));
  map.hold(key_bytes(key), nullptr);
  return {};
}

Result<> lookup_port(const MapHeader& map, uint32_t key, std::span<std::byte> value) {
  if (map.type == static_cast<uint32_t>(BPF_MAP_TYPE_XSKMAP))
    return fail(EOPNOTSUPP, "map {}: queues can't be read back", map.name);
  const maps::Port* port = maps::port_at(map, key);
  if (port == nullptr) return fail(ENOENT, "key {} is empty", key);
  std::memcpy(value.data(), port, std::min<size_t>(value.size(), 8));
  return {};
}

uint32_t deliver(runtime::Runtime& runtime, const runtime::RunOutput& output, uint32_t ingress) {
  Delivery delivery(runtime, ingress);
  if (output.retval == kXdpRedirect) return delivery.redirect(output);
  if (output.retval == kXdpTx && ingress != 0) {
    runtime::RunOutput back = output;
    back.redirect = {.map_id = 0, .key = ingress, .flags = 0};
    return delivery.redirect(back);
  }
  return 0;
}

}  // namespace skep::engine::user
