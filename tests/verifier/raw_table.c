/* A table as test_verifier's, for tests of the reader of such tables: tools/verifier_corpus/raw_tests.cc. */
#define ADD_TO(REG, VALUE) BPF_ALU64_IMM(BPF_ADD, BPF_REG_ ## REG, VALUE)
#define RETURN(WHAT, RESULT)					\
{								\
	"returns " #WHAT,					\
	.insns = {						\
	BPF_MOV64_REG(BPF_REG_0, WHAT),				\
	BPF_EXIT_INSN(),					\
	},							\
	.result = ACCEPT,					\
	.result_unpriv = RESULT,				\
}

{
	"a number and more (to it)",
	.insns = {
	BPF_MOV64_IMM(BPF_REG_0, (1 << 4) | 2),
	ADD_TO(0, -(3 * 2)),
	BPF_EXIT_INSN(),
	},
	.result = ACCEPT,
	.retval = 12,
},
RETURN(BPF_REG_1, REJECT),
{
	"a map is looked up and its value not checked",
	.insns = {
	BPF_ST_MEM(BPF_DW, BPF_REG_10, -8, 0),
	BPF_MOV64_REG(BPF_REG_2, BPF_REG_10),
	ADD_TO(2, -8),
	BPF_LD_MAP_FD(BPF_REG_1, 0),
	BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
	BPF_LDX_MEM(BPF_DW, BPF_REG_0, BPF_REG_0, 0),
	BPF_EXIT_INSN(),
	},
	.fixup_map_hash_8b = { 3 },
	.result = REJECT,
	.errstr = "R0 invalid mem access"
		  " 'map_value_or_null'",
	.prog_type = BPF_PROG_TYPE_XDP,
},
{
	"two lines are expected of an accepted one",
	.insns = {
	BPF_LD_IMM64(BPF_REG_0, 0x100000002ll),
	BPF_EXIT_INSN(),
	},
	.result = VERBOSE_ACCEPT,
	.errstr = "R0=0x100000002\tprocessed 2 insns",
	.prog_type = BPF_PROG_TYPE_SCHED_CLS,
},
