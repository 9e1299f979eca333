/* <bpf/bpf.h> as skep has it. */
#ifndef SKEP_COMPAT_BPF_H
#define SKEP_COMPAT_BPF_H
#include <bpf/libbpf.h>
#endif
