/* Reading fields that CO-RE relocates, and asking what the target has. skep's own text; names and meaning
 * are the field's.
 *
 * A chain a, b, c is read step by step: each step is a statement expression that holds the pointer it
 * starts from, reads one field behind it and yields it:
 *     READ(src, a, b, c)  =  step(step(step(src, a), b), c)
 */
#ifndef __BPF_CORE_READ_H__
#define __BPF_CORE_READ_H__

#include "bpf_helpers.h"

/* Arguments of clang's builtins; the numbers are clang's. */
enum bpf_field_info_kind {
	BPF_FIELD_BYTE_OFFSET = 0,
	BPF_FIELD_BYTE_SIZE = 1,
	BPF_FIELD_EXISTS = 2,
	BPF_FIELD_SIGNED = 3,
	BPF_FIELD_LSHIFT_U64 = 4,
	BPF_FIELD_RSHIFT_U64 = 5,
};
enum bpf_type_id_kind {
	BPF_TYPE_ID_LOCAL = 0,
	BPF_TYPE_ID_TARGET = 1,
};
enum bpf_type_info_kind {
	BPF_TYPE_EXISTS = 0,
	BPF_TYPE_SIZE = 1,
	BPF_TYPE_MATCHES = 2,
};
enum bpf_enum_value_kind {
	BPF_ENUMVAL_EXISTS = 0,
	BPF_ENUMVAL_VALUE = 1,
};

#define __CORE_RELO(src, field, info) __builtin_preserve_field_info((src)->field, BPF_FIELD_##info)

/* --- bitfields --- */

/* The field's integer, wherever the target has it, is read whole; two shifts leave the field. */
#define ___skep_bitfield(s, field, raw)                                                    \
	((__CORE_RELO(s, field, SIGNED))                                                    \
		 ? (unsigned long long)((long long)((raw) << __CORE_RELO(s, field, LSHIFT_U64)) >> \
					__CORE_RELO(s, field, RSHIFT_U64))                  \
		 : ((raw) << __CORE_RELO(s, field, LSHIFT_U64)) >> __CORE_RELO(s, field, RSHIFT_U64))

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ___skep_bitfield_at(val, s, field) ((void *)&(val))
#else
#define ___skep_bitfield_at(val, s, field) ((void *)&(val) + (8 - __CORE_RELO(s, field, BYTE_SIZE)))
#endif

#define BPF_CORE_READ_BITFIELD_PROBED(s, field)                                            \
	({                                                                                  \
		unsigned long long ___val = 0;                                              \
		bpf_probe_read_kernel(___skep_bitfield_at(___val, s, field),                \
				      __CORE_RELO(s, field, BYTE_SIZE),                     \
				      (const void *)(s) + __CORE_RELO(s, field, BYTE_OFFSET)); \
		___skep_bitfield(s, field, ___val);                                         \
	})

/* For pointers that the verifier lets a program read directly. */
#define BPF_CORE_READ_BITFIELD(s, field)                                                   \
	({                                                                                  \
		const void *___p = (const void *)(s) + __CORE_RELO(s, field, BYTE_OFFSET);  \
		unsigned long long ___val;                                                  \
		/* So that the offset is added to the pointer once, before the switch. */   \
		barrier_var(___p);                                                          \
		switch (__CORE_RELO(s, field, BYTE_SIZE)) {                                 \
		case 1: ___val = *(const unsigned char *)___p; break;                       \
		case 2: ___val = *(const unsigned short *)___p; break;                      \
		case 4: ___val = *(const unsigned int *)___p; break;                        \
		case 8: ___val = *(const unsigned long long *)___p; break;                  \
		default: ___val = 0; break;                                                 \
		}                                                                           \
		___skep_bitfield(s, field, ___val);                                         \
	})

#define BPF_CORE_WRITE_BITFIELD(s, field, new_val)                                         \
	({                                                                                  \
		void *___p = (void *)(s) + __CORE_RELO(s, field, BYTE_OFFSET);              \
		unsigned int ___size = __CORE_RELO(s, field, BYTE_SIZE);                    \
		unsigned int ___l = __CORE_RELO(s, field, LSHIFT_U64);                      \
		unsigned int ___r = __CORE_RELO(s, field, RSHIFT_U64);                      \
		unsigned long long ___mask = (~0ULL << ___r) >> ___l;                       \
		unsigned long long ___set = (((unsigned long long)(new_val)) << ___r) >> ___l; \
		switch (___size) {                                                          \
		case 1: *(unsigned char *)___p = (*(unsigned char *)___p & ~___mask) | ___set; break; \
		case 2: *(unsigned short *)___p = (*(unsigned short *)___p & ~___mask) | ___set; break; \
		case 4: *(unsigned int *)___p = (*(unsigned int *)___p & ~___mask) | ___set; break; \
		case 8: *(unsigned long long *)___p = (*(unsigned long long *)___p & ~___mask) | ___set; break; \
		}                                                                           \
	})

