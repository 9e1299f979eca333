// Objects whose functions carry what is expected of them as BTF declaration tags, as the kernel's selftests do:
//   "comment:test_expect_failure"    "comment:7:test_expect_msg=R1 invalid mem access"   (7: their order)
#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <filesystem>
#include <map>

#include "base/fd.h"
#include "case.h"
#include "object/attach_target.h"

namespace skep::corpus {

namespace {

struct Tag {
  uint32_t order = 0;
  std::string_view text;
};

// Functions' tags, in the order of the source.
std::map<btf::TypeId, std::vector<Tag>> tags_of(const btf::Btf& btf) {
  std::map<btf::TypeId, std::vector<Tag>> tags;
  for (btf::TypeId t = btf.type_begin(); t < btf.type_end(); ++t) {
    const btf::Type type = btf.type(t);
    if (type.kind() != btf::Kind::DeclTag || type.component() != -1) continue;
    std::string_view text = type.name();
    constexpr std::string_view kPrefix = "comment:";
    if (!text.starts_with(kPrefix)) continue;
    text.remove_prefix(kPrefix.size());
    Tag tag;
    // Three ways of numbering them: none; "7:test_…"; and "test_expect_msg=7=text".
    if (const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), tag.order);
        error == std::errc() && *end == ':') {
      text.remove_prefix(static_cast<size_t>(end - text.data()) + 1);
    } else if (const size_t equals = text.find('='); equals != std::string_view::npos) {
      const std::string_view value = text.substr(equals + 1);
      const auto [stop, bad] =
          std::from_chars(value.data(), value.data() + value.size(), tag.order);
      if (bad != std::errc() || stop == value.data() + value.size() || *stop != '=') tag.order = 0;
    }
    tag.text = text;
    tags[type.referenced()].push_back(tag);
  }
  for (auto& [function, list] : tags) std::ranges::stable_sort(list, {}, &Tag::order);
  return tags;
}

// "test_expect_msg=7=text" of kernel 6.12.
std::string_view without_number(std::string_view value) {
  const size_t digits = value.find_first_not_of("0123456789");
  if (digits != 0 && digits != std::string_view::npos && value[digits] == '=')
    value.remove_prefix(digits + 1);
  return value;
}

std::optional<int64_t> number_of(std::string_view text) {
  if (text == "_INT_MIN") return INT_MIN;
  const std::string copy(text);
  char* end = nullptr;
  const int64_t value = std::strtoll(copy.c_str(), &end, 0);
  if (end == copy.c_str()) return std::nullopt;
  return value;
}

uint32_t flag_of(std::string_view text) {
  constexpr std::pair<std::string_view, uint32_t> kFlags[] = {
      {"BPF_F_STRICT_ALIGNMENT", 1},     {"BPF_F_ANY_ALIGNMENT", 2}, {"BPF_F_TEST_RND_HI32", 4},
      {"BPF_F_TEST_STATE_FREQ", 8},      {"BPF_F_SLEEPABLE", 16},    {"BPF_F_XDP_HAS_FRAGS", 32},
      {"BPF_F_TEST_REG_INVARIANTS", 128}};
  for (const auto& [name, bit] : kFlags) {
    if (text == name) return bit;
  }
  return static_cast<uint32_t>(number_of(text).value_or(0));
}

// "CAP_BPF|CAP_NET_ADMIN", or numbers: "39|12".
uint64_t capabilities_of(std::string_view text) {
  constexpr std::pair<std::string_view, unsigned> kNames[] = {
      {"CAP_NET_ADMIN", 12}, {"CAP_SYS_ADMIN", 21}, {"CAP_PERFMON", 38}, {"CAP_BPF", 39}};
  uint64_t bits = 0;
  while (!text.empty()) {
    const size_t bar = text.find('|');
    std::string_view word = text.substr(0, bar);
    text = bar == std::string_view::npos ? std::string_view() : text.substr(bar + 1);
    while (word.starts_with(' ')) word.remove_prefix(1);
    while (word.ends_with(' ')) word.remove_suffix(1);
    std::optional<int64_t> bit = number_of(word);
    for (const auto& [name, number] : kNames) {
      if (word == name) bit = number;
    }
    if (bit) bits |= uint64_t{1} << (*bit & 63);
  }
  return bits;
}

