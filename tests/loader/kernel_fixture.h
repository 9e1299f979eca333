// For tests of the kernel engine: attach.bpf.o's programs, one loaded at a time, on processes, cgroups and namespaces
// of the test's own.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <optional>

#include "base/fd.h"
#include "engine/kernel/facts.h"
#include "engine/kernel/kernel_engine.h"
#include "loader/loader.h"
#include "test_paths.h"

namespace skep::loader {

// This thread is in a new network namespace, whose loopback is up, until the end.
class OwnNetns {
 public:
  OwnNetns() : before_(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) {
    if (::unshare(CLONE_NEWNET) != 0) return;
    Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::snprintf(request.ifr_name, sizeof request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    ok_ = ::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0;
  }
  ~OwnNetns() { (void)::setns(before_.get(), CLONE_NEWNET); }
  OwnNetns(const OwnNetns&) = delete;
  OwnNetns& operator=(const OwnNetns&) = delete;
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  Fd before_;
  bool ok_ = false;
};

// A file of tracefs and cgroups can only be had where these are mounted: in a private mount namespace.
inline bool mount_private() {
  static const bool done = [] {
    if (::unshare(CLONE_NEWNS) != 0) return false;
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
    if (engine::kernel::tracefs().empty())
      (void)::mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, nullptr);
    return true;
  }();
  return done;
}

class KernelLoader : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = engine::make_kernel_engine();
    if (!made) GTEST_SKIP() << "the kernel engine is refused here: " << made.error().text();
    engine_ = std::move(*made);
    mount_private();
  }

  // Loads one program; a refusal that this machine is known for skips, with the kernel's words.
  void load(const std::string& program) {
    const char* directory = std::getenv("SKEP_TEST_OBJECTS");
    const std::string path =
        (directory != nullptr ? std::string(directory) : SKEP_SOURCE_DIR "/tests/loader/progs") +
        "/attach.bpf.o";
    auto bytes = read_file(path);
    ASSERT_TRUE(bytes) << bytes.error().text();
    auto object = object::open_object(*bytes, "attach.bpf.o");
    ASSERT_TRUE(object) << object.error().text();
    ASSERT_TRUE(object->set_variable("target_pid", std::to_string(::getpid())));
    LoadOptions options;
    options.only = {program};
    auto loaded =
        Loader::load(*engine_, std::make_unique<object::Object>(std::move(*object)), options);
    if (!loaded && refused(loaded.error().error)) GTEST_SKIP() << loaded.error().error.text();
    ASSERT_TRUE(loaded) << loaded.error().error.text();
    loader_.emplace(std::move(*loaded));
    name_ = program;
  }
  void attach(const AttachOptions& options = {}) {
    auto links = loader_->attach_all(options);
    if (!links && refused(links.error())) GTEST_SKIP() << links.error().text();
    ASSERT_TRUE(links) << links.error().text() << " " << links.error().hint();
    ASSERT_TRUE(loader_->unattached().empty()) << loader_->unattached().front().reason;
    ASSERT_EQ(links->size(), 1u);
    links_ = std::move(*links);
  }
  // EPERM: fentry, LSM; EOPNOTSUPP: kprobes that are not built in.
  static bool refused(const Error& error) {
    return error.code() == EPERM || error.code() == EOPNOTSUPP || error.code() == ENOTSUP;
  }

  [[nodiscard]] uint64_t count(uint32_t which) {
    uint64_t value = 0;
    engine::MapElemAttr attr;
    for (const LoadedMap& map : loader_->maps())
      if (map.spec->name == "counts") attr.map_fd = static_cast<uint32_t>(map.fd.get());
    attr.key = reinterpret_cast<uint64_t>(&which);
    attr.value = reinterpret_cast<uint64_t>(&value);
    EXPECT_EQ(engine_->call(engine::Cmd::BPF_MAP_LOOKUP_ELEM, attr), 0);
    return value;
  }
  // Three events while it is attached are three counts, and none comes after.
  template <class Event>
  void expect_counts(uint32_t which, Event event, uint64_t each = 1) {
    for (int i = 0; i < 3; ++i) event();
    EXPECT_EQ(count(which), 3 * each) << name_;
    links_.clear();
    event();
    EXPECT_EQ(count(which), 3 * each) << name_ << ", detached";
  }

  std::unique_ptr<engine::Engine> engine_;
  std::optional<Loader> loader_;
  std::vector<Link> links_;
  std::string name_;
};

}  // namespace skep::loader