/* --- what the target has --- */

/* A field as p->field, or as type, field. */
#define ___bpf_typeof(type) ((typeof(type) *)0)
#define ___skep_field1(field) (field)
#define ___skep_field2(type, field) (___bpf_typeof(type)->field)
#define ___skep_field(args...) ___bpf_apply(___skep_field, ___bpf_narg(args))(args)

#define bpf_core_field_exists(field...) __builtin_preserve_field_info(___skep_field(field), BPF_FIELD_EXISTS)
#define bpf_core_field_size(field...) __builtin_preserve_field_info(___skep_field(field), BPF_FIELD_BYTE_SIZE)
#define bpf_core_field_offset(field...) __builtin_preserve_field_info(___skep_field(field), BPF_FIELD_BYTE_OFFSET)

#define bpf_core_type_id_local(type) __builtin_btf_type_id(*___bpf_typeof(type), BPF_TYPE_ID_LOCAL)
#define bpf_core_type_id_kernel(type) __builtin_btf_type_id(*___bpf_typeof(type), BPF_TYPE_ID_TARGET)
#define bpf_core_type_exists(type) __builtin_preserve_type_info(*___bpf_typeof(type), BPF_TYPE_EXISTS)
#define bpf_core_type_matches(type) __builtin_preserve_type_info(*___bpf_typeof(type), BPF_TYPE_MATCHES)
#define bpf_core_type_size(type) __builtin_preserve_type_info(*___bpf_typeof(type), BPF_TYPE_SIZE)

#define bpf_core_enum_value_exists(enum_type, enum_value) \
	__builtin_preserve_enum_value(*(typeof(enum_type) *)enum_value, BPF_ENUMVAL_EXISTS)
#define bpf_core_enum_value(enum_type, enum_value) \
	__builtin_preserve_enum_value(*(typeof(enum_type) *)enum_value, BPF_ENUMVAL_VALUE)

/* --- reading --- */

#define bpf_core_read(dst, sz, src) \
	bpf_probe_read_kernel(dst, sz, (const void *)__builtin_preserve_access_index(src))
#define bpf_core_read_user(dst, sz, src) \
	bpf_probe_read_user(dst, sz, (const void *)__builtin_preserve_access_index(src))
#define bpf_core_read_str(dst, sz, src) \
	bpf_probe_read_kernel_str(dst, sz, (const void *)__builtin_preserve_access_index(src))
#define bpf_core_read_user_str(dst, sz, src) \
	bpf_probe_read_user_str(dst, sz, (const void *)__builtin_preserve_access_index(src))

extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;
#define bpf_core_cast(ptr, type) ((typeof(type) *)bpf_rdonly_cast((ptr), bpf_core_type_id_kernel(type)))

#if __clang_major__ >= 19 || (defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 14)
#define ___skep_typeof(x) __typeof_unqual__(x)
#else
#define ___skep_typeof(x) typeof(x)
#endif

/* One step: the value of src->field. `src` may be a step itself: it is evaluated before the names here
 * exist. */
#define ___skep_step(read, src, field)                                                     \
	({                                                                                  \
		__auto_type ___skep_p = (src);                                              \
		___skep_typeof(___skep_p->field) ___skep_v;                                 \
		read((void *)&___skep_v, sizeof(___skep_v), &___skep_p->field);             \
		___skep_v;                                                                  \
	})
/* The last step, into the caller's memory; yields the helper's result. */
#define ___skep_last(read, dst, src, field)                                                \
	({                                                                                  \
		__auto_type ___skep_p = (src);                                              \
		read((void *)(dst), sizeof(*(dst)), &___skep_p->field);                     \
	})

