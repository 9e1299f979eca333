/* What every BPF program in C includes: sections, map definitions, printing, loops.
 * skep's own text; macro names and their meaning are the field's (libbpf's documentation). */
#ifndef __BPF_HELPERS__
#define __BPF_HELPERS__

#include "bpf_helper_defs.h"

/* Members of a map's struct in SEC(".maps"). The loader reads them from the member's type. */
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
#define __array(name, val) typeof(val) *name[]
#define __ulong(name, val) enum { ___bpf_concat(__unique_value, __COUNTER__) = val } name

#ifndef likely
#define likely(x) (__builtin_expect(!!(x), 1))
#endif
#ifndef unlikely
#define unlikely(x) (__builtin_expect(!!(x), 0))
#endif

#define SEC(name)                                                                          \
	_Pragma("GCC diagnostic push")                                                      \
	_Pragma("GCC diagnostic ignored \"-Wignored-attributes\"")                          \
	__attribute__((section(name), used))                                                \
	_Pragma("GCC diagnostic pop")

/* The text that `skep run --help` shows for a const volatile global. */
#define __help(text) __attribute__((btf_decl_tag("help:" text)))
/* What the comments @cmdarg, @sample and @export say, kept in the object: __cmdarg({"short": "p"}). */
#define __cmdarg(...) __attribute__((btf_decl_tag("cmdarg:" #__VA_ARGS__)))
#define __sample(...) __attribute__((btf_decl_tag("sample:" #__VA_ARGS__)))
#define __export(...) __attribute__((btf_decl_tag("export:" #__VA_ARGS__)))

#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#ifndef __noinline
#define __noinline __attribute__((noinline))
#endif
#ifndef __weak
#define __weak __attribute__((weak))
#endif
#ifndef __hidden
#define __hidden __attribute__((visibility("hidden")))
#endif
#ifndef __used
#define __used __attribute__((used))
#endif

#ifndef NULL
#define NULL ((void *)0)
#endif
#ifndef KERNEL_VERSION
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))
#endif
#ifndef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif
#ifndef container_of
#define container_of(ptr, type, member) ((type *)((void *)(ptr) - offsetof(type, member)))
#endif

/* Keeps the compiler from moving code across, or from knowing a value. */
#ifndef barrier
#define barrier() asm volatile("" ::: "memory")
#endif
#ifndef barrier_var
#define barrier_var(var) asm volatile("" : "+r"(var))
#endif

#ifndef __bpf_unreachable
#define __bpf_unreachable() __builtin_trap()
#endif

/* A tail call to an index known at compile time, with the map in its register. */
#if __clang_major__ >= 8 && defined(__bpf__)
static __always_inline void bpf_tail_call_static(void *ctx, const void *map, const __u32 slot)
{
	if (!__builtin_constant_p(slot))
		__bpf_unreachable();
	asm volatile("r1 = %[ctx]\n\t"
		     "r2 = %[map]\n\t"
		     "r3 = %[slot]\n\t"
		     "call 12"
		     :
		     : [ctx] "r"(ctx), [map] "r"(map), [slot] "i"(slot)
		     : "r0", "r1", "r2", "r3", "r4", "r5");
}
#endif

enum libbpf_pin_type {
	LIBBPF_PIN_NONE,
	LIBBPF_PIN_BY_NAME,
};
enum libbpf_tristate {
	TRI_NO = 0,
	TRI_YES = 1,
	TRI_MODULE = 2,
};

#define __kconfig __attribute__((section(".kconfig")))
#define __ksym __attribute__((section(".ksyms")))
#define __kptr_untrusted __attribute__((btf_type_tag("kptr_untrusted")))
#define __kptr __attribute__((btf_type_tag("kptr")))
#define __percpu_kptr __attribute__((btf_type_tag("percpu_kptr")))
#define __uptr __attribute__((btf_type_tag("uptr")))
#define __kptr_ref __kptr

#define bpf_ksym_exists(sym) (!!(void *)(sym))

#define __arg_ctx __attribute__((btf_decl_tag("arg:ctx")))
#define __arg_nonnull __attribute__((btf_decl_tag("arg:nonnull")))
#define __arg_nullable __attribute__((btf_decl_tag("arg:nullable")))
#define __arg_trusted __attribute__((btf_decl_tag("arg:trusted")))
#define __arg_untrusted __attribute__((btf_decl_tag("arg:untrusted")))
#define __arg_arena __attribute__((btf_decl_tag("arg:arena")))

/* Counting and picking among macro arguments, 0 to 12 of them. */
#ifndef ___bpf_concat
#define ___bpf_concat(a, b) a##b
#endif
#ifndef ___bpf_apply
#define ___bpf_apply(fn, n) ___bpf_concat(fn, n)
#endif
#ifndef ___bpf_nth
#define ___bpf_nth(_, _1, _2, _3, _4, _5, _6, _7, _8, _9, _a, _b, _c, N, ...) N
#endif
#ifndef ___bpf_narg
#define ___bpf_narg(...) ___bpf_nth(_, ##__VA_ARGS__, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#endif

/* Formats take their arguments as an array of 64-bit values. The braces of a compound literal would read
 * pointers as integers with a warning: each is cast on its own. */
