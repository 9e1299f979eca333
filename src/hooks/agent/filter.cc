#include "hooks/agent/filter.h"

#include <cstring>

#include "base/hive_control.h"
#include "base/raw_syscall.h"
#include "base/slots.h"
#include "hooks/agent/socket.h"
#include "hooks/attach_table.h"
#include "object/prog_header.h"
#include "spec/context_layout.h"
#include "spec/types.h"

namespace skep::agent {
namespace {

using spec::SockAddrContext;
using spec::SockContext;

const hooks::AttachTable* table() {
  return reinterpret_cast<const hooks::AttachTable*>(hive::root(hive::Root::kSyscallHooks));
}

bool anyone_at(AttachType hook) {
  const hooks::AttachTable* t = table();
  return t != nullptr &&
         t->cgroup[static_cast<uint32_t>(hook)].load(std::memory_order_acquire) != 0;
}

uint64_t call_native(HelperContext* context, uint64_t entry, uint64_t r1, uint64_t r2, uint64_t r3,
                     uint64_t r4, uint64_t r5) {
  return reinterpret_cast<HelperFn>(entry)(r1, r2, r3, r4, r5, context);
}

// Runs all programs of `hook` over `ctx`: 0, or the error of the first that refused.
int64_t run_hook(Thread* thread, AttachType hook, void* ctx) {
  const hooks::AttachTable* t = table();
  if (t == nullptr) return 0;
  uint32_t slot = hive::claim(thread->slot_hint, thread->owner);
  if (slot == hive::kNoSlot) return -kEagain;  // who must guard and can't, refuses
  thread->slot_hint = slot;
  HelperContext context;
  context.host = &host_ops;
  context.slot = slot;
  context.ctx = ctx;
  context.host_data = thread;
  context.call_bpf = call_native;
  uint32_t index = t->cgroup[static_cast<uint32_t>(hook)].load(std::memory_order_acquire);
  for (uint32_t steps = 0; index != 0 && index < hooks::kAttachNodes && steps < hooks::kAttachNodes;
       ++steps) {
    const hooks::AttachNode& node = t->nodes[index];
    const auto* program = reinterpret_cast<const ProgHeader*>(node.program);
    if (program != nullptr && program->magic == kProgMagic) {
      context.program = program;
      context.attach_cookie = node.cookie;
      context.tail_calls = 0;
      uint64_t verdict = reinterpret_cast<ProgEntry>(program->entry)(ctx, &context);
      bool error_set = context.retval < 0 && context.retval >= -4095;
      if ((verdict & 1) == 0 && !error_set) context.retval = static_cast<int32_t>(-kEperm);
    }
    index = node.next.load(std::memory_order_acquire);
  }
  hive::release(slot);
  return context.retval < 0 ? context.retval : 0;
}

bool hooked(const SocketKind& kind) {
  return (kind.domain == kAfInet || kind.domain == kAfInet6) &&
         (kind.type == kSockStream || kind.type == kSockDgram);
}

void fill(SockContext& ctx, int fd, const SocketKind& kind) {
  ctx = {};
  ctx.family = static_cast<uint32_t>(kind.domain);
  ctx.type = static_cast<uint32_t>(kind.type);
  ctx.protocol = static_cast<uint32_t>(kind.protocol);
  ctx.bound_dev_if = static_cast<uint32_t>(socket_option(fd, kSolSocket, kSoBindToIfIndex, 0));
  ctx.mark = static_cast<uint32_t>(socket_option(fd, kSolSocket, kSoMark, 0));
  ctx.priority = static_cast<uint32_t>(socket_option(fd, kSolSocket, kSoPriority, 0));
  constexpr uint32_t kTcpClose = 7;
  ctx.state = kTcpClose;
  ctx.rx_queue_mapping = -1;
}

// ---- before ----

// bind and connect: programs see the address, and may change it for the call.
int64_t run_on_address(Thread* thread, const SocketKind& kind, AttachType four, AttachType six) {
  Frame& frame = thread->frame;
  AttachType hook = kind.domain == kAfInet ? four : six;
  if (!anyone_at(hook)) return 0;
  SocketAddress address{};
  uint64_t length = frame.rdx;
  size_t needed = kind.domain == kAfInet ? kInetSize : kInet6Minimum;
  if (length < needed || length > 128) return 0;  // the kernel has the answer to that
  uint64_t kept = length < sizeof address ? length : sizeof address;
  if (!copy_in(&address, frame.rsi, kept)) return 0;
  bool connecting = four == AttachType::BPF_CGROUP_INET4_CONNECT;
  if (connecting && address.family == 0) return 0;  // AF_UNSPEC: disconnect

  SockContext sk;
  fill(sk, static_cast<int>(frame.rdi), kind);
  SockAddrContext ctx{};
  ctx.user_family = address.family;
  ctx.family = sk.family;
  ctx.type = sk.type;
  ctx.protocol = sk.protocol;
  ctx.sk = address_of(&sk);
  ctx.user_port = address.port;
  if (kind.domain == kAfInet)
    ctx.user_ip4 = address.ip4;
  else
    memcpy(ctx.user_ip6, address.ip6, sizeof ctx.user_ip6);
  int64_t refusal = run_hook(thread, hook, &ctx);
  if (refusal != 0) return refusal;

  SocketAddress wanted = address;
  wanted.port = static_cast<uint16_t>(ctx.user_port);
  if (kind.domain == kAfInet)
    wanted.ip4 = ctx.user_ip4;
  else
    memcpy(wanted.ip6, ctx.user_ip6, sizeof wanted.ip6);
  if (memcmp(&wanted, &address, sizeof wanted) != 0) {
    thread->rewritten_address = wanted;
    thread->saved_argument = frame.rsi;
    thread->saved_index = 1;
    thread->restarted_args = true;
    frame.rsi = address_of(&thread->rewritten_address);
  }
  return 0;
}

bool is_unconnected(int fd, const SocketKind& kind) {
  if (kind.type != kSockStream) return true;
  constexpr int kTcpInfo = 11;
  constexpr uint64_t kTcpClose = 7;
  // tcpi_state is the first byte.
  return (socket_option(fd, kIpprotoTcp, kTcpInfo, kTcpClose) & 0xff) == kTcpClose;
}

// ---- after ----

int64_t after_bind(Thread* thread) {
  int fd = static_cast<int>(thread->frame.rdi);
  SocketKind kind;
  if (!socket_kind(fd, kind) || !hooked(kind)) return 0;
  AttachType hook = kind.domain == kAfInet ? AttachType::BPF_CGROUP_INET4_POST_BIND
                                           : AttachType::BPF_CGROUP_INET6_POST_BIND;
  if (!anyone_at(hook)) return 0;
  SocketAddress bound{};
  if (!socket_name(fd, bound) || bound.port == 0) return 0;  // IP_BIND_ADDRESS_NO_PORT: not yet
  SockContext ctx;
  fill(ctx, fd, kind);
  ctx.src_port = static_cast<uint32_t>(__builtin_bswap16(bound.port));
  if (kind.domain == kAfInet)
    ctx.src_ip4 = bound.ip4;
  else
    memcpy(ctx.src_ip6, bound.ip6, sizeof ctx.src_ip6);
  int64_t refusal = run_hook(thread, hook, &ctx);
  if (refusal != 0) replace_socket(fd, kind);
  return refusal;
}

int64_t after_socket(Thread* thread, int fd) {
  SocketKind kind;
  if (!socket_kind(fd, kind) || (kind.domain != kAfInet && kind.domain != kAfInet6)) return fd;
  SockContext ctx;
  fill(ctx, fd, kind);
  SockContext before = ctx;
  int64_t refusal = run_hook(thread, AttachType::BPF_CGROUP_INET_SOCK_CREATE, &ctx);
  if (refusal != 0) {
    raw::syscall(kNrClose, fd);
    return refusal;
  }
  if (ctx.mark != before.mark) set_socket_option(fd, kSolSocket, kSoMark, ctx.mark);
  if (ctx.priority != before.priority) set_socket_option(fd, kSolSocket, kSoPriority, ctx.priority);
  if (ctx.bound_dev_if != before.bound_dev_if)
    set_socket_option(fd, kSolSocket, kSoBindToIfIndex, ctx.bound_dev_if);
  return fd;
}

// The program gave up system calls by seccomp: ours could kill it, and a guard that can't look says no.
bool blind(const Thread* thread) {
  if (!process.confined) return false;
  switch (thread->real_nr) {
    case kNrBind:
      return anyone_at(AttachType::BPF_CGROUP_INET4_BIND) ||
             anyone_at(AttachType::BPF_CGROUP_INET6_BIND) ||
             anyone_at(AttachType::BPF_CGROUP_INET4_POST_BIND) ||
             anyone_at(AttachType::BPF_CGROUP_INET6_POST_BIND);
    case kNrConnect:
      return anyone_at(AttachType::BPF_CGROUP_INET4_CONNECT) ||
             anyone_at(AttachType::BPF_CGROUP_INET6_CONNECT);
    case kNrSocket: return anyone_at(AttachType::BPF_CGROUP_INET_SOCK_CREATE);
    default: return false;
  }
}

}  // namespace

int64_t filter_enter(Thread* thread) {
  if (blind(thread)) return -kEperm;
  int fd = static_cast<int>(thread->frame.rdi);
  SocketKind kind;
  switch (thread->real_nr) {
    case kNrBind:
      if (!socket_kind(fd, kind) || !hooked(kind)) return 0;
      return run_on_address(thread, kind, AttachType::BPF_CGROUP_INET4_BIND,
                            AttachType::BPF_CGROUP_INET6_BIND);
    case kNrConnect:
      if (!socket_kind(fd, kind) || !hooked(kind) || !is_unconnected(fd, kind)) return 0;
      return run_on_address(thread, kind, AttachType::BPF_CGROUP_INET4_CONNECT,
                            AttachType::BPF_CGROUP_INET6_CONNECT);
    default: return 0;
  }
}

int64_t filter_exit(Thread* thread, int64_t result) {
  if (is_error(result)) return result;
  switch (thread->real_nr) {
    case kNrBind: return after_bind(thread);
    case kNrSocket:
      return anyone_at(AttachType::BPF_CGROUP_INET_SOCK_CREATE)
                 ? after_socket(thread, static_cast<int>(result))
                 : result;
    default: return result;
  }
}

}  // namespace skep::agent
