/* Arguments of traced functions, and programs written with them as parameters. skep's own text; names and meaning
 * are the field's. Targets: x86-64 and arm64. */
#ifndef __BPF_TRACING_H__
#define __BPF_TRACING_H__

#include "bpf_helpers.h"

/* Where the calling convention has what. Two spellings of x86's registers: the kernel's and ptrace.h's. */
#if defined(__TARGET_ARCH_x86) || (defined(__x86_64__) && !defined(__TARGET_ARCH_arm64))
#define bpf_target_x86
#define bpf_target_defined
#if defined(__KERNEL__) || defined(__VMLINUX_H__)
#define __PT_PARM1_REG di
#define __PT_PARM2_REG si
#define __PT_PARM3_REG dx
#define __PT_PARM4_REG cx
#define __PT_RET_REG sp
#define __PT_FP_REG bp
#define __PT_RC_REG ax
#define __PT_SP_REG sp
#define __PT_IP_REG ip
#else
#define __PT_PARM1_REG rdi
#define __PT_PARM2_REG rsi
#define __PT_PARM3_REG rdx
#define __PT_PARM4_REG rcx
#define __PT_RET_REG rsp
#define __PT_FP_REG rbp
#define __PT_RC_REG rax
#define __PT_SP_REG rsp
#define __PT_IP_REG rip
#endif
#define __PT_PARM5_REG r8
#define __PT_PARM6_REG r9
#define __PT_PARM1_SYSCALL_REG __PT_PARM1_REG
#define __PT_PARM4_SYSCALL_REG r10

#elif defined(__TARGET_ARCH_arm64) || defined(__aarch64__)
#define bpf_target_arm64
#define bpf_target_defined
struct pt_regs___arm64 {
	unsigned long orig_x0;
} __attribute__((preserve_access_index));
#define __PT_REGS_CAST(x) ((const struct user_pt_regs *)(x))
#define __PT_PARM1_REG regs[0]
#define __PT_PARM2_REG regs[1]
#define __PT_PARM3_REG regs[2]
#define __PT_PARM4_REG regs[3]
#define __PT_PARM5_REG regs[4]
#define __PT_PARM6_REG regs[5]
#define __PT_PARM7_REG regs[6]
#define __PT_PARM8_REG regs[7]
#define __PT_PARM4_SYSCALL_REG regs[3]
#define PT_REGS_PARM1_SYSCALL(x) (((const struct pt_regs___arm64 *)(x))->orig_x0)
#define PT_REGS_PARM1_CORE_SYSCALL(x) BPF_CORE_READ((const struct pt_regs___arm64 *)(x), orig_x0)
#define __PT_RET_REG regs[30]
#define __PT_FP_REG regs[29]
#define __PT_RC_REG regs[0]
#define __PT_SP_REG sp
#define __PT_IP_REG pc
#endif

#ifdef bpf_target_defined

struct pt_regs;

#ifndef __PT_REGS_CAST
#define __PT_REGS_CAST(x) (x)
#endif
#ifndef __PT_PARM7_REG
#define __PT_PARM7_REG __unsupported__
#endif
#ifndef __PT_PARM8_REG
#define __PT_PARM8_REG __unsupported__
#endif

#define PT_REGS_PARM1(x) (__PT_REGS_CAST(x)->__PT_PARM1_REG)
#define PT_REGS_PARM2(x) (__PT_REGS_CAST(x)->__PT_PARM2_REG)
#define PT_REGS_PARM3(x) (__PT_REGS_CAST(x)->__PT_PARM3_REG)
#define PT_REGS_PARM4(x) (__PT_REGS_CAST(x)->__PT_PARM4_REG)
#define PT_REGS_PARM5(x) (__PT_REGS_CAST(x)->__PT_PARM5_REG)
#define PT_REGS_PARM6(x) (__PT_REGS_CAST(x)->__PT_PARM6_REG)
#define PT_REGS_PARM7(x) (__PT_REGS_CAST(x)->__PT_PARM7_REG)
#define PT_REGS_PARM8(x) (__PT_REGS_CAST(x)->__PT_PARM8_REG)
#define PT_REGS_RET(x) (__PT_REGS_CAST(x)->__PT_RET_REG)
#define PT_REGS_FP(x) (__PT_REGS_CAST(x)->__PT_FP_REG)
#define PT_REGS_RC(x) (__PT_REGS_CAST(x)->__PT_RC_REG)
#define PT_REGS_SP(x) (__PT_REGS_CAST(x)->__PT_SP_REG)
#define PT_REGS_IP(x) (__PT_REGS_CAST(x)->__PT_IP_REG)

