// libskep.so is made of the room's archive; this gives it a source of its own.
#include "api/state.h"
