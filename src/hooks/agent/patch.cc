#include "hooks/agent/patch.h"

namespace skep::agent {

bool patch_trapped(Thread*, SignalContext*) { return false; }
void sites_caught(Thread*, SignalContext*) {}
bool sites_leave(SignalContext*) { return false; }

}  // namespace skep::agent
