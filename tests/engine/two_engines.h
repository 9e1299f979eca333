// A call of bpf(2) on each engine that there is, for tests that want both to answer alike: the user engine, and
// Linux's where this machine lets us (else a line says why not).
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "engine/kernel/kernel_engine.h"
#include "engine/user/user_engine.h"
#include "isa/builder.h"

namespace skep::engine {

class Side {
 public:
  explicit Side(Engine& engine) : engine_(engine) {}
  [[nodiscard]] Engine& engine() { return engine_; }
  template <class Attr>
  int64_t operator()(Cmd cmd, Attr attr) {
    return engine_.call(cmd, attr);
  }
  template <class Attr>
  int64_t inout(Cmd cmd, Attr& attr) {
    return engine_.call(cmd, attr);
  }
  int keep(int64_t fd) {
    if (fd >= 0) fds_.push_back(static_cast<int>(fd));
    return static_cast<int>(fd);
  }
  ~Side() {
    for (int fd : fds_) engine_.close(fd);
  }

  int map(uint32_t type, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags = 0) {
    MapCreateAttr attr;
    attr.map_type = type;
    attr.key_size = key;
    attr.value_size = value;
    attr.max_entries = entries;
    attr.map_flags = flags;
    return keep((*this)(Cmd::BPF_MAP_CREATE, attr));
  }
  int program(uint32_t type, const std::vector<Insn>& insns, uint32_t attach_type = 0,
              const char* name = "test") {
    ProgLoadAttr attr;
    attr.prog_type = type;
    attr.insn_cnt = static_cast<uint32_t>(insns.size());
    attr.insns = reinterpret_cast<uint64_t>(insns.data());
    attr.license = reinterpret_cast<uint64_t>("GPL");
    attr.expected_attach_type = attach_type;
    std::strncpy(attr.prog_name, name, sizeof attr.prog_name - 1);
    return keep((*this)(Cmd::BPF_PROG_LOAD, attr));
  }

 private:
  Engine& engine_;
  std::vector<int> fds_;
};

class TwoEngines : public testing::Test {
 protected:
  static UserEngine& user() {
    static std::unique_ptr<UserEngine> engine = [] {
      runtime::RuntimeOptions options;
      options.hive.publish_session = false;
      auto made = UserEngine::create(options);
      if (!made) {
        ADD_FAILURE() << made.error().text();
        std::abort();
      }
      return std::move(*made);
    }();
    return *engine;
  }
  static Engine* kernel() {
    static std::unique_ptr<Engine> engine = [] {
      auto made = make_kernel_engine();
      if (made) return std::move(*made);
      std::printf("[  NOTE    ] without the kernel's answers: %s\n", made.error().text().c_str());
      return std::unique_ptr<Engine>();
    }();
    return engine.get();
  }
  // Runs `test` on each engine; what it gives must be the same.
  template <class Test>
  static void same(Test test) {
    Side one(user());
    auto ours = test(one);
    if (kernel() == nullptr) return;
    Side other(*kernel());
    auto theirs = test(other);
    EXPECT_EQ(ours, theirs)
        << "the user engine's and the kernel's; they part at "
        << std::mismatch(ours.begin(), ours.end(), theirs.begin(), theirs.end()).first -
               ours.begin();
    if (ours != theirs && ours.size() > 32) {
      for (size_t i = 0; i < std::max(ours.size(), theirs.size()); ++i) {
        std::printf("%zu: %lld %lld\n", i,
                    i < ours.size() ? static_cast<long long>(ours[i]) : -99999,
                    i < theirs.size() ? static_cast<long long>(theirs[i]) : -99999);
      }
    }
    if (ours != theirs && user().last_error())
      std::printf("the user engine's last error: %s\n", user().last_error()->text().c_str());
  }
};

inline uint64_t address(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

}  // namespace skep::engine
