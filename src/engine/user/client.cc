#include "engine/user/client.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "btf/btf.h"
#include "btf/user_engine/user_engine.h"
#include "engine/user/tracepoints.h"

namespace skep::engine {

using namespace user;

Result<std::unique_ptr<ClientEngine>> ClientEngine::connect(const std::string& home) {
  std::unique_ptr<ClientEngine> engine(new ClientEngine(home));
  ServerRequest request;
  request.op = Op::hello;
  request.address[0] = reinterpret_cast<uint64_t>(&engine->hello_);
  Fd none;
  SKEP_TRY(reply, engine->ask(request, none));
  if (reply.result < 0)
    return fail(static_cast<int>(-reply.result), "{}: {}", home,
                std::string_view(reply.message, reply.message_size));
  return engine;
}

// Called with the lock held.
Result<> ClientEngine::reconnect() {
  socket_ = Fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket_) return fail_errno(errno, "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = home_ + "/socket";
  if (path.size() >= sizeof address.sun_path) return fail(ENAMETOOLONG, "{}", path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    int code = errno;
    socket_.reset();
    return fail_errno(code, "connecting to the hive in {}", home_);
  }
  ucred peer{};
  socklen_t length = sizeof peer;
  // The keeper reads and writes our memory, as a kernel would; Yama wants it said.
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0)
    ::prctl(PR_SET_PTRACER, peer.pid, 0, 0, 0);
  connected_pid_ = ::getpid();
  return {};
}

Result<ServerReply> ClientEngine::ask(const ServerRequest& request, Fd& descriptor) {
  std::lock_guard lock(mutex_);
  if (!socket_ || connected_pid_ != ::getpid()) SKEP_CHECK(reconnect());
  ssize_t sent = ::send(socket_.get(), &request, sizeof request, MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(sizeof request)) {
    socket_.reset();
    return fail(ECONNRESET, "the process that keeps the hive in {} is gone", home_);
  }
  ServerReply reply;
  iovec part{&reply, sizeof reply};
  alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got;
  do {
    got = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(sizeof reply)) {
    socket_.reset();
    return fail(ECONNRESET, "the process that keeps the hive in {} is gone", home_);
  }
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
      descriptor = Fd(*reinterpret_cast<const int*>(CMSG_DATA(header)));
  }
  // The kernel takes descriptors away that this process has no number for.
  if (reply.descriptors != 0 && !descriptor)
    return fail(EMFILE, "this process has no descriptor left");
  reply.message_size = std::min<uint32_t>(reply.message_size, sizeof reply.message);
  return reply;
}

int64_t ClientEngine::finish(const ServerRequest& request) {
  Fd descriptor;
  auto reply = ask(request, descriptor);
  if (reply && reply->result >= 0) return descriptor ? descriptor.release() : reply->result;
  Error error = reply ? Error(static_cast<int>(-reply->result),
                              std::string(reply->message, reply->message_size))
                      : reply.error();
  std::lock_guard lock(mutex_);
  last_error_ = error;
  return -error.code();
}

int64_t ClientEngine::bpf(Cmd cmd, void* attr, uint32_t size) {
  ServerRequest request;
  request.op = Op::bpf;
  request.number = static_cast<uint32_t>(cmd);
  request.size = size;
  request.address[0] = reinterpret_cast<uint64_t>(attr);
  return finish(request);
}

void ClientEngine::close(int fd) { ::close(fd); }

int64_t ClientEngine::perf_event_open(const PerfEventAttr& attr, int, int, int, uint64_t) {
  ServerRequest request;
  request.op = Op::perf_event;
  request.size = sizeof attr;
  request.address[0] = reinterpret_cast<uint64_t>(&attr);
  return finish(request);
}

Result<uint32_t> ClientEngine::perf_type(std::string_view unit) {
  if (unit == "uprobe") return hello_.uprobe_type;
  if (unit == "kprobe") return kKprobeType;
  return fail(ENOENT, "the user engine has no performance unit \"{}\", only uprobe and kprobe",
              unit);
}

Result<uint64_t> ClientEngine::tracepoint_id(std::string_view category, std::string_view name) {
  return find_tracepoint(category, name);
}

Result<int> ClientEngine::open_cgroup(const std::string& path) {
  if (!path.empty())
    return fail(EOPNOTSUPP,
                "cgroup {}: the user engine attaches to the processes that it traces only", path);
  ServerRequest request;
  request.op = Op::cgroup;
  int64_t fd = finish(request);
  if (fd < 0) return std::unexpected(*last_error());
  return static_cast<int>(fd);
}

Result<std::shared_ptr<const btf::Btf>> ClientEngine::vmlinux_btf() {
  return btf::user_engine_btf();
}

std::optional<Error> ClientEngine::last_error() const {
  std::lock_guard lock(mutex_);
  return last_error_;
}

int ClientEngine::event_set_program(int event, int program) {
  ServerRequest request;
  request.op = Op::event_set_bpf;
  request.number = static_cast<uint32_t>(event);
  request.address[0] = static_cast<uint64_t>(program);
  return static_cast<int>(finish(request));
}

std::optional<Kind> ClientEngine::describe(int fd) {
  ServerRequest request;
  request.op = Op::describe;
  request.number = static_cast<uint32_t>(fd);
  Fd none;
  auto reply = ask(request, none);
  if (!reply || reply->result < 0) return std::nullopt;
  return static_cast<Kind>(reply->result);
}

void ClientEngine::wait_for_end() {
  std::lock_guard lock(mutex_);
  ServerReply reply;
  while (socket_ && (::recv(socket_.get(), &reply, sizeof reply, 0) > 0 || errno == EINTR)) {
  }
}

int64_t ClientEngine::map_memory(void* address, size_t length, int protection, int flags, int fd,
                                 off_t offset) {
  ServerRequest request;
  request.op = Op::map_memory;
  request.number = static_cast<uint32_t>(fd);
  request.address[0] = static_cast<uint64_t>(offset);
  request.address[1] = (length + 4095) & ~uint64_t{4095};
  request.address[2] = static_cast<uint64_t>(protection);
  Fd file;
  auto reply = ask(request, file);
  if (!reply) return -reply.error().code();
  if (reply->result < 0) return reply->result;
  void* at =
      ::mmap(address, length, protection, flags, file.get(), static_cast<off_t>(reply->offset));
  return at == MAP_FAILED ? -errno : reinterpret_cast<int64_t>(at);
}

}  // namespace skep::engine
