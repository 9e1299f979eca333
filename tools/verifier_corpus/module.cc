// kfuncs of a module, from declaration tags of its functions: "kfunc:SCHED_CLS|TRACING:ACQUIRE|RET_NULL".
#include <array>

#include "case.h"

namespace skep::corpus {

namespace {

template <class F>
void each_word(std::string_view text, F&& f) {
  while (!text.empty()) {
    const size_t bar = text.find('|');
    f(text.substr(0, bar));
    text = bar == std::string_view::npos ? std::string_view() : text.substr(bar + 1);
  }
}

ProgTypeSet types_of(std::string_view text) {
  ProgTypeSet types = 0;
  each_word(text, [&](std::string_view word) {
    if (word == "ALL") types = ~ProgTypeSet{0};
    if (word == "SCHED_CLS") types |= set_of(ProgType::BPF_PROG_TYPE_SCHED_CLS);
    if (word == "SYSCALL") types |= set_of(ProgType::BPF_PROG_TYPE_SYSCALL);
    if (word == "STRUCT_OPS") types |= set_of(ProgType::BPF_PROG_TYPE_STRUCT_OPS);
    if (word == "TRACING") {
      types |= set_of(ProgType::BPF_PROG_TYPE_TRACING, ProgType::BPF_PROG_TYPE_TRACEPOINT,
                      ProgType::BPF_PROG_TYPE_PERF_EVENT, ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT,
                      ProgType::BPF_PROG_TYPE_LSM);
    }
  });
  return types;
}

uint32_t flags_of(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, uint32_t>, 13> kNames{{
      {"ACQUIRE", spec::kKfuncAcquire},
      {"RELEASE", spec::kKfuncRelease},
      {"RET_NULL", spec::kKfuncReturnsNull},
      {"TRUSTED_ARGS", spec::kKfuncTrustedArgs},
      {"SLEEPABLE", spec::kKfuncSleepable},
      {"DESTRUCTIVE", spec::kKfuncDestructive},
      {"RCU", spec::kKfuncRcu},
      {"ITER_NEW", spec::kKfuncIterNew},
      {"ITER_NEXT", spec::kKfuncIterNext},
      {"ITER_DESTROY", spec::kKfuncIterDestroy},
      {"RCU_PROTECTED", spec::kKfuncRcuProtected},
      {"IMPLICIT_ARGS", spec::kKfuncImplicitArgs},
      {"SPINLOCK_SAFE", spec::kKfuncSpinLockSafe},
  }};
  uint32_t flags = 0;
  each_word(text, [&](std::string_view word) {
    for (const auto& [name, flag] : kNames) {
      if (word == name) flags |= flag;
    }
  });
  return flags;
}

}  // namespace

std::vector<spec::Kfunc> module_kfuncs(const btf::Btf& module) {
  std::vector<spec::Kfunc> rows;
  for (btf::TypeId t = module.type_begin(); t < module.type_end(); ++t) {
    const btf::Type tag = module.type(t);
    constexpr std::string_view kPrefix = "kfunc:";
    if (tag.kind() != btf::Kind::DeclTag || !tag.name().starts_with(kPrefix)) continue;
    const std::string_view text = tag.name().substr(kPrefix.size());
    const size_t colon = text.find(':');
    spec::Kfunc row;
    row.name = module.type(tag.referenced()).name();
    row.prog_types = types_of(text.substr(0, colon));
    if (colon != std::string_view::npos) row.flags = flags_of(text.substr(colon + 1));
    rows.push_back(row);
  }
  return rows;
}

}  // namespace skep::corpus
