#include "engine/user/server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstring>

namespace skep::engine::user {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kMostDescriptors = 4;
constexpr uint64_t kStopKey = 0;

bool send_reply(int socket, const ServerReply& reply, const std::vector<Fd>& descriptors) {
  iovec part{const_cast<ServerReply*>(&reply), sizeof reply};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))] = {};
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    auto* to = reinterpret_cast<int*>(CMSG_DATA(header));
    for (const Fd& fd : descriptors) *to++ = fd.get();
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof reply);
}

Kind kind_of(const Object& object) {
  struct Visitor {
    Kind operator()(const std::shared_ptr<runtime::MapObject>&) { return Kind::map; }
    Kind operator()(const std::shared_ptr<runtime::ProgObject>&) { return Kind::prog; }
    Kind operator()(const std::shared_ptr<LinkObject>&) { return Kind::link; }
    Kind operator()(const std::shared_ptr<runtime::BtfObject>&) { return Kind::btf; }
    Kind operator()(const std::shared_ptr<EventObject>&) { return Kind::event; }
    Kind operator()(const std::shared_ptr<CgroupObject>&) { return Kind::other; }
    Kind operator()(const std::shared_ptr<runtime::RunTimes>&) { return Kind::other; }
  };
  return std::visit(Visitor{}, object);
}

}  // namespace

// A connected process. Its descriptors are named by the inodes that /proc shows.
class Server::Remote final : public Caller {
 public:
  Remote(Server& server, pid_t pid, uid_t uid) : Caller(pid, uid), server_(server) {}
  Result<int> open(Handle handle) override {
    SKEP_TRY(end, server_.adopt(std::move(handle)));
    outgoing_.emplace_back(end);
    return 0;
  }
  Result<Handle> find(int64_t fd) const override {
    char target[64];
    std::string path = fmt::format("/proc/{}/fd/{}", pid(), static_cast<int>(fd));
    ssize_t length = ::readlink(path.c_str(), target, sizeof target);
    if (length < 0) return fail(EBADF, "process {} has no descriptor {}", pid(), fd);
    std::string_view text(target, static_cast<size_t>(length));
    constexpr std::string_view kSocket = "socket:[";
    uint64_t inode = 0;
    if (text.starts_with(kSocket))
      std::from_chars(text.data() + kSocket.size(), text.data() + text.size(), inode);
    auto handle = server_.adopted(inode);
    if (!handle) return fail(EINVAL, "descriptor {} is not one of this engine's", fd);
    return *handle;
  }
  Result<int> give_file(int fd) override {
    int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return fail_errno(errno, "opening a descriptor");
    outgoing_.emplace_back(copy);
    return 0;
  }
  [[nodiscard]] std::vector<Fd> take_outgoing() { return std::exchange(outgoing_, {}); }

 private:
  Server& server_;
  std::vector<Fd> outgoing_;
};

Result<std::unique_ptr<Server>> Server::create(UserEngine& engine, const std::string& home) {
  std::unique_ptr<Server> server(new Server(engine));
  if (::mkdir(home.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno(errno, "{}", home);
  server->home_ = home;
  SKEP_TRY(lock, open_file(home + "/lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return fail(EBUSY, "another process keeps the hive in {}", home);
  server->lock_ = std::move(lock);
  server->path_ = home + "/socket";
  ::unlink(server->path_.c_str());  // a killed keeper's
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (server->path_.size() >= sizeof address.sun_path)
    return fail(ENAMETOOLONG, "{} is too long for a socket's path", server->path_);
  std::memcpy(address.sun_path, server->path_.c_str(), server->path_.size() + 1);
  server->listener_ = Fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  server->stop_ = Fd(::eventfd(0, EFD_CLOEXEC));
  server->epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!server->listener_ || !server->stop_ || !server->epoll_)
    return fail_errno(errno, "opening the hive's socket");
  if (::bind(server->listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(server->listener_.get(), 64) != 0)
    return fail_errno(errno, "listening on {}", server->path_);
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kStopKey}};
  ::epoll_ctl(server->epoll_.get(), EPOLL_CTL_ADD, server->stop_.get(), &event);
  server->acceptor_ = std::thread([raw = server.get()] { raw->accept_all(); });
  server->watcher_ = std::thread([raw = server.get()] { raw->watch(); });
  return server;
}

Server::~Server() {
  engine_.stop();
  uint64_t one = 1;
  if (stop_) (void)!::write(stop_.get(), &one, sizeof one);
  if (acceptor_.joinable()) acceptor_.join();
  if (watcher_.joinable()) watcher_.join();
  for (Connection& connection : connections_) {
    ::shutdown(connection.socket.get(), SHUT_RDWR);
    connection.thread.join();
  }
  std::map<uint64_t, Adopted> adopted;
  adopted.swap(adopted_);
  adopted.clear();
  if (!path_.empty() && listener_) ::unlink(path_.c_str());
  // The lock's file goes while it is held, so that nobody locks a file without a name and goes on.
  if (lock_) ::unlink((home_ + "/lock").c_str());
  ::rmdir(home_.c_str());  // where nothing else is in it
}

// ---- connections ----

void Server::accept_all() {
  for (;;) {
    pollfd waits[2] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (::poll(waits, 2, -1) < 0 && errno != EINTR) return;
    if (waits[1].revents != 0) return;
    if (waits[0].revents == 0) continue;
    Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) continue;
    ucred peer{};
    socklen_t length = sizeof peer;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 ||
        (peer.uid != ::geteuid() && peer.uid != 0))
      continue;
    ++connections_ever_;
    reap();
    std::lock_guard lock(mutex_);
    Connection& connection = connections_.emplace_back();
    connection.socket = std::move(socket);
    connection.thread = std::thread([this, &connection] { serve(connection); });
  }
}

