// The programs attached to the traced processes' cgroup hooks, a list an attach type, with the kernel's rules of
// who may be attached beside whom (kernel/bpf/cgroup.c): none of ALLOW_OVERRIDE and ALLOW_MULTI and OVERRIDE
// hold one program, MULTI up to 64 in an order that BEFORE, AFTER and REPLACE change. The traced processes are one
// cgroup, so what is attached is what is effective: those with PREORDER first, then the others.
//
// Not thread-safe: the engine's hooks mutex guards it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/user/objects.h"
#include "hooks/session.h"

namespace skep::engine::user {

inline constexpr uint32_t BPF_F_ALLOW_OVERRIDE = 1, BPF_F_ALLOW_MULTI = 2, BPF_F_REPLACE = 4,
                          BPF_F_BEFORE = 8, BPF_F_AFTER = 16, BPF_F_ID = 32, BPF_F_PREORDER = 64,
                          BPF_F_LINK = 1u << 13;

class CgroupHooks {
 public:
  explicit CgroupHooks(hooks::Session& session) : session_(session) {}

  struct Attachment {
    std::shared_ptr<runtime::ProgObject> program;
    LinkObject* link = nullptr;  // none: BPF_PROG_ATTACH
    uint32_t flags = 0;
    hooks::AttachHandle node{};
  };
  struct Request {
    AttachType type{};
    std::shared_ptr<runtime::ProgObject> program{};
    LinkObject* link = nullptr;
    std::shared_ptr<runtime::ProgObject> replaced{};  // REPLACE
    // BEFORE, AFTER: whom; none: the first or the last.
    std::shared_ptr<runtime::ProgObject> beside_program{};
    std::shared_ptr<LinkObject> beside_link{};
    uint32_t flags = 0;
    uint64_t expected_revision = 0;
    uint64_t cookie = 0;
    uint32_t link_id = 0;
  };
  [[nodiscard]] Result<> attach(const Request& request);
  // `program` none: whichever is attached alone.
  [[nodiscard]] Result<> detach(AttachType type, const runtime::ProgObject* program,
                                const LinkObject* link, uint64_t expected_revision = 0);
  // In place, no call is missed.
  [[nodiscard]] Result<> replace(const LinkObject& link,
                                 std::shared_ptr<runtime::ProgObject> program);

  struct Hook {
    std::vector<Attachment> list;  // in the order of attachment
    uint32_t flags = 0;
    uint64_t revision = 1;
    [[nodiscard]] std::vector<const Attachment*> effective() const;
  };
  [[nodiscard]] const Hook& hook(AttachType type) const {
    return hooks_[static_cast<size_t>(type)];
  }

 private:
  Result<size_t> place_of(const Hook& hook, const Request& request) const;
  // Hangs the list up anew where the order changed.
  Result<> hang(Hook& hook, AttachType type, size_t at, const Request& request);

  hooks::Session& session_;
  Hook hooks_[hooks::kCgroupHooks];
};

}  // namespace skep::engine::user
