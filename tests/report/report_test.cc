#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "btf/builder.h"
#include "report/event.h"
#include "report/histogram.h"
#include "report/map_table.h"
#include "report/text.h"

namespace skep::report {
namespace {

using btf::Kind;
using btf::TypeId;

// What opensnoop and its like send.
struct [[gnu::packed]] Event {
  uint32_t pid = 4711;
  int32_t ret = -2;
  uint64_t latency_ns = 2104;
  char comm[16] = "ls";
  char filename[32] = "/etc/passwd";
};

struct Types {
  btf::BtfBuilder builder;
  TypeId u8 = builder.add_int("unsigned char", 1, false);
  TypeId u32 = builder.add_int("unsigned int", 4, false);
  TypeId s32 = builder.add_int("int", 4, true);
  TypeId u64 = builder.add_int("unsigned long long", 8, false);
  TypeId character = builder.add_int("char", 1, true);
  TypeId boolean = builder.add_int("_Bool", 1, false, false, true);
  TypeId u32_name = builder.add_typedef("__u32", u32);

  TypeId chars(uint32_t length) { return builder.add_array(character, length, u32); }
  std::shared_ptr<const btf::Btf> done() {
    auto btf = builder.finish();
    EXPECT_TRUE(btf) << btf.error().text();
    return *btf;
  }
  TypeId event() {
    return builder.add_composite(Kind::Struct, "event", sizeof(Event),
                                 {{"pid", u32_name, 0, 0},
                                  {"ret", s32, 32, 0},
                                  {"latency_ns", u64, 64, 0},
                                  {"comm", chars(16), 128, 0},
                                  {"filename", chars(32), 256, 0}});
  }
};

template <class T>
ByteSpan bytes(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}
template <class T>
std::vector<std::byte> vector_of(const T& value) {
  const ByteSpan span = bytes(value);
  return {span.begin(), span.end()};
}

EventFormat make(Types& types, TypeId type) {
  auto format = EventFormat::make(types.done(), type);
  EXPECT_TRUE(format) << format.error().text();
  return *format;
}

TEST(Events, become_aligned_columns) {
  Types types;
  EventTable table(make(types, types.event()));
  EXPECT_EQ(table.header(), "    PID     RET LATENCY_NS COMM             FILENAME");
  EXPECT_EQ(table.row(bytes(Event{})), "   4711      -2       2104 ls               /etc/passwd");
  EXPECT_EQ(table.row(bytes(Event{.pid = 1, .ret = 3, .comm = "fifteen-letters", .filename = ""})),
            "      1       3       2104 fifteen-letters");
}

TEST(Events, a_value_too_wide_widens_its_column_from_then_on) {
  Types types;
  EventTable table(make(types, types.event()));
  EXPECT_EQ(table.row(bytes(Event{.latency_ns = 123456789012345})),
            "   4711      -2 123456789012345 ls               /etc/passwd");
  EXPECT_EQ(table.row(bytes(Event{})),
            "   4711      -2            2104 ls               /etc/passwd");
}

TEST(Events, become_lines_of_json) {
  Types types;
  const EventFormat format = make(types, types.event());
  EXPECT_EQ(format.to_json(bytes(Event{})),
            R"({"pid":4711,"ret":-2,"latency_ns":2104,"comm":"ls","filename":"/etc/passwd"})");
  EXPECT_EQ(format.to_json(bytes(Event{}), "events").substr(0, 30),
            R"({"source":"events","pid":4711,)");
  EXPECT_EQ(format.type_name(), "event");
  EXPECT_EQ(format.size(), sizeof(Event));
}

TEST(Events, can_not_write_escape_sequences_to_a_terminal) {
  Types types;
  const EventFormat format = make(types, types.event());
  Event evil;
  std::memcpy(evil.comm, "\x1b[31mred\x07\n\\", 12);
  const std::string filename =
      "\xc2\x9b"
      "31m \xff \xe2\x80\xae caf\xc3\xa9";
  std::memcpy(evil.filename, filename.c_str(), filename.size() + 1);
  EXPECT_EQ(format.cells(bytes(evil))[3], R"(\x1b[31mred\x07\n\\)");
  EXPECT_EQ(format.cells(bytes(evil))[4], "\\xc2\\x9b31m \\xff \\xe2\\x80\\xae caf\xc3\xa9");
  for (char c : format.to_json(bytes(evil)))
    EXPECT_TRUE(c >= 0x20 && c < 0x7f) << static_cast<int>(c);
}

TEST(Events, cut_short_or_too_long_give_a_line_all_the_same) {
  Types types;
  const EventFormat format = make(types, types.event());
  const Event event;
  for (size_t length = 0; length < sizeof event; ++length) {
    const auto cells = format.cells(bytes(event).first(length));
    ASSERT_EQ(cells.size(), 5u);
    EXPECT_EQ(cells[0], length >= 4 ? "4711" : "?");
    EXPECT_EQ(cells[2], length >= 16 ? "2104" : "?");
  }
  EXPECT_EQ(format.to_json(bytes(event).first(6)),
            R"({"pid":4711,"ret":null,"latency_ns":null,"comm":null,"filename":null})");
  const Event two[2];
  EXPECT_EQ(format.to_json(bytes(two)), format.to_json(bytes(event)));
}

TEST(Events, show_every_kind_of_member) {
  Types types;
  auto& b = types.builder;
  const TypeId state = b.add_enum(Kind::Enum, "state", 4, false, {{"IDLE", 0}, {"BUSY", 7}});
  const TypeId wide =
      b.add_enum(Kind::Enum64, "wide", 8, true, {{"LOW", static_cast<uint64_t>(-1)}});
  const TypeId pointer = b.add_pointer(0);
  const TypeId address = b.add_composite(Kind::Struct, "address", 8,
                                         {{"ip", types.u32, 0, 0}, {"port", types.u32, 32, 0}});
  const TypeId either =
      b.add_composite(Kind::Union, "either", 4, {{"a", types.u32, 0, 0}, {"b", types.s32, 0, 0}});
  const TypeId nameless = b.add_composite(Kind::Struct, "", 4, {{"inner", types.s32, 0, 0}});
  const TypeId type = b.add_composite(
      Kind::Struct, "all", 88,
      {{"state", state, 0, 0},
       {"other", state, 32, 0},
       {"wide", wide, 64, 0},
       {"p", pointer, 128, 0},
       {"from", address, 192, 0},
       {"list", b.add_array(types.s32, 3, types.u32), 256, 0},
       {"either", either, 352, 0},
       {"", nameless, 384, 0},
       {"low", types.u32, 416, 3},
       {"high", types.s32, 419, 5},
       {"on", types.boolean, 424, 0},
       {"pad", b.add_array(types.u8, 2, types.u32), 432, 0},
       {"d", b.add_float("double", 8), 448, 0},
       {"big", b.add_int("unsigned __int128", 16, false), 512, 0},
       {"word", b.add_modifier(Kind::Const, b.add_modifier(Kind::Volatile, types.u32_name)), 640,
        0},
       {"tail", b.add_array(address, 0, types.u32), 704, 0}});
  struct [[gnu::packed]] {
    uint32_t state = 7, other = 9;
    int64_t wide = -1;
    uint64_t p = 0xffff888000001000;
    uint32_t ip = 1, port = 80;
    int32_t list[3] = {1, -2, 3};
    int32_t either = -5;
    int32_t inner = -6;
    uint8_t bits = 0b10110'101;  // low 5, high -10
    uint8_t on = 1;
    uint8_t pad[2] = {9, 9};
    double d = 1.5;
    uint64_t big[2] = {0x10, 0x2};
    uint32_t word = 77;
    uint32_t fill = 0;
    uint32_t tail[2] = {3, 4};
  } record;
  static_assert(sizeof record == 96);
  const EventFormat format = make(types, type);
  EXPECT_EQ(
      format.to_json(bytes(record)),
      R"({"state":"BUSY","other":9,"wide":"LOW","p":"0xffff888000001000","from":{"ip":1,"port":80},)"
      R"("list":[1,-2,3],"either":{"a":4294967291,"b":-5},"inner":-6,"low":5,"high":-10,"on":true,"d":1.5,)"
      R"("big":"0x20000000000000010","word":77,"tail":[{"ip":3,"port":4}]})");
  const std::vector<std::string> expected = {"BUSY",       "9",
                                             "LOW",        "0xffff888000001000",
                                             "1",          "80",
                                             "[1, -2, 3]", "{a=4294967291, b=-5}",
                                             "-6",         "5",
                                             "-10",        "true",
                                             "1.5",        "0x20000000000000010",
                                             "77",         "[{ip=3, port=4}]"};
  EXPECT_EQ(format.cells(bytes(record)), expected);
  EXPECT_EQ(format.columns()[4].name, "from.ip");
}

TEST(Events, are_of_struct_types_only) {
  Types types;
  const auto btf = types.done();
  const auto format = EventFormat::make(btf, types.u32);
  ASSERT_FALSE(format);
  EXPECT_EQ(format.error().text(),
            "expected a struct as the type of events, found type 2 of kind INT");
}

TEST(Events, a_struct_that_contains_itself_ends) {
  btf::BtfBuilder b;
  const TypeId loop = b.next_id();
  b.add_composite(Kind::Struct, "loop", 8, {{"again", loop, 0, 0}, {"also", loop, 0, 0}});
  const auto btf = b.finish();
  if (!btf) return;  // a builder or parser may refuse it
  const auto format = EventFormat::make(*btf, loop);
  if (format) (void)format->to_json(bytes(uint64_t{1}));
}

TEST(Events, of_structs_of_empty_structs_end_soon) {
  btf::BtfBuilder b;
  TypeId inner = b.add_composite(Kind::Struct, "empty", 0, {});
  for (int depth = 0; depth < 14; ++depth) {
    std::vector<btf::Member> members(60, {"", inner, 0, 0});
    inner = b.add_composite(Kind::Struct, "outer", 0, members);
  }
  const auto btf = b.finish();
  ASSERT_TRUE(btf) << btf.error().text();
  EXPECT_FALSE(EventFormat::make(*btf, inner));
  MapContents map{"m", MapType::BPF_MAP_TYPE_HASH, *btf, inner, inner, {{{}, {{}}}}};
  EXPECT_FALSE(format_map(map).empty());
}

TEST(Events, random_types_and_bytes_give_some_line) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 300; ++round) {
    btf::BtfBuilder b;
    std::vector<TypeId> ids = {0, b.add_int("i", 1u << (random() % 5), random() & 1),
                               b.add_int("char", 1, true)};
    for (int i = 0; i < 20; ++i) {
      const TypeId some = ids[random() % ids.size()];
      switch (random() % 6) {
        case 0: ids.push_back(b.add_array(some, static_cast<uint32_t>(random() % 5), 1)); break;
        case 1: ids.push_back(b.add_typedef("t", some)); break;
        case 2: ids.push_back(b.add_pointer(some)); break;
        case 3: ids.push_back(b.add_modifier(Kind::Const, some)); break;
        default: {
          std::vector<btf::Member> members;
          for (uint64_t m = random() % 4; m > 0; --m)
            members.push_back({m & 1 ? "m" : "", ids[random() % ids.size()],
                               static_cast<uint32_t>(random() % 512),
                               random() & 1 ? 0 : static_cast<uint32_t>(random() % 70)});
          ids.push_back(b.add_composite(random() & 1 ? Kind::Struct : Kind::Union, "s",
                                        static_cast<uint32_t>(random() % 64), members));
        }
      }
    }
    const auto btf = b.finish();
    if (!btf) continue;
    std::vector<std::byte> record(random() % 80);
    for (std::byte& byte : record) byte = static_cast<std::byte>(random());
    for (TypeId id : ids) {
      const auto format = EventFormat::make(*btf, id);
      if (!format) continue;
      EXPECT_EQ(format->cells(record).size(), format->columns().size());
      EXPECT_FALSE(format->to_json(record).empty());
    }
  }
}