void read_expectations(const std::vector<Tag>& tags, Case& test) {
  bool privileged = false, unprivileged = false, unprivileged_verdict = false;
  bool any_arch = false, our_arch = false;
  Expectation &priv = test.privileged, &unpriv = test.unprivileged;
  for (const Tag& tag : tags) {
    const std::string_view text = tag.text;
    const size_t equals = text.find('=');
    const std::string_view key = text.substr(0, equals);
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : text.substr(equals + 1);
    const auto message = [&](Expectation& of, bool unwanted) {
      of.messages.push_back({std::string(without_number(value)), unwanted});
    };
    if (key == "test_expect_success") {
      privileged = true, priv.accept = true;
    } else if (key == "test_expect_failure") {
      privileged = true, priv.accept = false;
    } else if (key == "test_expect_success_unpriv") {
      unprivileged = unprivileged_verdict = true, unpriv.accept = true;
    } else if (key == "test_expect_failure_unpriv") {
      unprivileged = unprivileged_verdict = true, unpriv.accept = false;
    } else if (key == "test_expect_msg") {
      privileged = true, message(priv, false);
    } else if (key == "test_expect_not_msg") {
      privileged = true, message(priv, true);
    } else if (key == "test_expect_msg_unpriv") {
      unprivileged = true, message(unpriv, false);
    } else if (key == "test_expect_not_msg_unpriv") {
      unprivileged = true, message(unpriv, true);
    } else if (key == "test_retval") {
      privileged = true, priv.result = number_of(value);
    } else if (key == "test_retval_unpriv") {
      unprivileged = true, unpriv.result = number_of(value);
    } else if (key == "test_auxiliary" || key == "test_auxiliary_unpriv") {
      test.skipped = true;
    } else if (key == "test_caps_unpriv") {
      unprivileged = true, unpriv.capabilities = capabilities_of(value);
    } else if (key == "test_log_level") {
      test.log_level = static_cast<uint32_t>(number_of(value).value_or(0));
    } else if (key == "test_prog_flags") {
      if (value.starts_with('!')) {
        test.program.flags &= ~flag_of(value.substr(1));
      } else {
        test.program.flags |= flag_of(value);
      }
    } else if (key == "test_arch") {
      any_arch = true, our_arch |= value == "X86_64";
    } else if (text == "load_mode=no_jited") {
      test.skipped = true;
    } else if (key == "test_expect_xlated" || key == "test_jited") {
      privileged = true;
    } else if (key == "test_expect_xlated_unpriv" || key == "test_jited_unpriv") {
      unprivileged = true;
    }
  }
  if (any_arch && !our_arch) test.skipped = true;
  if (!privileged && !unprivileged && !tags.empty()) privileged = true;
  priv.stated = privileged;
  unpriv.stated = unprivileged;
  if (unprivileged && !unprivileged_verdict) unpriv.accept = priv.accept;
  if (unprivileged && unpriv.messages.empty()) unpriv.messages = priv.messages;
}

// What a struct_ops program implements: the member whose place in the kernel's struct the object's map names.
void set_struct_ops_member(const object::Object& object, uint32_t program_index, Program& program,
                           std::span<const std::shared_ptr<const btf::Btf>> btfs) {
  for (const object::MapSpec& map : object.maps()) {
    for (const object::MapSpec::Element& element : map.elements) {
      if (map.struct_ops_type.empty() || !element.is_program || element.index != program_index)
        continue;
      const btf::Type ours = object.btf()->type(map.definition);
      for (uint32_t m = 0; m < ours.vlen(); ++m) {
        if (ours.member(m).bit_offset != element.key * 8) continue;
        for (const auto& btf : btfs) {
          const auto id = btf->find(map.struct_ops_type, btf::Kind::Struct);
          if (!id) continue;
          const btf::Type theirs = btf->type(*id);
          for (uint32_t t = 0; t < theirs.vlen(); ++t) {
            if (theirs.member(t).name != ours.member(m).name) continue;
            program.attach_btf = btf;
            program.attach_btf_id = *id;
            program.expected_attach_type = static_cast<AttachType>(t);
            return;
          }
        }
      }
    }
  }
}

}  // namespace

