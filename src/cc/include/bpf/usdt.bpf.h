/* Arguments of user-space static probes (USDT). skep's own text; names, and the layout of the two maps, are what loaders of
 * the field fill in when they attach such a program.
 *
 * A probe's argument has a place that differs from site to site: a constant, a register, memory behind one or two registers.
 * The loader writes each distinct list of places into __bpf_usdt_specs, and says by the attach cookie (or, on kernels
 * without one, by the site's address) which list is meant. */
#ifndef __USDT_BPF_H__
#define __USDT_BPF_H__

#include "bpf_helpers.h"
#include "bpf_tracing.h"

#ifndef BPF_USDT_MAX_SPEC_CNT
#define BPF_USDT_MAX_SPEC_CNT 256
#endif
#ifndef BPF_USDT_MAX_IP_CNT
#define BPF_USDT_MAX_IP_CNT (4 * BPF_USDT_MAX_SPEC_CNT)
#endif
#define BPF_USDT_MAX_ARG_CNT 12

enum __bpf_usdt_arg_type {
	BPF_USDT_ARG_CONST,     /* val_off itself */
	BPF_USDT_ARG_REG,       /* the register at reg_off in pt_regs */
	BPF_USDT_ARG_REG_DEREF, /* memory at that register + val_off */
	BPF_USDT_ARG_SIB,       /* memory at reg + (index register << scale_bitshift) + val_off */
};

struct __bpf_usdt_arg_spec {
	__u64 val_off;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	enum __bpf_usdt_arg_type arg_type : 8;
	__u16 idx_reg_off : 12;
	__u16 scale_bitshift : 4;
	__u8 __reserved : 8;
#else
	__u8 __reserved : 8;
	__u16 idx_reg_off : 12;
	__u16 scale_bitshift : 4;
	enum __bpf_usdt_arg_type arg_type : 8;
#endif
	short reg_off;
	_Bool arg_signed;
	char arg_bitshift; /* 64 - bits of the argument */
};
struct __bpf_usdt_spec {
	struct __bpf_usdt_arg_spec args[BPF_USDT_MAX_ARG_CNT];
	__u64 usdt_cookie;
	short arg_cnt;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BPF_USDT_MAX_SPEC_CNT);
	__type(key, int);
	__type(value, struct __bpf_usdt_spec);
} __bpf_usdt_specs SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BPF_USDT_MAX_IP_CNT);
	__type(key, long);
	__type(value, __u32);
} __bpf_usdt_ip_to_spec_id SEC(".maps") __weak;

extern const _Bool LINUX_HAS_BPF_COOKIE __kconfig;

#define ___SKEP_ENOENT 2
#define ___SKEP_ESRCH 3
#define ___SKEP_EINVAL 22

/* The list of places for the site that is being hit; null where the loader knows none. */
static __always_inline struct __bpf_usdt_spec *___skep_usdt_spec(struct pt_regs *ctx)
{
	int id;

	if (LINUX_HAS_BPF_COOKIE) {
		id = bpf_get_attach_cookie(ctx);
	} else {
		long ip = PT_REGS_IP(ctx);
		__u32 *by_ip = bpf_map_lookup_elem(&__bpf_usdt_ip_to_spec_id, &ip);

		if (!by_ip)
			return NULL;
		id = *by_ip;
	}
	return id < 0 ? NULL : bpf_map_lookup_elem(&__bpf_usdt_specs, &id);
}

/* The place of argument `number`, or a negative errno in *error. */
static __always_inline struct __bpf_usdt_arg_spec *
___skep_usdt_place(struct pt_regs *ctx, __u64 number, int *error)
{
	struct __bpf_usdt_spec *spec = ___skep_usdt_spec(ctx);

	*error = -___SKEP_ESRCH;
	if (!spec)
		return NULL;
	*error = -___SKEP_ENOENT;
	if (number >= BPF_USDT_MAX_ARG_CNT)
		return NULL;
	barrier_var(number); /* keeps the bound above where the verifier sees it */
	if ((short)number >= spec->arg_cnt)
		return NULL;
	*error = 0;
	return &spec->args[number];
}

static __always_inline int ___skep_usdt_register(struct pt_regs *ctx, int offset, unsigned long *value)
{
	return bpf_probe_read_kernel(value, sizeof(*value), (void *)ctx + offset);
}