TEST(EventType, is_guessed_only_where_there_is_no_doubt) {
  Types types;
  const TypeId event = types.event();
  auto& b = types.builder;
  const TypeId probe = b.add_composite(Kind::Struct, "probe_event", 8, {{"x", types.u64, 0, 0}});
  const TypeId drop = b.add_composite(Kind::Struct, "drop", 16, {{"x", types.u64, 0, 0}});
  b.add_composite(Kind::Struct, "args", 16, {{"x", types.u64, 0, 0}});
  const auto btf = types.done();
  EXPECT_EQ(guess_event_type(*btf, "events", 0), event);
  EXPECT_EQ(guess_event_type(*btf, "rb", 0), event);
  EXPECT_EQ(guess_event_type(*btf, "rb", sizeof(Event)), event);
  EXPECT_EQ(guess_event_type(*btf, "rb", 8), probe);
  EXPECT_EQ(guess_event_type(*btf, "drops", 16), drop);
  EXPECT_EQ(guess_event_type(*btf, "rb", 16), std::nullopt);
  EXPECT_EQ(guess_event_type(*btf, "rb", 24), std::nullopt);
}

TEST(Printk, is_escaped_and_loses_its_newline) {
  EXPECT_EQ(format_printk("pid 3\x1b[2J\n"), "pid 3\\x1b[2J");
}