void Server::reap() {
  std::list<Connection> gone;
  std::lock_guard lock(mutex_);
  for (auto at = connections_.begin(); at != connections_.end();) {
    auto next = std::next(at);
    if (at->done.load()) gone.splice(gone.end(), connections_, at);
    at = next;
  }
  for (Connection& connection : gone) connection.thread.join();
}

void Server::serve(Connection& connection) {
  ucred peer{};
  socklen_t length = sizeof peer;
  ::getsockopt(connection.socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length);
  Remote caller(*this, peer.pid, peer.uid);
  for (;;) {
    ServerRequest request;
    ssize_t got = ::recv(connection.socket.get(), &request, sizeof request, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got != static_cast<ssize_t>(sizeof request)) break;
    ServerReply reply;
    answer(caller, request, reply);
    auto outgoing = caller.take_outgoing();
    if (reply.result < 0) outgoing.clear();
    reply.descriptors = static_cast<uint32_t>(outgoing.size());
    if (!send_reply(connection.socket.get(), reply, outgoing)) break;
  }
  ::shutdown(connection.socket.get(), SHUT_RDWR);
  connection.done.store(true);
}

void Server::answer(Remote& caller, const ServerRequest& request, ServerReply& reply) {
  auto act = [&]() -> Result<int64_t> {
    if (request.version != kProtocolVersion)
      return fail(EPROTO, "the hive speaks version {}, the client {}", kProtocolVersion,
                  request.version);
    auto number = static_cast<int32_t>(request.number);
    switch (request.op) {
      case Op::hello: {
        HelloReply hello;
        hello.possible_cpus = engine_.possible_cpus();
        SKEP_TRY(type, engine_.perf_type("uprobe"));
        hello.uprobe_type = type;
        SKEP_CHECK(engine_.pins().make_root());
        std::strncpy(hello.pin_root, engine_.pins().root().c_str(), sizeof hello.pin_root - 1);
        SKEP_CHECK(
            caller.copy_out(request.address[0],
                            ByteSpan(reinterpret_cast<const std::byte*>(&hello), sizeof hello)));
        return ::getpid();
      }
      case Op::bpf:
        return engine_.bpf_for(caller, static_cast<Cmd>(request.number),
                               reinterpret_cast<void*>(request.address[0]), request.size);
      case Op::perf_event: {
        PerfEventAttr attr;
        SKEP_CHECK(
            caller.copy_in(&attr, request.address[0], std::min<size_t>(request.size, sizeof attr)));
        return engine_.perf_event_open_for(caller, attr);
      }
      case Op::event_set_bpf:
        SKEP_CHECK(
            engine_.event_set_program(caller, number, static_cast<int32_t>(request.address[0])));
        return 0;
      case Op::cgroup: {
        SKEP_TRY(fd, engine_.open_cgroup_for(caller));
        return fd;
      }
      case Op::map_memory: return map_memory(caller, request, reply);
      case Op::describe: {
        SKEP_TRY(handle, caller.find(number));
        return static_cast<int64_t>(kind_of(handle.object));
      }
    }
    return fail(EINVAL, "unknown request {}", static_cast<uint32_t>(request.op));
  };
  Result<int64_t> result = act();
  if (result) {
    reply.result = *result;
    return;
  }
  reply.result = -result.error().code();
  std::string text = result.error().text();
  reply.message_size = static_cast<uint32_t>(std::min(text.size(), sizeof reply.message));
  std::memcpy(reply.message, text.data(), reply.message_size);
}