#define PT_REGS_PARM1_CORE(x) BPF_CORE_READ(__PT_REGS_CAST(x), __PT_PARM1_REG)
#define PT_REGS_PARM2_CORE(x) BPF_CORE_READ(__PT_REGS_CAST(x), __PT_PARM2_REG)
#define PT_REGS_PARM3_CORE(x) BPF_CORE_READ(__PT_REGS_CAST(x), __PT_PARM3_REG)
#define PT_REGS_PARM4_CORE(x) BPF_CORE_READ(__PT_REGS_CAST(x), __PT_PARM4_REG)
#define PT_REGS_PARM5_CORE(x) BPF_CORE_READ(__PT_REGS_CAST(x), __PT_PARM5_REG)
#define PT_REGS_PARM6_CORE(x) BPF_CORE_READ(__PT_REGS_CAST(x), __PT_PARM6_REG)
#define PT_REGS_PARM7_CORE(x) BPF_CORE_READ(__PT_REGS_CAST(x), __PT_PARM7_REG)
#define PT_REGS_PARM8_CORE(x) BPF_CORE_READ(__PT_REGS_CAST(x), __PT_PARM8_REG)
#define PT_REGS_RET_CORE(x) BPF_CORE_READ(__PT_REGS_CAST(x), __PT_RET_REG)
#define PT_REGS_FP_CORE(x) BPF_CORE_READ(__PT_REGS_CAST(x), __PT_FP_REG)
#define PT_REGS_RC_CORE(x) BPF_CORE_READ(__PT_REGS_CAST(x), __PT_RC_REG)
#define PT_REGS_SP_CORE(x) BPF_CORE_READ(__PT_REGS_CAST(x), __PT_SP_REG)
#define PT_REGS_IP_CORE(x) BPF_CORE_READ(__PT_REGS_CAST(x), __PT_IP_REG)

/* A system call's, from the registers that its entry function was given. */
#ifndef PT_REGS_PARM1_SYSCALL
#define PT_REGS_PARM1_SYSCALL(x) PT_REGS_PARM1(x)
#define PT_REGS_PARM1_CORE_SYSCALL(x) PT_REGS_PARM1_CORE(x)
#endif
#define PT_REGS_PARM2_SYSCALL(x) PT_REGS_PARM2(x)
#define PT_REGS_PARM2_CORE_SYSCALL(x) PT_REGS_PARM2_CORE(x)
#define PT_REGS_PARM3_SYSCALL(x) PT_REGS_PARM3(x)
#define PT_REGS_PARM3_CORE_SYSCALL(x) PT_REGS_PARM3_CORE(x)
#define PT_REGS_PARM4_SYSCALL(x) (__PT_REGS_CAST(x)->__PT_PARM4_SYSCALL_REG)
#define PT_REGS_PARM4_CORE_SYSCALL(x) BPF_CORE_READ(__PT_REGS_CAST(x), __PT_PARM4_SYSCALL_REG)
#define PT_REGS_PARM5_SYSCALL(x) PT_REGS_PARM5(x)
#define PT_REGS_PARM5_CORE_SYSCALL(x) PT_REGS_PARM5_CORE(x)
#define PT_REGS_PARM6_SYSCALL(x) PT_REGS_PARM6(x)
#define PT_REGS_PARM6_CORE_SYSCALL(x) PT_REGS_PARM6_CORE(x)

