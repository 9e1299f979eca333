// What a section's name says a program attaches to, looked up in BTF: tp_btf's typedef, the function of fentry and
// its kin, LSM's and iterators' stubs.
#pragma once

#include <memory>
#include <span>

#include "base/result.h"
#include "object/program.h"
#include "spec/sections.h"

namespace skep::object {

// Sets the program's type, expected attach type, flags (sleepable, XDP fragments), and, where the section names a BTF
// target, attach_btf and attach_btf_id. ENOENT: none of `btfs` has it; the program's other fields are set all the same.
// freplace's target is a program, and struct_ops' a member that its map names: those are the caller's to set.
Result<> set_attach_target(Program& program, const spec::SectionName& section,
                           std::span<const std::shared_ptr<const btf::Btf>> btfs);

}  // namespace skep::object
