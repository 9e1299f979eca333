#include "hooks/syscalls.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

namespace skep::hooks {
namespace {

TEST(Syscalls, names_and_numbers_are_the_kernels) {
  EXPECT_EQ(syscall_number("read"), SYS_read);
  EXPECT_EQ(syscall_number("openat"), SYS_openat);
  EXPECT_EQ(syscall_number("clone3"), SYS_clone3);
  EXPECT_EQ(syscall_name(SYS_execve), "execve");
  for (const SyscallRow& row : syscalls()) EXPECT_EQ(syscall_number(row.name), row.nr) << row.name;
}

TEST(Syscalls, a_tracepoints_name_is_understood) {
  EXPECT_EQ(syscall_number("newfstat"), SYS_fstat);
  EXPECT_EQ(syscall_number("newuname"), SYS_uname);
}

TEST(Syscalls, a_name_that_is_none_has_no_number_and_a_neighbour) {
  EXPECT_FALSE(syscall_number("opnat"));
  EXPECT_EQ(closest_syscall("opnat"), "openat");
  EXPECT_TRUE(syscall_name(100000).empty());
}

}  // namespace
}  // namespace skep::hooks