#define ___skep_value1(rd, src, a) ___skep_step(rd, src, a)
#define ___skep_value2(rd, src, a, r...) ___skep_value1(rd, ___skep_step(rd, src, a), r)
#define ___skep_value3(rd, src, a, r...) ___skep_value2(rd, ___skep_step(rd, src, a), r)
#define ___skep_value4(rd, src, a, r...) ___skep_value3(rd, ___skep_step(rd, src, a), r)
#define ___skep_value5(rd, src, a, r...) ___skep_value4(rd, ___skep_step(rd, src, a), r)
#define ___skep_value6(rd, src, a, r...) ___skep_value5(rd, ___skep_step(rd, src, a), r)
#define ___skep_value7(rd, src, a, r...) ___skep_value6(rd, ___skep_step(rd, src, a), r)
#define ___skep_value8(rd, src, a, r...) ___skep_value7(rd, ___skep_step(rd, src, a), r)
#define ___skep_value9(rd, src, a, r...) ___skep_value8(rd, ___skep_step(rd, src, a), r)
#define ___skep_value(rd, src, path...) ___bpf_apply(___skep_value, ___bpf_narg(path))(rd, src, path)

#define ___skep_into1(rd, rp, dst, src, a) ___skep_last(rd, dst, src, a)
#define ___skep_into2(rd, rp, dst, src, a, r...) ___skep_into1(rd, rp, dst, ___skep_step(rp, src, a), r)
#define ___skep_into3(rd, rp, dst, src, a, r...) ___skep_into2(rd, rp, dst, ___skep_step(rp, src, a), r)
#define ___skep_into4(rd, rp, dst, src, a, r...) ___skep_into3(rd, rp, dst, ___skep_step(rp, src, a), r)
#define ___skep_into5(rd, rp, dst, src, a, r...) ___skep_into4(rd, rp, dst, ___skep_step(rp, src, a), r)
#define ___skep_into6(rd, rp, dst, src, a, r...) ___skep_into5(rd, rp, dst, ___skep_step(rp, src, a), r)
#define ___skep_into7(rd, rp, dst, src, a, r...) ___skep_into6(rd, rp, dst, ___skep_step(rp, src, a), r)
#define ___skep_into8(rd, rp, dst, src, a, r...) ___skep_into7(rd, rp, dst, ___skep_step(rp, src, a), r)
#define ___skep_into9(rd, rp, dst, src, a, r...) ___skep_into8(rd, rp, dst, ___skep_step(rp, src, a), r)
#define ___skep_into(rd, rp, dst, src, path...) \
	___bpf_apply(___skep_into, ___bpf_narg(path))(rd, rp, dst, src, path)

/* BPF_CORE_READ(task, real_parent, cred, uid.val): up to nine pointers followed. */
#define BPF_CORE_READ(src, a, r...) ___skep_value(bpf_core_read, src, a, ##r)
#define BPF_CORE_READ_USER(src, a, r...) ___skep_value(bpf_core_read_user, src, a, ##r)
#define BPF_PROBE_READ(src, a, r...) ___skep_value(bpf_probe_read_kernel, src, a, ##r)
#define BPF_PROBE_READ_USER(src, a, r...) ___skep_value(bpf_probe_read_user, src, a, ##r)

#define BPF_CORE_READ_INTO(dst, src, a, r...) ___skep_into(bpf_core_read, bpf_core_read, dst, src, a, ##r)
#define BPF_CORE_READ_USER_INTO(dst, src, a, r...) \
	___skep_into(bpf_core_read_user, bpf_core_read_user, dst, src, a, ##r)
#define BPF_PROBE_READ_INTO(dst, src, a, r...) \
	___skep_into(bpf_probe_read_kernel, bpf_probe_read_kernel, dst, src, a, ##r)
#define BPF_PROBE_READ_USER_INTO(dst, src, a, r...) \
	___skep_into(bpf_probe_read_user, bpf_probe_read_user, dst, src, a, ##r)

#define BPF_CORE_READ_STR_INTO(dst, src, a, r...) \
	___skep_into(bpf_core_read_str, bpf_core_read, dst, src, a, ##r)
#define BPF_CORE_READ_USER_STR_INTO(dst, src, a, r...) \
	___skep_into(bpf_core_read_user_str, bpf_core_read_user, dst, src, a, ##r)
#define BPF_PROBE_READ_STR_INTO(dst, src, a, r...) \
	___skep_into(bpf_probe_read_kernel_str, bpf_probe_read_kernel, dst, src, a, ##r)
#define BPF_PROBE_READ_USER_STR_INTO(dst, src, a, r...) \
	___skep_into(bpf_probe_read_user_str, bpf_probe_read_user, dst, src, a, ##r)

#endif
