#include "object/attach_target.h"

#include <string>

#include "btf/btf.h"

namespace skep::object {

namespace {

constexpr uint32_t kSleepable = 1u << 4, kXdpHasFrags = 1u << 5;

// The name that the kernel gave the target's type.
std::string target_type_name(const spec::Section& section, std::string_view target) {
  switch (section.attach_type) {
    case AttachType::BPF_TRACE_RAW_TP: return "btf_trace_" + std::string(target);
    case AttachType::BPF_LSM_MAC:
    case AttachType::BPF_LSM_CGROUP: return "bpf_lsm_" + std::string(target);
    case AttachType::BPF_TRACE_ITER: return "bpf_iter_" + std::string(target);
    default: return std::string(target);
  }
}

}  // namespace

Result<> set_attach_target(Program& program, const spec::SectionName& name,
                           std::span<const std::shared_ptr<const btf::Btf>> btfs) {
  const spec::Section& section = *name.section;
  program.type = section.prog_type;
  if (section.has_attach_type) program.expected_attach_type = section.attach_type;
  if (section.sleepable) program.flags |= kSleepable;
  if (section.xdp_frags) program.flags |= kXdpHasFrags;
  if (!section.attach_btf || program.type == ProgType::BPF_PROG_TYPE_EXT || name.target.empty())
    return {};
  const std::string wanted = target_type_name(section, name.target);
  const auto kind =
      section.attach_type == AttachType::BPF_TRACE_RAW_TP ? btf::Kind::Typedef : btf::Kind::Func;
  for (const std::shared_ptr<const btf::Btf>& btf : btfs) {
    if (const auto id = btf->find(wanted, kind)) {
      program.attach_btf = btf;
      program.attach_btf_id = *id;
      return {};
    }
  }
  return fail(ENOENT, "{}: the target's BTF has no {} to attach to", section.prefix, wanted);
}

}  // namespace skep::object