// --- maps

template <class Key, class Val>
MapElement element(Key key, std::vector<Val> values) {
  MapElement out{vector_of(key), {}};
  for (const Val& value : values) out.values.push_back(vector_of(value));
  return out;
}

TEST(Maps, are_tables_sorted_by_key) {
  Types types;
  const TypeId value = types.builder.add_composite(
      Kind::Struct, "stat", 24, {{"count", types.u64, 0, 0}, {"comm", types.chars(16), 64, 0}});
  struct Stat {
    uint64_t count;
    char comm[16];
  };
  MapContents map{"counts", MapType::BPF_MAP_TYPE_HASH, types.done(), types.u32, value, {}};
  map.elements.push_back(element<uint32_t, Stat>(1000, {{5, "bash"}}));
  map.elements.push_back(element<uint32_t, Stat>(7, {{12345, "sshd"}}));
  EXPECT_EQ(format_map(map),
            " KEY  COUNT  COMM\n"
            "   7  12345  sshd\n"
            "1000      5  bash\n");
  EXPECT_EQ(
      map_to_json(map, "hash"),
      R"({"name":"counts","type":"hash","elements":[{"key":1000,"value":{"count":5,"comm":"bash"}},)"
      R"({"key":7,"value":{"count":12345,"comm":"sshd"}}]})");
}