// Rough, by the file's name: what its cases are about.
std::string feature_of(const std::string& file) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 41> kWords{{
      {"dynptr", "dynptrs"},
      {"iter", "iterators"},
      {"spin_lock", "locks"},
      {"lock", "locks"},
      {"rbtree", "graphs"},
      {"linked_list", "graphs"},
      {"list", "graphs"},
      {"refcount", "graphs"},
      {"kptr", "kptrs"},
      {"arena", "arena"},
      {"exception", "exceptions"},
      {"rcu", "RCU"},
      {"preempt", "irq, preempt"},
      {"irq", "irq, preempt"},
      {"timer", "timers"},
      {"wq", "timers"},
      {"async", "timers"},
      {"task_work", "timers"},
      {"struct_ops", "struct_ops"},
      {"kfunc", "kfuncs"},
      {"cpumask", "kfuncs"},
      {"cgrp", "kfuncs"},
      {"lsm", "LSM"},
      {"freplace", "freplace"},
      {"may_goto", "loops"},
      {"loop", "loops"},
      {"callback", "callbacks"},
      {"for_each", "callbacks"},
      {"global", "global functions"},
      {"subprog", "global functions"},
      {"func", "global functions"},
      {"tailcall", "tail calls"},
      {"tail_call", "tail calls"},
      {"packet", "packets"},
      {"xdp", "packets"},
      {"skb", "packets"},
      {"sock", "sockets"},
      {"stack", "stack"},
      {"spill", "stack"},
      {"prec", "precision"},
      {"bounds", "ranges"},
  }};
  for (const auto& [word, feature] : kWords) {
    if (file.find(word) != std::string::npos) return std::string(feature);
  }
  return "other";
}

Result<std::vector<Case>> read_object_cases(const std::string& path,
                                            std::span<const std::shared_ptr<const btf::Btf>> btfs) {
  SKEP_TRY(bytes, read_file(path));
  std::string file = std::filesystem::path(path).filename();
  for (std::string_view suffix : {".o", ".bpf"}) {
    if (file.ends_with(suffix)) file.resize(file.size() - suffix.size());
  }
  SKEP_TRY(opened, object::open_object(bytes_of(bytes), path));
  const auto object = std::make_shared<object::Object>(std::move(opened));
  if (object->has_kconfig()) {
    object::KconfigValues values;
    values.kernel_version = (6u << 16) + (18u << 8);
    values.config = [](std::string_view name) -> std::optional<std::string> {
      return name == "CONFIG_HZ" ? "250" : "y";
    };
    SKEP_CHECK(object->resolve_kconfig(values));
  }
  std::map<btf::TypeId, std::vector<Tag>> tags;
  if (object->btf() != nullptr) tags = tags_of(*object->btf());
  object::Target target;
  target.btfs = btfs;
  target.symbol = [](std::string_view) -> std::optional<uint64_t> { return 0xffff'ffff'8100'0000; };
  std::vector<Case> cases;
  for (uint32_t i = 0; i < object->programs().size(); ++i) {
    const object::ProgramSpec& spec = object->programs()[i];
    Case& test = cases.emplace_back();
    test.file = file;
    test.feature = feature_of(file);
    test.name = spec.name;
    const auto section = spec::parse_section_name(spec.section);
    if (!section || section->section == nullptr) {
      test.not_linked = "unknown section " + spec.section;
    } else if (auto program = object->program(i, target); !program) {
      test.not_linked = program.error().text();
    } else {
      test.program = std::move(*program);
      if (auto attached = object::set_attach_target(test.program, *section, btfs); !attached)
        test.not_linked = attached.error().text();
      set_struct_ops_member(*object, i, test.program, btfs);
    }
    const auto function =
        object->btf() != nullptr ? object->btf()->find(spec.name, btf::Kind::Func) : std::nullopt;
    if (function) read_expectations(tags[*function], test);
    test.object = object;
  }
  return cases;
}

}  // namespace skep::corpus
