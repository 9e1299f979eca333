// LD_ABS and LD_IND for the optimising tier: compiled to bitcode, linked into each program that needs it.
#include "vm/packet_load.h"

extern "C" uint32_t skep_load_packet(skep::HelperContext* run, int32_t offset, uint32_t size,
                                     uint64_t* out) {
  return skep::vm::load_packet(run->packet, offset, size, *out) ? 1 : 0;
}