TEST(Maps, add_up_what_each_cpu_has) {
  Types types;
  MapContents map{"counts", MapType::BPF_MAP_TYPE_PERCPU_ARRAY, types.done(), types.u32, types.u64,
                  {}};
  map.elements.push_back(element<uint32_t, uint64_t>(0, {1, 2, 3}));
  map.elements.push_back(element<uint32_t, uint64_t>(1, {0, 0, 0}));
  map.elements.push_back(element<uint32_t, uint64_t>(2, {0, 0, 9}));
  EXPECT_EQ(format_map(map),
            "KEY  VALUE\n"
            "  0      6\n"
            "  2      9\n"
            "(1 element is zero)\n");
  EXPECT_EQ(map_to_json(map, "percpu_array"),
            R"({"name":"counts","type":"percpu_array","elements":[{"key":0,"values":[1,2,3]},)"
            R"({"key":1,"values":[0,0,0]},{"key":2,"values":[0,0,9]}]})");
}

TEST(Maps, without_btf_are_hexadecimal) {
  MapContents map{"raw", MapType::BPF_MAP_TYPE_HASH, nullptr, 0, 0, {}};
  map.elements.push_back(element<uint16_t, uint32_t>(0x1234, {0xdeadbeef}));
  EXPECT_EQ(format_map(map), "KEY    VALUE\n34 12  ef be ad de\n");
  EXPECT_EQ(format_map({"none", MapType::BPF_MAP_TYPE_HASH, nullptr, 0, 0, {}}), "(empty)\n");
}

