// Clocks, ids, memory, stacks, signals.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <set>

#include "fake_host.h"

namespace skep::helpers {
namespace {

using namespace spec;

TEST(Clocks, are_the_hosts) {
  FakeHost host;
  EXPECT_EQ(host.call(BPF_FUNC_ktime_get_ns), 1'000'000'000);
  EXPECT_EQ(host.call(BPF_FUNC_ktime_get_boot_ns), 1'000'000'005);
  EXPECT_EQ(host.call(BPF_FUNC_ktime_get_tai_ns), 1'000'000'037);
  const int64_t before = host.call(BPF_FUNC_jiffies64);
  host.now += 1'000'000'000;
  EXPECT_EQ(host.call(BPF_FUNC_jiffies64) - before, 250);
}

TEST(Random, differs_from_call_to_call_and_is_32_bits) {
  FakeHost host;
  std::set<int64_t> seen;
  for (int i = 0; i < 1000; i++) {
    const int64_t value = host.call(BPF_FUNC_get_prandom_u32);
    ASSERT_GE(value, 0);
    ASSERT_LE(value, 0xffff'ffff);
    seen.insert(value);
  }
  EXPECT_GT(seen.size(), 990u);
}
TEST(Random, goes_on_from_the_runs_state) {
  FakeHost a, b;
  a.run.random_state = b.run.random_state = 12345;
  for (int i = 0; i < 10; i++)
    EXPECT_EQ(a.call(BPF_FUNC_get_prandom_u32), b.call(BPF_FUNC_get_prandom_u32));
}

TEST(Task, ids_are_packed_as_the_kernel_packs_them) {
  FakeHost host;
  EXPECT_EQ(host.call(BPF_FUNC_get_current_pid_tgid), int64_t{40} << 32 | 42);
  EXPECT_EQ(host.call(BPF_FUNC_get_current_uid_gid), int64_t{100} << 32 | 1000);
  host.run.slot = 9;
  EXPECT_EQ(host.call(BPF_FUNC_get_smp_processor_id), 9);
  host.has_task = false;
  EXPECT_EQ(host.call(BPF_FUNC_get_current_pid_tgid), -22);
}
TEST(Task, comm_is_cut_to_the_buffer_and_padded) {
  FakeHost host;
  std::array<char, 16> comm;
  comm.fill('x');
  EXPECT_EQ(host.call(BPF_FUNC_get_current_comm, comm.data(), 16), 0);
  EXPECT_EQ(std::string_view(comm.data(), 16), std::string_view("worker\0\0\0\0\0\0\0\0\0\0", 16));
  comm.fill('x');
  EXPECT_EQ(host.call(BPF_FUNC_get_current_comm, comm.data(), 4), 0);
  EXPECT_EQ(std::string_view(comm.data(), 5), std::string_view("wor\0x", 5));
  host.has_task = false;
  EXPECT_EQ(host.call(BPF_FUNC_get_current_comm, comm.data(), 4), -22);
  EXPECT_EQ(comm[0], 0);
}
TEST(Task, namespaced_ids_are_given_for_the_right_namespace_only) {
  FakeHost host;
  struct stat status{};
  ASSERT_EQ(::stat("/proc/self/ns/pid", &status), 0);
  struct {
    uint32_t pid, tgid;
  } info{1, 1};
  EXPECT_EQ(host.call(BPF_FUNC_get_ns_current_pid_tgid, uint64_t{status.st_dev},
                      uint64_t{status.st_ino}, &info, 8),
            0);
  EXPECT_EQ(info.pid, 42u);
  EXPECT_EQ(info.tgid, 40u);
  EXPECT_EQ(host.call(BPF_FUNC_get_ns_current_pid_tgid, uint64_t{status.st_dev},
                      uint64_t{status.st_ino} + 1, &info, 8),
            -22);
  EXPECT_EQ(info.pid, 0u);
}
TEST(Task, pointers_and_cookies_are_the_runs) {
  FakeHost host;
  host.task_struct = 0x5000;
  int regs = 0;
  host.run.regs = &regs;
  host.run.func_ip = 0x401000;
  host.run.attach_cookie = 77;
  host.run.socket_cookie = 5;
  EXPECT_EQ(host.call(BPF_FUNC_get_current_task), 0x5000);
  EXPECT_EQ(host.call(BPF_FUNC_get_current_task_btf), 0x5000);
  EXPECT_EQ(host.call(BPF_FUNC_task_pt_regs, 0x5000),
            static_cast<int64_t>(FakeHost::to_register(&regs)));
  EXPECT_EQ(host.call(BPF_FUNC_get_func_ip, nullptr), 0x401000);
  EXPECT_EQ(host.call(BPF_FUNC_get_attach_cookie, nullptr), 77);
  EXPECT_EQ(host.call(BPF_FUNC_get_socket_cookie, nullptr), 5);
}

TEST(Signals, go_to_the_process_or_the_thread) {
  FakeHost host;
  EXPECT_EQ(host.call(BPF_FUNC_send_signal, 10), 0);
  EXPECT_EQ(host.call(BPF_FUNC_send_signal_thread, 12), 0);
  EXPECT_EQ(host.call(BPF_FUNC_send_signal, 65), -22);
  const std::vector<std::pair<uint32_t, bool>> expected{{10, false}, {12, true}};
  EXPECT_EQ(host.signals, expected);
}

TEST(Stack, frames_come_innermost_first_and_the_rest_is_zero) {
  FakeHost host;
  host.frames = {0x10, 0x20, 0x30};
  std::array<uint64_t, 5> buffer;
  buffer.fill(~uint64_t{0});
  constexpr uint64_t kUserStack = 256;
  EXPECT_EQ(host.call(BPF_FUNC_get_stack, nullptr, buffer.data(), 40, kUserStack), 24);
  EXPECT_EQ(buffer, (std::array<uint64_t, 5>{0x10, 0x20, 0x30, 0, 0}));
  EXPECT_EQ(host.call(BPF_FUNC_get_stack, nullptr, buffer.data(), 16, kUserStack | 1), 16);
  EXPECT_EQ(buffer[0], 0x20u);
  EXPECT_EQ(buffer[1], 0x30u);
}
TEST(Stack, there_is_no_kernel_stack_and_sizes_are_whole_frames) {
  FakeHost host;
  host.frames = {0x10};
  std::array<uint64_t, 2> buffer{1, 1};
  EXPECT_EQ(host.call(BPF_FUNC_get_stack, nullptr, buffer.data(), 16, 0), -14);
  EXPECT_EQ(buffer[0], 0u);
  EXPECT_EQ(host.call(BPF_FUNC_get_stack, nullptr, buffer.data(), 12, 256), -22);
  EXPECT_EQ(host.call(BPF_FUNC_get_stack, nullptr, buffer.data(), 16, 256 | 7),
            -14);  // skips all frames
  EXPECT_EQ(host.call(BPF_FUNC_get_stack, nullptr, buffer.data(), 16, 1 << 12), -22);
}
TEST(Stack, of_a_task_is_only_the_traced_threads) {
  FakeHost host;
  host.frames = {0x10};
  host.task_struct = 0x5000;
  std::array<uint64_t, 1> buffer{1};
  EXPECT_EQ(host.call(BPF_FUNC_get_task_stack, 0x5000, buffer.data(), 8, 256), 8);
  EXPECT_EQ(host.call(BPF_FUNC_get_task_stack, 0x6000, buffer.data(), 8, 256), -22);
  EXPECT_EQ(buffer[0], 0u);
}

TEST(Memory, is_copied_or_zeroed) {
  FakeHost host;
  const uint64_t source = 0x1122'3344'5566'7788;
  for (HelperId id : {BPF_FUNC_probe_read, BPF_FUNC_probe_read_user, BPF_FUNC_probe_read_kernel,
                      BPF_FUNC_copy_from_user}) {
    uint64_t copy = 0;
    EXPECT_EQ(host.call(id, &copy, 8, &source), 0);
    EXPECT_EQ(copy, source);
    EXPECT_EQ(host.call(id, &copy, 8, 16), -14);
    EXPECT_EQ(copy, 0u);
    EXPECT_EQ(host.call(id, &copy, 0, 16), 0);
  }
}
TEST(Memory, strings_are_measured_with_their_nul) {
  FakeHost host;
  for (HelperId id :
       {BPF_FUNC_probe_read_str, BPF_FUNC_probe_read_user_str, BPF_FUNC_probe_read_kernel_str}) {
    std::array<char, 8> copy;
    copy.fill('x');
    EXPECT_EQ(host.call(id, copy.data(), 8, "hive"), 5);
    EXPECT_STREQ(copy.data(), "hive");
    EXPECT_EQ(host.call(id, copy.data(), 3, "hive"), 3);
    EXPECT_STREQ(copy.data(), "hi");
    copy.fill('x');
    EXPECT_EQ(host.call(id, copy.data(), 8, 16), -14);
    EXPECT_EQ(copy[7], 0);
    EXPECT_EQ(host.call(id, copy.data(), 0, "hive"), 0);
  }
}
TEST(Memory, is_written_where_the_host_can) {
  FakeHost host;
  uint32_t target = 0;
  const uint32_t source = 99;
  EXPECT_EQ(host.call(BPF_FUNC_probe_write_user, &target, &source, 4), 0);
  EXPECT_EQ(target, 99u);
  EXPECT_EQ(host.call(BPF_FUNC_probe_write_user, 16, &source, 4), -14);
}
TEST(Memory, of_a_task_is_only_the_traced_ones) {
  FakeHost host;
  host.task_struct = 0x5000;
  const uint32_t source = 99;
  uint32_t copy = 1;
  EXPECT_EQ(host.call(BPF_FUNC_copy_from_user_task, &copy, 4, &source, 0x5000, 0), 0);
  EXPECT_EQ(copy, 99u);
  EXPECT_EQ(host.call(BPF_FUNC_copy_from_user_task, &copy, 4, &source, 0x6000, 0), -14);
  EXPECT_EQ(copy, 0u);
  EXPECT_EQ(host.call(BPF_FUNC_copy_from_user_task, &copy, 4, &source, 0x5000, 1), -22);
}

TEST(Retval, is_kept_for_the_next_program) {
  FakeHost host;
  EXPECT_EQ(host.call(BPF_FUNC_get_retval), 0);
  EXPECT_EQ(host.call(BPF_FUNC_set_retval, -1), 0);
  EXPECT_EQ(host.call(BPF_FUNC_get_retval), -1);
}

}  // namespace
}  // namespace skep::helpers
