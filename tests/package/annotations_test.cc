#include "package/annotations.h"

#include <gtest/gtest.h>

namespace skep::package {
namespace {

TEST(Annotations, text_without_any_is_help) {
  auto said = parse_annotations("Only opens that fail; mail me@home.");
  ASSERT_TRUE(said);
  EXPECT_EQ(said->help, "Only opens that fail; mail me@home.");
  EXPECT_FALSE(said->argument || said->sample || said->exported);
}

TEST(Annotations, cmdarg_names_an_option_and_its_default) {
  auto said = parse_annotations(
      R"(@cmdarg {"default": false, "short": "f", "long": "failed"} @description only "failed" ones)");
  ASSERT_TRUE(said) << said.error().text();
  ASSERT_TRUE(said->argument);
  EXPECT_EQ(said->argument->long_name, "failed");
  EXPECT_EQ(said->argument->short_name, 'f');
  EXPECT_EQ(said->argument->default_text, "false");
  EXPECT_EQ(said->help, "only \"failed\" ones");
}

TEST(Annotations, cmdarg_alone_makes_a_global_an_option) {
  auto said = parse_annotations("@cmdarg");
  ASSERT_TRUE(said);
  EXPECT_TRUE(said->argument);
}

TEST(Annotations, sample_says_how_often_and_how) {
  auto said = parse_annotations(
      R"(@sample {"interval": 1000, "type" : "log2_hist", "unit":"usecs", "clear_map": true})");
  ASSERT_TRUE(said) << said.error().text();
  ASSERT_TRUE(said->sample);
  EXPECT_EQ(said->sample->interval_ms, 1000u);
  EXPECT_EQ(said->sample->kind, SampleKind::log2_hist);
  EXPECT_EQ(said->sample->unit, "usecs");
  EXPECT_TRUE(said->sample->clear);
}

TEST(Annotations, a_comment_made_of_them_says_the_same) {
  for (const char* comment : {R"(@cmdarg {"short":"p","long":"pid","default":7} the } "process")",
                              R"(@sample {"interval":20,"type":"linear_hist"})",
                              R"(@export {"type":"struct event"})", "plain"}) {
    auto first = parse_annotations(comment);
    ASSERT_TRUE(first) << comment;
    auto second = parse_annotations(to_comment(*first));
    ASSERT_TRUE(second) << to_comment(*first);
    EXPECT_EQ(to_comment(*second), to_comment(*first));
    EXPECT_EQ(second->help, first->help);
  }
}

TEST(Annotations, help_that_speaks_of_an_annotation_is_none) {
  Annotations said;
  said.help = "see @sample {\"interval\": 1}";
  auto again = parse_annotations(to_comment(said));
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->sample);
}

TEST(Annotations, each_mistake_is_named) {
  const std::pair<const char*, const char*> cases[] = {
      {"@cmdarg {\"short\": \"pid\"}", "expected one letter or digit"},
      {"@cmdarg {\"long\": \"a b\"}", "can't be an option's name"},
      {"@cmdarg {\"defualt\": 1}", "\"defualt\" is not known"},
      {"@cmdarg {\"default\": []}", "expected text, a number, true or false"},
      {"@cmdarg {\"long\": ", "not JSON, or not whole"},
      {"@sample {\"interval\": 0}", "expected a number from 10"},
      {"@sample {\"interval\": -5}", "expected a number from 10"},
      {"@sample {\"type\": \"log3\"}", "there is no type \"log3\""},
      {"@sample {\"clear_map\": 1}", "expected true or false, found 1"},
      {"@export {}", "it names no \"type\""},
  };
  for (const auto& [comment, message] : cases) {
    auto said = parse_annotations(comment);
    ASSERT_FALSE(said) << comment;
    EXPECT_EQ(said.error().code(), EINVAL);
    EXPECT_NE(said.error().text().find(message), std::string::npos) << said.error().text();
  }
}

}  // namespace
}  // namespace skep::package