__weak __hidden int bpf_usdt_arg_cnt(struct pt_regs *ctx)
{
	struct __bpf_usdt_spec *spec = ___skep_usdt_spec(ctx);

	return spec ? spec->arg_cnt : -___SKEP_ESRCH;
}

/* Bytes of an argument: 1, 2, 4 or 8. */
static __always_inline int bpf_usdt_arg_size(struct pt_regs *ctx, __u64 arg_num)
{
	int error;
	struct __bpf_usdt_arg_spec *place = ___skep_usdt_place(ctx, arg_num, &error);

	return place ? (unsigned int)(64 - place->arg_bitshift) / 8 : error;
}

__weak __hidden int bpf_usdt_arg(struct pt_regs *ctx, __u64 arg_num, long *res)
{
	unsigned long value = 0, index = 0;
	int error;
	struct __bpf_usdt_arg_spec *place = ___skep_usdt_place(ctx, arg_num, &error);

	*res = 0;
	if (!place)
		return error;
	if (place->arg_type == BPF_USDT_ARG_CONST) {
		value = place->val_off;
	} else {
		if (place->arg_type > BPF_USDT_ARG_SIB)
			return -___SKEP_EINVAL;
		error = ___skep_usdt_register(ctx, place->reg_off, &value);
		if (error)
			return error;
		if (place->arg_type == BPF_USDT_ARG_SIB) {
			error = ___skep_usdt_register(ctx, place->idx_reg_off, &index);
			if (error)
				return error;
			value += index << place->scale_bitshift;
		}
		if (place->arg_type != BPF_USDT_ARG_REG) {
			error = bpf_probe_read_user(&value, sizeof(value), (void *)(value + place->val_off));
			if (error)
				return error;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
			value >>= place->arg_bitshift;
#endif
		}
	}
	/* Eight bytes were read: the argument's are the low ones, extended by its sign. */
	value <<= place->arg_bitshift;
	*res = place->arg_signed ? (long)value >> place->arg_bitshift : (long)(value >> place->arg_bitshift);
	return 0;
}

__weak __hidden long bpf_usdt_cookie(struct pt_regs *ctx)
{
	struct __bpf_usdt_spec *spec = ___skep_usdt_spec(ctx);

	return spec ? spec->usdt_cookie : 0;
}

#define ___skep_usdt_value(number)                                                         \
	({                                                                                  \
		long ___value;                                                              \
		bpf_usdt_arg(ctx, number, &___value);                                       \
		___value;                                                                   \
	})
#define ___skep_usdt0() ctx
#define ___skep_usdt1(a) ctx, ___skep_usdt_value(0)
#define ___skep_usdt2(a, r...) ___skep_usdt1(a), ___skep_usdt_value(1)
#define ___skep_usdt3(a, r...) ___skep_usdt2(a, r), ___skep_usdt_value(2)
#define ___skep_usdt4(a, r...) ___skep_usdt3(a, r), ___skep_usdt_value(3)
#define ___skep_usdt5(a, r...) ___skep_usdt4(a, r), ___skep_usdt_value(4)
#define ___skep_usdt6(a, r...) ___skep_usdt5(a, r), ___skep_usdt_value(5)
#define ___skep_usdt7(a, r...) ___skep_usdt6(a, r), ___skep_usdt_value(6)
#define ___skep_usdt8(a, r...) ___skep_usdt7(a, r), ___skep_usdt_value(7)
#define ___skep_usdt9(a, r...) ___skep_usdt8(a, r), ___skep_usdt_value(8)
#define ___skep_usdt10(a, r...) ___skep_usdt9(a, r), ___skep_usdt_value(9)
#define ___skep_usdt11(a, r...) ___skep_usdt10(a, r), ___skep_usdt_value(10)
#define ___skep_usdt12(a, r...) ___skep_usdt11(a, r), ___skep_usdt_value(11)
#define ___skep_usdt(args...) ___bpf_apply(___skep_usdt, ___bpf_narg(args))(args)
#define BPF_USDT(name, args...) \
	___skep_program(name, struct pt_regs *ctx, ___skep_args(___skep_usdt(args)), struct pt_regs *ctx, ##args)

#endif
