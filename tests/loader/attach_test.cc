// Each kind of attachment on the running kernel: attached, three events counted, detached, none counted. What this
// kernel refuses is skipped with its words; tools/dev-guest runs the same in kernels that refuse nothing.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "engine/kernel/netlink.h"
#include "kernel_fixture.h"
#include "loader/internal.h"
#include "loader/usdt.h"
#include "support/usdt_probe.h"

namespace skep::loader {
namespace {

void getppid_now() { ::syscall(SYS_getppid); }

extern "C" __attribute__((noinline, visibility("default"))) int skep_probed_function(int x) {
  __asm__ volatile("" : "+r"(x));
  return x + 1;
}
void call_probed() { (void)!skep_probed_function(1); }

extern "C" uint16_t skep_usdt_semaphore;
uint16_t skep_usdt_semaphore __attribute__((section(".probes"), used));

__attribute__((noinline)) void fire_usdt(int first, long second) {
  SKEP_USDT_PROBE(skep_usdt_semaphore, first, second);
}

// A datagram to ourselves over loopback.
void send_datagram() {
  Fd receiver(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)),
      sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(receiver.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  socklen_t size = sizeof address;
  ASSERT_EQ(::getsockname(receiver.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  ASSERT_EQ(::sendto(sender.get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&address), size), 1);
  char byte = 0;
  ASSERT_EQ(::recv(receiver.get(), &byte, 1, 0), 1);
}

std::string own_path() {
  char path[4096] = {};
  (void)!::readlink("/proc/self/exe", path, sizeof path - 1);
  return path;
}

#define LOAD_AND_ATTACH(NAME, ...)              \
  load(NAME);                                   \
  if (HasFatalFailure() || IsSkipped()) return; \
  attach(__VA_ARGS__);                          \
  if (HasFatalFailure() || IsSkipped()) return

TEST_F(KernelLoader, a_tracepoint_is_counted) {
  if (engine::kernel::tracefs().empty()) GTEST_SKIP() << "tracefs can't be mounted here";
  LOAD_AND_ATTACH("on_tracepoint");
  expect_counts(0, getppid_now);
}
TEST_F(KernelLoader, raw_tracepoints_see_every_system_call) {
  for (const char* name : {"on_raw_tracepoint", "on_tp_btf"}) {
    LOAD_AND_ATTACH(name);
    const uint32_t which = std::string(name) == "on_tp_btf" ? 2 : 1;
    const uint64_t before = count(which);
    for (int i = 0; i < 10; ++i) getppid_now();
    EXPECT_GE(count(which), before + 10) << name;
    links_.clear();
    const uint64_t after = count(which);
    getppid_now();
    EXPECT_EQ(count(which), after) << name << ", detached";
  }
}
TEST_F(KernelLoader, uprobes_are_counted_at_entry_and_return) {
  AttachOptions options;
  options.function = own_path() + ":skep_probed_function";
  LOAD_AND_ATTACH("on_uprobe", options);
  expect_counts(3, call_probed);
  LOAD_AND_ATTACH("on_uretprobe", options);
  expect_counts(4, call_probed);
}
TEST_F(KernelLoader, a_uprobe_of_a_process_is_found_in_its_own_files) {
  AttachOptions options;
  options.function = own_path() + ":skep_probed_function";
  options.pid = ::getpid();
  LOAD_AND_ATTACH("on_uprobe", options);
  EXPECT_NE(links_.front().where.find("/proc/"), std::string::npos) << links_.front().where;
  expect_counts(3, call_probed);
}
TEST_F(KernelLoader, a_pattern_attaches_to_all_functions_that_match) {
  AttachOptions options;
  options.function = own_path() + ":skep_probed_f?nct*";
  for (const char* name : {"on_uprobe", "on_uprobe_multi"}) {
    LOAD_AND_ATTACH(name, options);
    expect_counts(std::string(name) == "on_uprobe" ? 3 : 5, call_probed);
  }
}
TEST_F(KernelLoader, a_session_runs_at_entry_and_return) {
  AttachOptions options;
  options.function = own_path() + ":skep_probed_function";
  LOAD_AND_ATTACH("on_uprobe_session", options);
  expect_counts(23, call_probed, 2);
}
TEST_F(KernelLoader, usdt_arguments_are_read_and_the_semaphore_counts) {
  AttachOptions options;
  options.function = own_path() + ":skep:probe";
  EXPECT_EQ(skep_usdt_semaphore, 0);
  LOAD_AND_ATTACH("on_usdt", options);
  EXPECT_EQ(skep_usdt_semaphore, 1);
  expect_counts(32, [] { fire_usdt(4, 5); }, 4005);
  EXPECT_EQ(skep_usdt_semaphore, 0);
}
TEST_F(KernelLoader, an_unknown_usdt_probe_names_those_that_there_are) {
  AttachOptions options;
  options.function = own_path() + ":skep:nothing";
  load("on_usdt");
  if (HasFatalFailure() || IsSkipped()) return;
  auto links = loader_->attach_all(options);
  ASSERT_FALSE(links);
  EXPECT_NE(links.error().hint().find("skep:probe"), std::string::npos) << links.error().hint();
}
TEST_F(KernelLoader, the_processor_clock_samples_a_process) {
  AttachOptions options;
  options.pid = ::getpid();
  options.sample_hz = 1000;
  LOAD_AND_ATTACH("on_perf_event", options);
  rusage usage{};
  do {  // processor time, not time: until enough of it was used for samples
    ::getrusage(RUSAGE_SELF, &usage);
  } while (count(6) == 0 && usage.ru_utime.tv_sec + usage.ru_stime.tv_sec < 20);
  EXPECT_GT(count(6), 0u);
}
TEST_F(KernelLoader, an_iterator_sees_this_process) {
  LOAD_AND_ATTACH("on_iterator");
  EXPECT_TRUE(links_.front().is_iterator);
  engine::IterCreateAttr attr;
  attr.link_fd = static_cast<uint32_t>(links_.front().fd.get());
  Fd iterator(static_cast<int>(engine_->call(engine::Cmd::BPF_ITER_CREATE, attr)));
  ASSERT_TRUE(iterator);
  char buffer[64];
  while (::read(iterator.get(), buffer, sizeof buffer) > 0) {
  }
  EXPECT_GE(count(33), 1u);
}

// --- Networks ---

class KernelNetwork : public KernelLoader {
 protected:
  void SetUp() override {
    KernelLoader::SetUp();
    if (IsSkipped()) return;
    netns_.emplace();
    if (!netns_->ok()) GTEST_SKIP() << "no network namespace of one's own here";
    options_.interface = "lo";
  }
  std::optional<OwnNetns> netns_;
  AttachOptions options_;
};

TEST_F(KernelNetwork, xdp_sees_packets_of_its_interface) {
  LOAD_AND_ATTACH("on_xdp", options_);
  expect_counts(9, send_datagram);
}
TEST_F(KernelNetwork, xdp_over_netlink) {
  load("on_xdp");
  if (HasFatalFailure() || IsSkipped()) return;
  auto index = engine::kernel::interface_index("lo");
  ASSERT_TRUE(index);
  int fd = -1;
  for (const LoadedProgram& program : loader_->programs())
    if (program.fd) fd = program.fd.get();
  auto set = engine::kernel::set_xdp(*index, fd);
  ASSERT_TRUE(set) << set.error().text();
  EXPECT_EQ(engine::kernel::set_xdp(*index, fd).error().code(), EBUSY);
  send_datagram();
  EXPECT_EQ(count(9), 1u);
  ASSERT_TRUE(engine::kernel::set_xdp(*index, -1));
  send_datagram();
  EXPECT_EQ(count(9), 1u);
}
TEST_F(KernelNetwork, tc_sees_packets_in_both_directions) {
  LOAD_AND_ATTACH("on_tc", options_);
  expect_counts(11, send_datagram);
  options_.egress = true;
  LOAD_AND_ATTACH("on_tc", options_);
  expect_counts(11, send_datagram);
}
TEST_F(KernelNetwork, tcx_by_its_section) {
  LOAD_AND_ATTACH("on_tcx", options_);
  expect_counts(10, send_datagram);
}
TEST_F(KernelNetwork, tc_over_netlink) {
  load("on_tc");
  if (HasFatalFailure() || IsSkipped()) return;
  auto index = engine::kernel::interface_index("lo");
  ASSERT_TRUE(index);
  int fd = -1;
  for (const LoadedProgram& program : loader_->programs())
    if (program.fd) fd = program.fd.get();
  auto first = engine::kernel::add_tc_filter(*index, false, fd, "first");
  if (!first && refused(first.error())) GTEST_SKIP() << first.error().text();
  ASSERT_TRUE(first) << first.error().text();
  auto second = engine::kernel::add_tc_filter(*index, true, fd, "second");
  ASSERT_TRUE(second) << second.error().text();
  send_datagram();
  EXPECT_EQ(count(11), 2u);
  ASSERT_TRUE(engine::kernel::remove_tc_filter(*first));
  send_datagram();
  EXPECT_EQ(count(11), 3u);
  ASSERT_TRUE(engine::kernel::remove_tc_filter(*second));
  send_datagram();
  EXPECT_EQ(count(11), 3u);
}
TEST_F(KernelNetwork, socket_lookup_in_its_namespace) {
  LOAD_AND_ATTACH("on_lookup", options_);
  expect_counts(12, send_datagram);
}
TEST_F(KernelNetwork, netfilter_sees_what_comes_in) {
  LOAD_AND_ATTACH("on_netfilter", options_);
  expect_counts(13, send_datagram);
}
TEST_F(KernelNetwork, messages_of_a_socket_map_program_attach_to_the_objects_map) {
  LOAD_AND_ATTACH("on_message", options_);
  links_.clear();
}
TEST_F(KernelNetwork, the_flow_dissector_attaches_to_a_namespace) {
  LOAD_AND_ATTACH("on_dissect", options_);
  links_.clear();
}
TEST_F(KernelNetwork, an_unknown_interface_names_those_that_there_are) {
  load("on_xdp");
  if (HasFatalFailure() || IsSkipped()) return;
  options_.interface = "eth99";
  auto links = loader_->attach_all(options_);
  ASSERT_FALSE(links);
  EXPECT_NE(links.error().hint().find("lo"), std::string::npos) << links.error().hint();
}
TEST_F(KernelNetwork, what_nothing_places_is_left_to_the_caller_with_the_reason) {
  load("on_xdp");
  if (HasFatalFailure() || IsSkipped()) return;
  auto links = loader_->attach_all({});
  ASSERT_TRUE(links);
  EXPECT_TRUE(links->empty());
  ASSERT_EQ(loader_->unattached().size(), 1u);
  EXPECT_NE(loader_->unattached()[0].reason.find("--interface"), std::string::npos);
}

TEST_F(KernelNetwork, cgroup_programs_see_the_processes_of_their_cgroup) {
  // A cgroup of our own below the one that we are in.
  auto own = read_file("/proc/self/cgroup");
  ASSERT_TRUE(own);
  std::string root;
  for (const char* candidate : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"})
    if (::access((std::string(candidate) + "/cgroup.procs").c_str(), F_OK) == 0) {
      root = candidate;
      break;
    }
  if (root.empty()) GTEST_SKIP() << "cgroup version 2 is not mounted here";
  std::string text(reinterpret_cast<const char*>(own->data()), own->size());
  const size_t line = text.find("0::");
  const std::string here = text.substr(line + 3, text.find('\n', line) - line - 3);
  const std::string path = fmt::format("{}/skep-test-{}", root, ::getpid());
  if (::mkdir(path.c_str(), 0755) != 0) GTEST_SKIP() << "no cgroup can be made at " << path;
  auto move_to = [](const std::string& cgroup) {
    Fd procs(::open((cgroup + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    return ::write(procs.get(), "0", 1) == 1;
  };
  options_.cgroup = path;
  if (move_to(path)) {
    [&] {
      LOAD_AND_ATTACH("on_cgroup_skb", options_);
      expect_counts(7, send_datagram);
      LOAD_AND_ATTACH("on_connect", options_);
      expect_counts(8, [] {
        Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(9);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address),
                  0);
      });
    }();
    EXPECT_TRUE(move_to(root + here) || move_to(root));
  }
  EXPECT_EQ(::rmdir(path.c_str()), 0);
}

// --- The kernel's own functions: in guests ---

TEST_F(KernelLoader, kprobes_are_counted_at_entry_and_return) {
  for (auto [name, which] : {std::pair("on_kprobe", 16u),
                             {"on_kretprobe", 17u},
                             {"on_ksyscall", 19u},
                             {"on_kprobe_offset", 24u}}) {
    LOAD_AND_ATTACH(name);
    expect_counts(which, getppid_now);
  }
}
TEST_F(KernelLoader, kprobe_multi_takes_a_pattern) {
  LOAD_AND_ATTACH("on_kprobe_multi");
  expect_counts(18, [] { ::syscall(SYS_alarm, 0); });
}
TEST_F(KernelLoader, fentry_and_fexit_are_counted) {
  for (auto [name, which] : {std::pair("on_fentry", 20u), {"on_fexit", 21u}}) {
    LOAD_AND_ATTACH(name);
    expect_counts(which, [] { ::syscall(SYS_alarm, 0); });
  }
}
// Strings of the configuration come as they stand there, in quotes: that is what .kconfig externs are read from.
TEST_F(KernelLoader, the_kernels_configuration_is_read) {
  auto hostname = engine_->kernel_config("CONFIG_DEFAULT_HOSTNAME");
  if (!hostname) GTEST_SKIP() << "there is no /proc/config.gz, and no /boot/config of this kernel";
  EXPECT_EQ(hostname->front(), '"');
  EXPECT_EQ(engine_->kernel_config("CONFIG_BPF_SYSCALL"), "y");
  EXPECT_FALSE(engine_->kernel_config("CONFIG_NO_SUCH_THING"));
}
// An error that got a hint lost its words once.
TEST_F(KernelLoader, an_error_says_what_failed_and_what_is_missing) {
  const Error error = engine_error(*engine_, -EPERM, "BPF_PROG_LOAD");
  EXPECT_NE(error.text().find("BPF_PROG_LOAD"), std::string::npos) << error.text();
  EXPECT_NE(error.hint().find("CAP_"), std::string::npos) << error.hint();
}
TEST_F(KernelLoader, an_lsm_program_sees_files_opened) {
  LOAD_AND_ATTACH("on_lsm");
  const uint64_t before = count(22);
  Fd file(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  if (count(22) == before) GTEST_SKIP() << "\"bpf\" is not among this kernel's lsm= modules";
  EXPECT_EQ(count(22), before + 1);
}

}  // namespace
}  // namespace skep::loader