#ifndef PT_REGS_SYSCALL_REGS
/* Both architectures wrap system calls: the one argument is the registers. */
#define PT_REGS_SYSCALL_REGS(ctx) ((struct pt_regs *)PT_REGS_PARM1(ctx))
#endif

/* The return address and the caller's, for kprobes. */
#ifdef bpf_target_arm64
#define BPF_KPROBE_READ_RET_IP(ip, ctx) ({ (ip) = PT_REGS_RET(ctx); })
#define BPF_KRETPROBE_READ_RET_IP BPF_KPROBE_READ_RET_IP
#else
#define BPF_KPROBE_READ_RET_IP(ip, ctx) \
	({ bpf_probe_read_kernel(&(ip), sizeof(ip), (void *)PT_REGS_RET(ctx)); })
#define BPF_KRETPROBE_READ_RET_IP(ip, ctx) \
	({ bpf_probe_read_kernel(&(ip), sizeof(ip), (void *)(PT_REGS_FP(ctx) + sizeof(ip))); })
#endif

#endif /* bpf_target_defined */

/* --- programs with parameters --- */

/* What program NAME does is written into a function of the given parameters, ____NAME, inlined into the real
 * program, which takes the context and fetches them. The last macro argument opens that function's body. */
#define ___skep_program(name, context, fetched, parameters...)                             \
	name(context);                                                                      \
	static __always_inline typeof(name(0)) ____##name(parameters);                      \
	typeof(name(0)) name(context)                                                       \
	{                                                                                   \
		_Pragma("GCC diagnostic push")                                              \
		_Pragma("GCC diagnostic ignored \"-Wint-conversion\"")                      \
		return ____##name(fetched);                                                 \
		_Pragma("GCC diagnostic pop")                                               \
	}                                                                                   \
	static __always_inline typeof(name(0)) ____##name(parameters)
#define ___skep_args(args...) args

