#include "engine/user/cgroup_hooks.h"

#include <algorithm>

namespace skep::engine::user {
namespace {

constexpr size_t kMaxPrograms = 64;

}  // namespace

std::vector<const CgroupHooks::Attachment*> CgroupHooks::Hook::effective() const {
  std::vector<const Attachment*> programs;
  for (bool first : {true, false}) {
    for (const Attachment& one : list) {
      if (((one.flags & BPF_F_PREORDER) != 0) == first) programs.push_back(&one);
    }
  }
  return programs;
}

// Where BEFORE and AFTER put it; at the end without them.
Result<size_t> CgroupHooks::place_of(const Hook& hook, const Request& request) const {
  const bool before = (request.flags & BPF_F_BEFORE) != 0;
  const bool after = (request.flags & BPF_F_AFTER) != 0;
  if (before && after) return fail(EINVAL, "BPF_F_BEFORE and BPF_F_AFTER exclude each other");
  if (!request.beside_program && !request.beside_link) return before ? 0 : hook.list.size();
  auto found = std::find_if(hook.list.begin(), hook.list.end(), [&](const Attachment& one) {
    return request.beside_link ? one.link == request.beside_link.get()
                               : one.link == nullptr && one.program == request.beside_program;
  });
  if (found == hook.list.end()) return fail(ENOENT, "what to attach beside is not attached there");
  if (((found->flags ^ request.flags) & BPF_F_PREORDER) != 0)
    return fail(EINVAL, "one with BPF_F_PREORDER can't stand beside one without");
  auto at = static_cast<size_t>(found - hook.list.begin());
  return before ? at : at + 1;
}

Result<> CgroupHooks::hang(Hook& hook, AttachType type, size_t at, const Request& request) {
  hook.list.insert(hook.list.begin() + static_cast<ptrdiff_t>(at),
                   {.program = request.program, .link = request.link, .flags = request.flags});
  // In the hook's list, in front of the first that runs later and hangs there.
  auto order = hook.effective();
  Attachment& added = hook.list[at];
  auto here = std::find(order.begin(), order.end(), &added);
  hooks::AttachHandle next{};
  if (here + 1 != order.end()) next = (*(here + 1))->node;
  auto node = session_.attach_cgroup(static_cast<uint32_t>(type), &request.program->header(),
                                     request.cookie, request.link_id, next);
  if (!node) {
    hook.list.erase(hook.list.begin() + static_cast<ptrdiff_t>(at));
    return fail(node);
  }
  added.node = *node;
  return {};
}

Result<> CgroupHooks::attach(const Request& request) {
  Hook& hook = hooks_[static_cast<size_t>(request.type)];
  const uint32_t flags = request.flags;
  const uint32_t saved = flags & (BPF_F_ALLOW_OVERRIDE | BPF_F_ALLOW_MULTI);
  const bool multi = (flags & BPF_F_ALLOW_MULTI) != 0;
  if (saved == (BPF_F_ALLOW_OVERRIDE | BPF_F_ALLOW_MULTI))
    return fail(EINVAL, "BPF_F_ALLOW_OVERRIDE and BPF_F_ALLOW_MULTI exclude each other");
  if ((flags & BPF_F_REPLACE) != 0 && !multi)
    return fail(EINVAL, "BPF_F_REPLACE needs BPF_F_ALLOW_MULTI");
  if ((flags & BPF_F_REPLACE) != 0 && (flags & (BPF_F_BEFORE | BPF_F_AFTER)) != 0)
    return fail(EINVAL, "BPF_F_REPLACE keeps the place: no BPF_F_BEFORE or BPF_F_AFTER");
  if ((request.replaced != nullptr) != ((flags & BPF_F_REPLACE) != 0))
    return fail(EINVAL, "BPF_F_REPLACE and replace_bpf_fd need each other");
  if (request.expected_revision != 0 && request.expected_revision != hook.revision)
    return fail(ESTALE, "the hook is at revision {}, expected {}", hook.revision,
                request.expected_revision);
  if (!hook.list.empty() && hook.flags != saved)
    return fail(EPERM, "programs are attached there with other flags ({:#x}, not {:#x})",
                hook.flags, saved);
  if (hook.list.size() >= kMaxPrograms)
    return fail(E2BIG, "a hook has at most {} programs", kMaxPrograms);
  Attachment* in_place = nullptr;
  if (!multi) {
    if (!hook.list.empty()) in_place = &hook.list.front();
  } else {
    for (Attachment& one : hook.list) {
      if (request.link == nullptr && one.link == nullptr && one.program == request.program &&
          request.program != request.replaced)
        return fail(EINVAL, "program {} is attached there already", request.program->header().name);
    }
    if (request.replaced) {
      for (Attachment& one : hook.list) {
        if (one.link == nullptr && one.program == request.replaced) in_place = &one;
      }
      if (in_place == nullptr) return fail(ENOENT, "the program to replace is not attached there");
    }
  }
  if (in_place != nullptr) {
    SKEP_CHECK(session_.replace(in_place->node, &request.program->header(), request.cookie));
    in_place->program = request.program;
    in_place->link = request.link;
    in_place->flags = flags;
  } else {
    SKEP_TRY(at, place_of(hook, request));
    SKEP_CHECK(hang(hook, request.type, at, request));
  }
  hook.flags = saved;
  ++hook.revision;
  return {};
}

Result<> CgroupHooks::detach(AttachType type, const runtime::ProgObject* program,
                             const LinkObject* link, uint64_t expected_revision) {
  Hook& hook = hooks_[static_cast<size_t>(type)];
  if (expected_revision != 0 && expected_revision != hook.revision)
    return fail(ESTALE, "the hook is at revision {}, expected {}", hook.revision,
                expected_revision);
  const bool multi = (hook.flags & BPF_F_ALLOW_MULTI) != 0;
  auto found = hook.list.end();
  if (!multi) {
    found = hook.list.begin();
  } else {
    if (program == nullptr && link == nullptr)
      return fail(EINVAL, "several programs can be attached there: say which");
    found = std::find_if(hook.list.begin(), hook.list.end(), [&](const Attachment& one) {
      return link != nullptr ? one.link == link
                             : one.link == nullptr && one.program.get() == program;
    });
  }
  if (found == hook.list.end()) return fail(ENOENT, "no such program is attached there");
  SKEP_CHECK(session_.detach(found->node));
  hook.list.erase(found);
  if (hook.list.empty()) hook.flags = 0;
  ++hook.revision;
  return {};
}

Result<> CgroupHooks::replace(const LinkObject& link,
                              std::shared_ptr<runtime::ProgObject> program) {
  Hook& hook = hooks_[static_cast<size_t>(link.attach_type)];
  for (Attachment& one : hook.list) {
    if (one.link != &link) continue;
    SKEP_CHECK(session_.replace(one.node, &program->header(), link.cookie));
    one.program = std::move(program);
    ++hook.revision;
    return {};
  }
  return fail(ENOLINK, "the link is detached");
}

}  // namespace skep::engine::user
