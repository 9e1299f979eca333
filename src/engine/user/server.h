// Server: a UserEngine for other processes of this user. It listens in the hive's home, and answers bpf(2) and its
// kin for whoever connects, each connection in a thread of its own.
//
// Only this user and root are let in (the directory's mode, and the peer's credentials). A client may be killed at any
// instruction: what it held goes with its descriptors.
#pragma once

#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/fd.h"
#include "engine/user/protocol.h"
#include "engine/user/user_engine.h"

namespace skep::engine::user {

class Server {
 public:
  // EBUSY where another process keeps the hive of this name.
  [[nodiscard]] static Result<std::unique_ptr<Server>> create(UserEngine& engine,
                                                              const std::string& home);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Nobody is connected, no descriptor is open in any process, no pin is there.
  [[nodiscard]] bool idle();
  [[nodiscard]] uint64_t connections_ever() const { return connections_ever_.load(); }
  [[nodiscard]] const std::string& socket_path() const { return path_; }

 private:
  class Remote;
  struct Connection {
    std::thread thread;
    Fd socket;
    std::atomic<bool> done{false};
  };
  struct Adopted {
    Handle handle;
    Fd end;  // ours, of the pair
  };
  explicit Server(UserEngine& engine) : engine_(engine) {}
  void accept_all();
  void watch();
  void serve(Connection& connection);
  void answer(Remote& caller, const ServerRequest& request, ServerReply& reply);
  Result<int64_t> map_memory(Remote& caller, const ServerRequest& request, ServerReply& reply);
  Result<int> adopt(Handle handle);  // the client's end
  Result<Handle> adopted(uint64_t inode) const;
  void reap();

  UserEngine& engine_;
  std::string home_, path_;
  Fd lock_, listener_, stop_, epoll_;
  std::thread acceptor_, watcher_;
  mutable std::mutex mutex_;
  std::list<Connection> connections_;
  std::map<uint64_t, Adopted> adopted_;  // by the inode of the client's end
  std::atomic<uint64_t> connections_ever_{0};
};

}  // namespace skep::engine::user