TEST(Maps, of_globals_show_each_variable) {
  Types types;
  auto& b = types.builder;
  const TypeId count = b.add_variable("count", types.u64, btf::Linkage::Global);
  const TypeId limit = b.add_variable("limit", types.u32, btf::Linkage::Global);
  const TypeId section = b.add_datasec(".bss", 12, {{count, 0, 8}, {limit, 8, 4}});
  MapContents map{"prog.bss", MapType::BPF_MAP_TYPE_ARRAY, types.done(), types.u32, section, {}};
  struct [[gnu::packed]] {
    uint64_t count = 3;
    uint32_t limit = 4;
  } bss;
  map.elements.push_back({vector_of(uint32_t{0}), {vector_of(bss)}});
  EXPECT_EQ(format_map(map), "KEY  COUNT  LIMIT\n  0      3      4\n");
}

std::string bar(int length) {
  return "|" + std::string(length, '@') + std::string(52 - length, ' ') + "|\n";
}

TEST(Histograms, are_log2_from_the_first_slot_used_to_the_last) {
  const uint64_t slots[] = {0, 3, 12, 0, 6, 0, 0};
  EXPECT_EQ(format_log2_histogram(slots),
            "[2, 4)                   3 " + bar(13) + "[4, 8)                  12 " + bar(52) +
                "[8, 16)                  0 " + bar(0) + "[16, 32)                 6 " + bar(26));
  const uint64_t one[] = {1};
  EXPECT_EQ(format_log2_histogram(one), "[0, 2)                   1 " + bar(52));
  std::vector<uint64_t> far(64, 0);
  far[10] = 1;
  far[63] = UINT64_MAX;
  const std::string text = format_log2_histogram(far);
  EXPECT_TRUE(text.starts_with("[1K, 2K)                 1 " + bar(0))) << text;
  EXPECT_NE(text.find("[8E, 16E)"), std::string::npos) << text;
  EXPECT_EQ(format_log2_histogram({}), "(empty)\n");
}

TEST(Histograms, are_found_by_their_slots) {
  Types types;
  auto& b = types.builder;
  const TypeId hist = b.add_composite(
      Kind::Struct, "hist", 32,
      {{"slots", b.add_array(types.u32, 4, types.u32), 0, 0}, {"comm", types.chars(16), 128, 0}});
  struct Hist {
    uint32_t slots[4];
    char comm[16];
  };
  MapContents map{"latency", MapType::BPF_MAP_TYPE_PERCPU_HASH, types.done(), types.u32, hist, {}};
  map.elements.push_back(element<uint32_t, Hist>(20, {{{0, 2, 0, 0}, ""}, {{0, 2, 2, 0}, "ls"}}));
  map.elements.push_back(element<uint32_t, Hist>(10, {{{1, 0, 0, 0}, "\x1b"}}));
  EXPECT_TRUE(is_histogram(map));
  EXPECT_EQ(format_map(map), "10, comm = \\x1b:\n[0, 2)                   1 " + bar(52) +
                                 "20, comm = ls:\n[2, 4)                   4 " + bar(52) +
                                 "[4, 8)                   2 " + bar(26));
}

TEST(Histograms, are_arrays_of_counts_whose_name_says_so) {
  Types types;
  MapContents map{
      "latency_log2", MapType::BPF_MAP_TYPE_PERCPU_ARRAY, types.done(), types.u32, types.u64, {}};
  for (uint32_t i = 0; i < 4; ++i)
    map.elements.push_back(element<uint32_t, uint64_t>(i, {i == 2 ? 4u : 0u, i == 3 ? 4u : 0u}));
  EXPECT_TRUE(is_histogram(map));
  EXPECT_EQ(format_map(map),
            "[4, 8)                   4 " + bar(52) + "[8, 16)                  4 " + bar(52));
  map.name = "counts";
  EXPECT_FALSE(is_histogram(map));
  map.name = "HIST";
  map.btf = nullptr;
  EXPECT_TRUE(is_histogram(map));
}

TEST(Text, escapes_only_what_is_harmful) {
  EXPECT_EQ(escape("plain \xf0\x9f\x90\x9d text"), "plain \xf0\x9f\x90\x9d text");
  EXPECT_EQ(escape("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(escape("\xc0\x80"), "\\xc0\\x80") << "an overlong form";
  EXPECT_EQ(escape("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "above U+10FFFF";
  EXPECT_EQ(escape("a\xe2\x82"), "a\\xe2\\x82") << "cut short";
  EXPECT_EQ(display_width("caf\xc3\xa9"), 4u);
}

}  // namespace
}  // namespace skep::report
