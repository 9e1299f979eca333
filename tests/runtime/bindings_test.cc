// The helpers that the table says work are those that the rooms bind, each once.
#include "helpers/bindings.h"

#include <gtest/gtest.h>

#include <set>

#include "helpers/kfuncs.h"
#include "maps/map_helpers.h"
#include "spec/helpers.h"
#include "spec/prog_types.h"

namespace skep {
namespace {

// Program types that run on the user engine.
ProgTypeSet running_types() {
  ProgTypeSet types = 0;
  for (const spec::ProgTypeRow& row : spec::prog_types()) {
    if (row.user == spec::UserStatus::works) types |= set_of(row.type);
  }
  return types;
}

TEST(HelperBindings, are_what_the_table_says_works) {
  std::set<uint32_t> bound{spec::BPF_FUNC_tail_call};  // code of the engines, not a call
  for (const HelperBinding& row : helpers::helper_bindings())
    EXPECT_TRUE(bound.insert(row.id).second) << row.id << " twice";
  for (const HelperBinding& row : maps::map_helper_bindings())
    EXPECT_TRUE(bound.insert(row.id).second) << row.id << " twice";
  const ProgTypeSet running = running_types();
  for (uint32_t id = 1; id < spec::kHelperIds; id++) {
    const spec::Helper& row = *spec::find_helper(id);
    if (row.user == spec::UserStatus::works) {
      EXPECT_TRUE(bound.contains(id)) << row.name << " is said to work but nobody binds it";
    } else if (bound.contains(id)) {
      // A body that no program can call yet may be there before its program type.
      EXPECT_EQ(row.prog_types & running, 0u) << row.name << " is bound but said to be refused";
    }
  }
}
TEST(HelperBindings, of_maps_are_those_that_helpers_leaves_to_them) {
  std::set<uint32_t> maps;
  for (const HelperBinding& row : maps::map_helper_bindings()) maps.insert(row.id);
  for (uint32_t id : helpers::bound_elsewhere()) {
    EXPECT_TRUE(id == spec::BPF_FUNC_tail_call || maps.contains(id)) << spec::find_helper(id)->name;
  }
}

TEST(KfuncBindings, have_a_body_for_each_number) {
  for (HelperFn body : helpers::kfunc_bodies()) EXPECT_NE(body, nullptr);
  EXPECT_EQ(helpers::kfunc_bodies().size(), size_t{spec::kKfuncs});
}

}  // namespace
}  // namespace skep