// As the maps' own mmap in the kernel: arrays with BPF_F_MMAPABLE; ring buffers, whose first page alone may be
// written.
Result<int64_t> Server::map_memory(Remote& caller, const ServerRequest& request,
                                   ServerReply& reply) {
  SKEP_TRY(handle, caller.find(static_cast<int32_t>(request.number)));
  auto* map = std::get_if<std::shared_ptr<runtime::MapObject>>(&handle.object);
  if (map == nullptr) return fail(ENODEV, "descriptor {} is not of a map", request.number);
  const MapHeader& header = (*map)->header();
  const uint64_t offset = request.address[0], length = request.address[1];
  const bool writes = (request.address[2] & PROT_WRITE) != 0;
  uint64_t begin = header.data, size = 0;
  switch (static_cast<MapType>(header.type)) {
    case MapType::BPF_MAP_TYPE_ARRAY:
      if ((header.map_flags & BPF_F_MMAPABLE) == 0)
        return fail(EINVAL, "map {} was made without BPF_F_MMAPABLE", header.name);
      if (writes && (header.frozen != 0 || !handle.can_write))
        return fail(EPERM, "map {} is frozen or read-only", header.name);
      begin = header.values;
      size = uint64_t{header.max_entries} * header.value_stride;
      break;
    case MapType::BPF_MAP_TYPE_RINGBUF:
      if (writes && (offset != 0 || length != kPage))
        return fail(EPERM, "only a ring buffer's first page can be written");
      size = 2 * kPage + 2 * uint64_t{header.max_entries};
      break;
    case MapType::BPF_MAP_TYPE_USER_RINGBUF:
      if (writes && offset == 0)
        return fail(EPERM, "a user ring buffer's first page is the kernel's");
      size = 2 * kPage + 2 * uint64_t{header.max_entries};
      break;
    default: return fail(ENODEV, "maps of this type can't be mapped");
  }
  size = (size + kPage - 1) & ~(kPage - 1);
  if (offset % kPage != 0 || offset > size || length > size - offset)
    return fail(EINVAL, "{} bytes at {}: the map has {}", length, offset, size);
  reply.offset = begin - hive::kData + offset;
  SKEP_CHECK(caller.give_file(engine_.runtime().hive().data_fd()));
  return 0;
}

// ---- descriptors in clients ----

Result<int> Server::adopt(Handle handle) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    return fail_errno(errno, "opening a descriptor");
  Fd ours(pair[0]), theirs(pair[1]);
  struct stat status{};
  if (::fstat(theirs.get(), &status) != 0) return fail_errno(errno, "opening a descriptor");
  std::lock_guard lock(mutex_);
  epoll_event event{.events = EPOLLRDHUP, .data = {.u64 = status.st_ino}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, ours.get(), &event) != 0)
    return fail_errno(errno, "watching a descriptor");
  adopted_.emplace(status.st_ino, Adopted{std::move(handle), std::move(ours)});
  return theirs.release();
}

Result<Handle> Server::adopted(uint64_t inode) const {
  std::lock_guard lock(mutex_);
  auto found = adopted_.find(inode);
  if (found == adopted_.end()) return fail(EINVAL, "not one of this engine's");
  return found->second.handle;
}

void Server::watch() {
  for (;;) {
    epoll_event events[64];
    int count = ::epoll_wait(epoll_.get(), events, 64, -1);
    if (count < 0 && errno != EINTR) return;
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == kStopKey) return;
      std::map<uint64_t, Adopted>::node_type gone;  // released outside the lock
      std::lock_guard lock(mutex_);
      gone = adopted_.extract(events[i].data.u64);
    }
  }
}

bool Server::idle() {
  reap();
  bool pinned = engine_.pins().sweep();
  std::lock_guard lock(mutex_);
  return connections_.empty() && adopted_.empty() && !pinned;
}

}  // namespace skep::engine::user
