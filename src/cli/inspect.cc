#include "cli/inspect.h"

namespace skep::cli {

std::expected<HiveSession, Failure> choose_session(const std::string& which) {
  auto sessions = list_sessions();
  if (!sessions) return failure(exit_for(sessions.error(), kSystem), sessions.error());
  if (sessions->empty()) {
    return failure(kUnavailable, Error(ESRCH, "no session of this user is running")
                                     .with_hint("start one with: skep run FILE -- COMMAND"));
  }
  if (which.empty()) {
    if (sessions->size() == 1) return sessions->front();
    std::string known;
    for (const HiveSession& session : *sessions)
      known += fmt::format(" {} ({})", session.controller, session.name);
    return failure(kUsage, Error(EINVAL, fmt::format("{} sessions are running", sessions->size()))
                               .with_hint("choose one with --session:" + known));
  }
  for (const HiveSession& session : *sessions) {
    if (which == std::to_string(session.controller) || which == session.name) return session;
  }
  return failure(kUnavailable,
                 Error(ESRCH, fmt::format("no session \"{}\" of this user is running", which)));
}

std::expected<std::unique_ptr<Hive>, Failure> open_session(const std::string& which) {
  auto session = choose_session(which);
  if (!session) return std::unexpected(session.error());
  auto hive = Hive::open(*session);
  if (!hive) return failure(exit_for(hive.error(), kUnavailable), hive.error());
  return std::move(*hive);
}

std::shared_ptr<const btf::Btf> btf_of(const Hive& hive, const MapHeader& map) {
  std::shared_ptr<const btf::Btf> btf;
  if (map.btf_id == 0) return btf;
  hive.for_each_object(hive::ObjectKind::kBtf, [&](uint32_t id, void* object, uint64_t size) {
    if (id != map.btf_id) return true;
    auto parsed = btf::Btf::parse(ByteSpan(static_cast<const std::byte*>(object), size));
    if (parsed && (*parsed)->validate()) btf = *parsed;
    return false;
  });
  return btf;
}

}  // namespace skep::cli