#define ___skep_u64_0()
#define ___skep_u64_1(a) (unsigned long long)(a)
#define ___skep_u64_2(a, r...) (unsigned long long)(a), ___skep_u64_1(r)
#define ___skep_u64_3(a, r...) (unsigned long long)(a), ___skep_u64_2(r)
#define ___skep_u64_4(a, r...) (unsigned long long)(a), ___skep_u64_3(r)
#define ___skep_u64_5(a, r...) (unsigned long long)(a), ___skep_u64_4(r)
#define ___skep_u64_6(a, r...) (unsigned long long)(a), ___skep_u64_5(r)
#define ___skep_u64_7(a, r...) (unsigned long long)(a), ___skep_u64_6(r)
#define ___skep_u64_8(a, r...) (unsigned long long)(a), ___skep_u64_7(r)
#define ___skep_u64_9(a, r...) (unsigned long long)(a), ___skep_u64_8(r)
#define ___skep_u64_10(a, r...) (unsigned long long)(a), ___skep_u64_9(r)
#define ___skep_u64_11(a, r...) (unsigned long long)(a), ___skep_u64_10(r)
#define ___skep_u64_12(a, r...) (unsigned long long)(a), ___skep_u64_11(r)
#define ___skep_values(args...) \
	unsigned long long ___param[] = {___bpf_apply(___skep_u64_, ___bpf_narg(args))(args)}
#define ___skep_formatted(call, fmt, args...)                                              \
	({                                                                                  \
		static const char ____fmt[] = fmt;                                          \
		_Pragma("GCC diagnostic push")                                              \
		_Pragma("GCC diagnostic ignored \"-Wint-conversion\"")                      \
		___skep_values(args);                                                       \
		_Pragma("GCC diagnostic pop")                                               \
		call;                                                                       \
	})

#define BPF_SEQ_PRINTF(seq, fmt, args...) \
	___skep_formatted(bpf_seq_printf(seq, ____fmt, sizeof(____fmt), ___param, sizeof(___param)), fmt, ##args)
#define BPF_SNPRINTF(out, out_size, fmt, args...) \
	___skep_formatted(bpf_snprintf(out, out_size, ____fmt, ___param, sizeof(___param)), fmt, ##args)

#ifdef BPF_NO_GLOBAL_DATA
#define BPF_PRINTK_FMT_MOD
#else
#define BPF_PRINTK_FMT_MOD static const
#endif
/* Up to three arguments as they are, more through an array. */
#define __bpf_printk(fmt, ...)                                                             \
	({                                                                                  \
		BPF_PRINTK_FMT_MOD char ____fmt[] = fmt;                                    \
		bpf_trace_printk(____fmt, sizeof(____fmt), ##__VA_ARGS__);                  \
	})
#define __bpf_vprintk(fmt, args...) \
	___skep_formatted(bpf_trace_vprintk(____fmt, sizeof(____fmt), ___param, sizeof(___param)), fmt, ##args)
#define ___bpf_pick_printk(...)                                                            \
	___bpf_nth(_, ##__VA_ARGS__, __bpf_vprintk, __bpf_vprintk, __bpf_vprintk, __bpf_vprintk, \
		   __bpf_vprintk, __bpf_vprintk, __bpf_vprintk, __bpf_vprintk, __bpf_vprintk, \
		   __bpf_printk, __bpf_printk, __bpf_printk, __bpf_printk)
#define bpf_printk(fmt, args...) ___bpf_pick_printk(args)(fmt, ##args)

extern int bpf_stream_vprintk_impl(int stream_id, const char *fmt, const void *args, __u32 len, void *aux) __weak __ksym;
#define bpf_stream_printk(stream, fmt, args...) \
	___skep_formatted(bpf_stream_vprintk_impl(stream, ____fmt, ___param, sizeof(___param), (void *)0), fmt, ##args)

/* Iterators of numbers, and loops over any iterator. */
struct bpf_iter_num;
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __weak __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __weak __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __weak __ksym;

#ifndef bpf_for_each
/* for (cur = each element of a bpf_iter_<type>); the iterator is destroyed however the loop is left. */
#define bpf_for_each(type, cur, args...)                                                   \
	for (struct bpf_iter_##type ___it __attribute__((aligned(8), cleanup(bpf_iter_##type##_destroy))), \
	     *___once __attribute__((unused)) =                                              \
		     (bpf_iter_##type##_new(&___it, ##args),                                \
		      (void)bpf_iter_##type##_destroy, (void *)0);                          \
	     (cur = bpf_iter_##type##_next(&___it));)
#endif
#ifndef bpf_for
/* for (i = start; i < end; i++), with a bound that the verifier needs not know. */
#define bpf_for(i, start, end)                                                             \
	for (struct bpf_iter_num ___it __attribute__((aligned(8), cleanup(bpf_iter_num_destroy))), \
	     *___once __attribute__((unused)) =                                              \
		     (bpf_iter_num_new(&___it, (start), (end)), (void)bpf_iter_num_destroy, (void *)0); \
	     ({                                                                             \
		     int *___at = bpf_iter_num_next(&___it);                                \
		     int ___more = ___at && ((i) = *___at, (i) >= (start) && (i) < (end));  \
		     ___more;                                                               \
	     });)
#endif
#ifndef bpf_repeat
#define bpf_repeat(N)                                                                      \
	for (struct bpf_iter_num ___it __attribute__((aligned(8), cleanup(bpf_iter_num_destroy))), \
	     *___once __attribute__((unused)) =                                              \
		     (bpf_iter_num_new(&___it, 0, (N)), (void)bpf_iter_num_destroy, (void *)0); \
	     bpf_iter_num_next(&___it);)
#endif

#endif
