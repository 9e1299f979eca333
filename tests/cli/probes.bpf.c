// What probes_test.cc runs: one program a kind of hook, each adding to its own count.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

long usdt_hits, usdt_first, usdt_second;
long multi_hits, multi_returns, session_runs;
long calls, call_results, wrapped;

SEC("usdt")
int BPF_USDT(on_usdt, int first, long second) {
	__sync_fetch_and_add(&usdt_hits, 1);
	__sync_fetch_and_add(&usdt_first, first);
	__sync_fetch_and_add(&usdt_second, second);
	return 0;
}

SEC("uprobe.multi")
int on_multi(struct pt_regs *ctx) {
	__sync_fetch_and_add(&multi_hits, 1);
	return 0;
}

SEC("uretprobe.multi")
int on_multi_return(struct pt_regs *ctx) {
	__sync_fetch_and_add(&multi_returns, PT_REGS_RC(ctx));
	return 0;
}

// On entry and on return; not on return where the entry says 1.
SEC("uprobe.session")
int on_session(struct pt_regs *ctx) {
	__sync_fetch_and_add(&session_runs, 1);
	return PT_REGS_PARM1(ctx) == 2;
}

SEC("ksyscall/openat")
int BPF_KSYSCALL(on_openat, int dirfd, const char *path, int flags, int mode) {
	char text[64];
	if (bpf_probe_read_user_str(text, sizeof(text), path) > 0 && bpf_strncmp(text, 14, "/skep-no-such-") == 0) {
		__sync_fetch_and_add(&calls, 1);
		if (dirfd == -100)
			__sync_fetch_and_add(&wrapped, 1);
	}
	return 0;
}

SEC("kretsyscall/openat")
int BPF_KRETPROBE(on_openat_return, long result) {
	if (result == -2)
		__sync_fetch_and_add(&call_results, 1);
	return 0;
}

// The same by the kernel's function, whose argument points to the caller's registers.
SEC("kprobe/__x64_sys_openat")
int BPF_KPROBE(on_function, struct pt_regs *regs) {
	unsigned long dirfd = 0;
	bpf_probe_read_kernel(&dirfd, sizeof(dirfd), &PT_REGS_PARM1_SYSCALL(regs));
	if ((int)dirfd == -100)
		__sync_fetch_and_add(&wrapped, 1000);
	return 0;
}

SEC("?kprobe/vfs_read")
int on_other(struct pt_regs *ctx) {
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
