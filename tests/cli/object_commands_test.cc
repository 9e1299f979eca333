// skep link, skep skeleton, skep btf: the commands that make files of objects and types.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "cli/shell.h"

namespace {

using skep::cli::test::InDirectory;
using skep::cli::test::Outcome;

const std::string kObjects = SKEP_SOURCE_DIR "/tests/object/link/";

class ObjectCommands : public InDirectory {};

TEST_F(ObjectCommands, link_makes_one_object_of_two) {
  const Outcome linked = skep("link " + kObjects + "a.bpf.o " + kObjects + "b.bpf.o -o ab.bpf.o");
  EXPECT_EQ(linked.status, 0) << linked.out;
  const Outcome shown = skep("disasm ab.bpf.o");
  EXPECT_EQ(shown.status, 0) << shown.out;
  for (const char* program : {"on_enter (", "on_exit (", "on_enter_too ("})
    EXPECT_NE(shown.out.find(program), std::string::npos) << program;
  const Outcome twice = skep("link " + kObjects + "a.bpf.o " + kObjects + "a.bpf.o -o aa.bpf.o");
  EXPECT_EQ(twice.status, 65);
  EXPECT_NE(twice.out.find("is defined in"), std::string::npos) << twice.out;
}

TEST_F(ObjectCommands, skeleton_is_named_after_the_file_or_as_asked) {
  const std::string object = SKEP_SOURCE_DIR "/tests/api/counter.bpf.o";
  const Outcome c = skep("skeleton --lang c " + object);
  EXPECT_EQ(c.status, 0);
  EXPECT_NE(c.out.find("struct counter_bpf {"), std::string::npos);
  const Outcome cpp = skep("skeleton --name tally " + object);
  EXPECT_EQ(cpp.status, 0);
  EXPECT_NE(cpp.out.find("class tally {"), std::string::npos);
  EXPECT_EQ(skep("skeleton --name 9 " + object).status, 65);
}

TEST_F(ObjectCommands, btf_is_compared_merged_and_cut_to_what_an_object_needs) {
  const std::string a = kObjects + "a.bpf.o", b = kObjects + "b.bpf.o";
  EXPECT_EQ(skep("btf diff user user").status, 0);
  const Outcome diff = skep("btf diff " + a + " " + b);
  EXPECT_EQ(diff.status, 1);
  EXPECT_NE(diff.out.find("added STRUCT only_in_b"), std::string::npos) << diff.out;

  EXPECT_EQ(skep("btf dedup " + a + " " + b + " -o merged.btf").status, 0);
  const Outcome merged = skep("btf dump --type shared merged.btf");
  EXPECT_EQ(merged.status, 0) << merged.out;
  EXPECT_NE(merged.out.find("struct shared {"), std::string::npos);

  // What an object needs is known once it is whole.
  EXPECT_EQ(skep("btf min user " + a + " -o min.btf").status, 65);
  EXPECT_EQ(skep("link " + a + " " + b + " -o whole.bpf.o").status, 0);
  EXPECT_EQ(skep("btf min user whole.bpf.o -o min.btf").status, 0);
  const Outcome minimal = skep("btf dump min.btf");
  EXPECT_NE(minimal.out.find("struct task_struct {"), std::string::npos) << minimal.out;
  EXPECT_LT(std::filesystem::file_size(directory_ + "/min.btf"), 1000u);

  // Split: what `a` has and the user engine's BTF does not, on that.
  EXPECT_EQ(skep("btf dedup --base user " + a + " -o split.btf").status, 0);
  const Outcome alone = skep("btf dump split.btf");
  EXPECT_EQ(alone.status, 65);
  EXPECT_NE(alone.out.find("--base"), std::string::npos) << alone.out;
  EXPECT_EQ(skep("btf dump --base user --type shared split.btf").status, 0);
}

}  // namespace
