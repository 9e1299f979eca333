/* <bpf/libbpf.h> as skep has it. */
#ifndef SKEP_COMPAT_LIBBPF_H
#define SKEP_COMPAT_LIBBPF_H
#include <linux/bpf.h>
#include <skep/skep.h>
#endif