/* fentry, fexit, raw tracepoints with BTF, LSM, struct_ops: an array of 64-bit values. */
#define ___skep_ctx0() ctx
#define ___skep_ctx1(a) ctx, (void *)ctx[0]
#define ___skep_ctx2(a, r...) ___skep_ctx1(a), (void *)ctx[1]
#define ___skep_ctx3(a, r...) ___skep_ctx2(a, r), (void *)ctx[2]
#define ___skep_ctx4(a, r...) ___skep_ctx3(a, r), (void *)ctx[3]
#define ___skep_ctx5(a, r...) ___skep_ctx4(a, r), (void *)ctx[4]
#define ___skep_ctx6(a, r...) ___skep_ctx5(a, r), (void *)ctx[5]
#define ___skep_ctx7(a, r...) ___skep_ctx6(a, r), (void *)ctx[6]
#define ___skep_ctx8(a, r...) ___skep_ctx7(a, r), (void *)ctx[7]
#define ___skep_ctx9(a, r...) ___skep_ctx8(a, r), (void *)ctx[8]
#define ___skep_ctx10(a, r...) ___skep_ctx9(a, r), (void *)ctx[9]
#define ___skep_ctx11(a, r...) ___skep_ctx10(a, r), (void *)ctx[10]
#define ___skep_ctx12(a, r...) ___skep_ctx11(a, r), (void *)ctx[11]
#define ___skep_ctx(args...) ___bpf_apply(___skep_ctx, ___bpf_narg(args))(args)
#define BPF_PROG(name, args...) \
	___skep_program(name, unsigned long long *ctx, ___skep_args(___skep_ctx(args)), unsigned long long *ctx, ##args)

/* kprobes and uprobes: registers. */
#define ___skep_regs0() ctx
#define ___skep_regs1(a) ctx, (void *)PT_REGS_PARM1(ctx)
#define ___skep_regs2(a, r...) ___skep_regs1(a), (void *)PT_REGS_PARM2(ctx)
#define ___skep_regs3(a, r...) ___skep_regs2(a, r), (void *)PT_REGS_PARM3(ctx)
#define ___skep_regs4(a, r...) ___skep_regs3(a, r), (void *)PT_REGS_PARM4(ctx)
#define ___skep_regs5(a, r...) ___skep_regs4(a, r), (void *)PT_REGS_PARM5(ctx)
#define ___skep_regs6(a, r...) ___skep_regs5(a, r), (void *)PT_REGS_PARM6(ctx)
#define ___skep_regs7(a, r...) ___skep_regs6(a, r), (void *)PT_REGS_PARM7(ctx)
#define ___skep_regs8(a, r...) ___skep_regs7(a, r), (void *)PT_REGS_PARM8(ctx)
#define ___skep_regs(args...) ___bpf_apply(___skep_regs, ___bpf_narg(args))(args)
#define BPF_KPROBE(name, args...) \
	___skep_program(name, struct pt_regs *ctx, ___skep_args(___skep_regs(args)), struct pt_regs *ctx, ##args)
#define BPF_UPROBE(name, args...) BPF_KPROBE(name, ##args)

/* Their returns: one parameter at most, the function's result. */
#define ___skep_result0() ctx
#define ___skep_result1(a) ctx, (void *)PT_REGS_RC(ctx)
#define ___skep_result(args...) ___bpf_apply(___skep_result, ___bpf_narg(args))(args)
#define BPF_KRETPROBE(name, args...) \
	___skep_program(name, struct pt_regs *ctx, ___skep_args(___skep_result(args)), struct pt_regs *ctx, ##args)
#define BPF_URETPROBE(name, args...) BPF_KRETPROBE(name, ##args)

/* kprobes of system calls: where the kernel wraps them, the arguments lie in the registers that the
 * wrapper was given; where it does not, they are the function's own. */
#define ___skep_wrapped0() ctx
#define ___skep_wrapped1(a) ctx, (void *)PT_REGS_PARM1_CORE_SYSCALL(regs)
#define ___skep_wrapped2(a, r...) ___skep_wrapped1(a), (void *)PT_REGS_PARM2_CORE_SYSCALL(regs)
#define ___skep_wrapped3(a, r...) ___skep_wrapped2(a, r), (void *)PT_REGS_PARM3_CORE_SYSCALL(regs)
#define ___skep_wrapped4(a, r...) ___skep_wrapped3(a, r), (void *)PT_REGS_PARM4_CORE_SYSCALL(regs)
#define ___skep_wrapped5(a, r...) ___skep_wrapped4(a, r), (void *)PT_REGS_PARM5_CORE_SYSCALL(regs)
#define ___skep_wrapped6(a, r...) ___skep_wrapped5(a, r), (void *)PT_REGS_PARM6_CORE_SYSCALL(regs)
#define ___skep_wrapped(args...) ___bpf_apply(___skep_wrapped, ___bpf_narg(args))(args)
#define ___skep_plain0() ctx
#define ___skep_plain1(a) ctx, (void *)PT_REGS_PARM1_SYSCALL(regs)
#define ___skep_plain2(a, r...) ___skep_plain1(a), (void *)PT_REGS_PARM2_SYSCALL(regs)
#define ___skep_plain3(a, r...) ___skep_plain2(a, r), (void *)PT_REGS_PARM3_SYSCALL(regs)
#define ___skep_plain4(a, r...) ___skep_plain3(a, r), (void *)PT_REGS_PARM4_SYSCALL(regs)
#define ___skep_plain5(a, r...) ___skep_plain4(a, r), (void *)PT_REGS_PARM5_SYSCALL(regs)
#define ___skep_plain6(a, r...) ___skep_plain5(a, r), (void *)PT_REGS_PARM6_SYSCALL(regs)
#define ___skep_plain(args...) ___bpf_apply(___skep_plain, ___bpf_narg(args))(args)

#define BPF_KSYSCALL(name, args...)                                                        \
	name(struct pt_regs *ctx);                                                          \
	extern _Bool LINUX_HAS_SYSCALL_WRAPPER __kconfig;                                   \
	static __always_inline typeof(name(0)) ____##name(struct pt_regs *ctx, ##args);     \
	typeof(name(0)) name(struct pt_regs *ctx)                                           \
	{                                                                                   \
		struct pt_regs *regs = LINUX_HAS_SYSCALL_WRAPPER ? PT_REGS_SYSCALL_REGS(ctx) : ctx; \
		_Pragma("GCC diagnostic push")                                              \
		_Pragma("GCC diagnostic ignored \"-Wint-conversion\"")                      \
		if (LINUX_HAS_SYSCALL_WRAPPER)                                              \
			return ____##name(___skep_wrapped(args));                           \
		return ____##name(___skep_plain(args));                                     \
		_Pragma("GCC diagnostic pop")                                               \
	}                                                                                   \
	static __always_inline typeof(name(0)) ____##name(struct pt_regs *ctx, ##args)
#define BPF_KPROBE_SYSCALL BPF_KSYSCALL

/* Parameters that may be structs: (type, name, type, name, …), each of 1 to 16 bytes; the array has each in
 * as many 64-bit places as it needs. */
#define ___skep_places(t) ((sizeof(t) + 7) / 8)
#define ___skep_pair0()
#define ___skep_pair2(t, x) , t x
#define ___skep_pair4(t, x, r...) , t x ___skep_pair2(r)
#define ___skep_pair6(t, x, r...) , t x ___skep_pair4(r)
#define ___skep_pair8(t, x, r...) , t x ___skep_pair6(r)
#define ___skep_pair10(t, x, r...) , t x ___skep_pair8(r)
#define ___skep_pair12(t, x, r...) , t x ___skep_pair10(r)
#define ___skep_pairs(args...) ___bpf_apply(___skep_pair, ___bpf_narg(args))(args)
/* The bytes at a place as a value of that type. */
#define ___skep_take(t, at)                                                                \
	({                                                                                  \
		union {                                                                     \
			unsigned long long words[2];                                        \
			t value;                                                            \
		} ___u;                                                                     \
		___u.words[0] = ctx[at];                                                    \
		if (___skep_places(t) == 2)                                                 \
			___u.words[1] = ctx[(at) + 1];                                      \
		___u.value;                                                                 \
	})
#define ___skep_taken0(at)
#define ___skep_taken2(at, t, x) , ___skep_take(t, at)
#define ___skep_taken4(at, t, x, r...) , ___skep_take(t, at) ___skep_taken2((at) + ___skep_places(t), r)
#define ___skep_taken6(at, t, x, r...) , ___skep_take(t, at) ___skep_taken4((at) + ___skep_places(t), r)
#define ___skep_taken8(at, t, x, r...) , ___skep_take(t, at) ___skep_taken6((at) + ___skep_places(t), r)
#define ___skep_taken10(at, t, x, r...) , ___skep_take(t, at) ___skep_taken8((at) + ___skep_places(t), r)
#define ___skep_taken12(at, t, x, r...) , ___skep_take(t, at) ___skep_taken10((at) + ___skep_places(t), r)
#define ___skep_taken(args...) ___bpf_apply(___skep_taken, ___bpf_narg(args))(0, ##args)
#define BPF_PROG2(name, args...)                                                           \
	name(unsigned long long *ctx);                                                      \
	static __always_inline typeof(name(0)) ____##name(unsigned long long *ctx ___skep_pairs(args)); \
	typeof(name(0)) name(unsigned long long *ctx)                                       \
	{                                                                                   \
		return ____##name(ctx ___skep_taken(args));                                 \
	}                                                                                   \
	static __always_inline typeof(name(0)) ____##name(unsigned long long *ctx ___skep_pairs(args))

#endif
