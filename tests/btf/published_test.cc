// The C++ side of types.h has the layout that the published BTF tells programs.
#include "btf/user_engine/published.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <set>
#include <string_view>

#include "btf/user_engine/user_engine.h"
#include "spec/kfunc_numbers.h"
#include "spec/kfuncs.h"

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
  EXPECT_MEMBER(task_struct, cgroups);
  EXPECT_MEMBER(cgroup, kn);
  EXPECT_MEMBER(kernfs_node, id);
  EXPECT_MEMBER(cred, euid);
  EXPECT_MEMBER(pt_regs, orig_ax);
  EXPECT_MEMBER(trace_event_raw_sys_exit, ret);
  EXPECT_MEMBER(file, f_path);
  EXPECT_MEMBER(inode, i_ino);
  EXPECT_MEMBER(bpf_sock_addr, msg_src_ip4);
  EXPECT_MEMBER(__sk_buff, data_end);
#undef EXPECT_MEMBER
}

TEST(Published, kfuncs_are_those_that_the_table_says_work) {
  const auto btf = user_engine_btf();
  std::set<std::string_view> published;
  for (TypeId id = 1; id < btf->type_end(); ++id) {
    const Type tag = btf->type(id);
    if (tag.kind() != Kind::DeclTag || tag.name() != "bpf_kfunc") continue;
    const Type function = btf->type(tag.referenced());
    EXPECT_TRUE(published.insert(function.name()).second) << function.name();
    const spec::Kfunc* row = spec::find_kfunc(function.name());
    ASSERT_NE(row, nullptr) << function.name();
    EXPECT_EQ(row->user, spec::UserStatus::works) << row->name;
    EXPECT_LT(spec::kfunc_number(row->name), spec::kKfuncs);
    // The verifier goes by the parameters' names, too.
    const Type prototype = btf->type(function.referenced());
    for (uint32_t i = 0; i < prototype.vlen(); ++i)
      EXPECT_NE(row->prototype.find(prototype.parameter(i).name), std::string_view::npos)
          << row->name << ": " << prototype.parameter(i).name;
  }
  for (const spec::Kfunc& row : spec::kfuncs())
    EXPECT_EQ(published.contains(row.name), row.user == spec::UserStatus::works) << row.name;
  EXPECT_EQ(published.size(), size_t{spec::kKfuncs});
  EXPECT_EQ(spec::kfunc_number("no_such_function"), uint32_t{spec::kKfuncs});
}

}  // namespace
}  // namespace skep::btf
