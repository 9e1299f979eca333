// Whose storage a descriptor means, for the storage maps: a pidfd, a descriptor of the traced processes (their
// cgroup), of a file, of a socket.
#pragma once

#include "engine/user/caller.h"
#include "maps/local_storage.h"

namespace skep::engine::user {

// EBADF where the caller has no such descriptor or it is of the wrong kind, ENOTSOCK where it is no socket, ENOENT
// where the task has ended.
[[nodiscard]] Result<maps::StorageKey> find_owner(const Caller& caller, const MapHeader& map,
                                                  int32_t fd);

}  // namespace skep::engine::user
