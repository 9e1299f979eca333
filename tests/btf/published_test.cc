// The C++ side of types.h has the layout that the published BTF tells programs.
#include "btf/user_engine/published.h"

#include <gtest/gtest.h>

#include <cstddef>

#include "btf/user_engine/user_engine.h"

namespace skep::btf {
namespace {

TEST(Published, structures_are_laid_out_as_the_btf_says) {
  const auto btf = user_engine_btf();
  auto expect = [&](std::string_view type, std::string_view member, size_t offset, size_t size) {
    const Type found = btf->type(btf->find(type, Kind::Struct).value_or(0));
    EXPECT_EQ(found.size(), size) << type;
    for (uint32_t i = 0; i < found.vlen(); ++i) {
      if (found.member(i).name == member) {
        EXPECT_EQ(found.member(i).bit_offset / 8, offset) << type << "." << member;
        return;
      }
    }
    ADD_FAILURE() << type << " has no " << member;
  };
#define EXPECT_MEMBER(type, member) \
  expect(#type, #member, offsetof(published::type, member), sizeof(published::type))
  EXPECT_MEMBER(task_struct, pid);
  EXPECT_MEMBER(task_struct, real_parent);
  EXPECT_MEMBER(task_struct, start_boottime);
  EXPECT_MEMBER(task_struct, comm);
  EXPECT_MEMBER(cred, euid);
  EXPECT_MEMBER(pt_regs, orig_ax);
  EXPECT_MEMBER(trace_event_raw_sys_exit, ret);
  EXPECT_MEMBER(file, f_path);
  EXPECT_MEMBER(inode, i_ino);
  EXPECT_MEMBER(bpf_sock_addr, msg_src_ip4);
  EXPECT_MEMBER(__sk_buff, data_end);
#undef EXPECT_MEMBER
}

}  // namespace
}  // namespace skep::btf
