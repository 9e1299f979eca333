// union bpf_attr, one struct a command: the memory layouts of bpf(2)'s attributes as of Linux 6.18,
// which is newer than any distribution's <linux/bpf.h>. Byte order is the host's; every pointer is
// a u64.
//
// A caller may pass a shorter attribute (the rest reads as 0) or a longer one (whose rest must be
// 0, or the call fails with E2BIG), as bpf(2) has it. All structs are zero by default.
#pragma once

#include <cstdint>

#include "spec/commands.h"

namespace skep::engine {

// bpf(2)'s first argument.
using Cmd = spec::Command;

struct MapCreateAttr {
  uint32_t map_type = 0, key_size = 0, value_size = 0, max_entries = 0, map_flags = 0,
           inner_map_fd = 0, numa_node = 0;
  char map_name[16] = {};
  uint32_t map_ifindex = 0, btf_fd = 0, btf_key_type_id = 0, btf_value_type_id = 0,
           btf_vmlinux_value_type_id = 0;
  uint64_t map_extra = 0;
  int32_t value_type_btf_obj_fd = 0, map_token_fd = 0;
  uint64_t excl_prog_hash = 0;
  uint32_t excl_prog_hash_size = 0, pad = 0;
};
static_assert(sizeof(MapCreateAttr) == 96);

struct MapElemAttr {  // lookup, update, delete, get_next_key, lookup_and_delete, freeze
  uint32_t map_fd = 0, pad = 0;
  uint64_t key = 0;
  uint64_t value = 0;  // or next_key
  uint64_t flags = 0;
};
static_assert(sizeof(MapElemAttr) == 32);

struct MapBatchAttr {
  uint64_t in_batch = 0, out_batch = 0, keys = 0, values = 0;
  uint32_t count = 0, map_fd = 0;
  uint64_t elem_flags = 0, flags = 0;
};
static_assert(sizeof(MapBatchAttr) == 56);

struct ProgLoadAttr {
  uint32_t prog_type = 0, insn_cnt = 0;
  uint64_t insns = 0, license = 0;
  uint32_t log_level = 0, log_size = 0;
  uint64_t log_buf = 0;
  uint32_t kern_version = 0, prog_flags = 0;
  char prog_name[16] = {};
  uint32_t prog_ifindex = 0, expected_attach_type = 0, prog_btf_fd = 0, func_info_rec_size = 0;
  uint64_t func_info = 0;
  uint32_t func_info_cnt = 0, line_info_rec_size = 0;
  uint64_t line_info = 0;
  uint32_t line_info_cnt = 0, attach_btf_id = 0, attach_prog_fd = 0, core_relo_cnt = 0;
  uint64_t fd_array = 0, core_relos = 0;
  uint32_t core_relo_rec_size = 0, log_true_size = 0;
  int32_t prog_token_fd = 0;
  uint32_t fd_array_cnt = 0;
  uint64_t signature = 0;
  uint32_t signature_size = 0;
  int32_t keyring_id = 0;
};
static_assert(sizeof(ProgLoadAttr) == 168);

struct ObjPinAttr {  // pin and get
  uint64_t pathname = 0;
  uint32_t bpf_fd = 0, file_flags = 0;
  int32_t path_fd = 0;
  uint32_t pad = 0;
};
struct ProgAttachAttr {
  uint32_t target_fd = 0, attach_bpf_fd = 0, attach_type = 0, attach_flags = 0, replace_bpf_fd = 0,
           relative_fd = 0;
  uint64_t expected_revision = 0;
};
struct TestRunAttr {
  uint32_t prog_fd = 0, retval = 0, data_size_in = 0, data_size_out = 0;
  uint64_t data_in = 0, data_out = 0;
  uint32_t repeat = 0, duration = 0, ctx_size_in = 0, ctx_size_out = 0;
  uint64_t ctx_in = 0, ctx_out = 0;
  uint32_t flags = 0, cpu = 0, batch_size = 0, pad = 0;
};
static_assert(sizeof(TestRunAttr) == 80);

struct GetIdAttr {
  uint32_t id = 0;  // or start_id
  uint32_t next_id = 0;
  uint32_t open_flags = 0;
  int32_t token_fd = 0;
};
struct ObjInfoAttr {
  uint32_t bpf_fd = 0, info_len = 0;
  uint64_t info = 0;
};
struct ProgQueryAttr {
  uint32_t target_fd = 0, attach_type = 0, query_flags = 0, attach_flags = 0;
  uint64_t prog_ids = 0;
  uint32_t prog_cnt = 0, pad = 0;
  uint64_t prog_attach_flags = 0, link_ids = 0, link_attach_flags = 0, revision = 0;
};
struct RawTracepointAttr {
  uint64_t name = 0;
  uint32_t prog_fd = 0, pad = 0;
  uint64_t cookie = 0;
};
struct BtfLoadAttr {
  uint64_t btf = 0, btf_log_buf = 0;
  uint32_t btf_size = 0, btf_log_size = 0, btf_log_level = 0, btf_log_true_size = 0, btf_flags = 0;
  int32_t btf_token_fd = 0;
};
struct LinkCreateAttr {
  uint32_t prog_fd = 0, target_fd = 0, attach_type = 0, flags = 0;
  union {
    struct {
      uint64_t bpf_cookie;
    } perf_event;
    struct {
      uint64_t iter_info;
      uint32_t iter_info_len;
    } iter;
    struct {
      uint32_t relative_fd, pad;
      uint64_t expected_revision;
    } tcx, cgroup;
    struct {
      uint32_t target_btf_id, pad;
      uint64_t cookie;
    } tracing;
    struct {
      uint32_t pf, hooknum;
      int32_t priority;
      uint32_t flags;
    } netfilter;
    struct {
      uint32_t flags, cnt;
      uint64_t syms, addrs, cookies;
    } kprobe_multi;
    struct {
      uint64_t path, offsets, ref_ctr_offsets, cookies;
      uint32_t cnt, flags, pid;
    } uprobe_multi;
    uint64_t words[6] = {};
  };
};
static_assert(sizeof(LinkCreateAttr) == 64);
struct LinkUpdateAttr {
  uint32_t link_fd = 0, new_prog_fd = 0, flags = 0, old_prog_fd = 0;
};
struct LinkDetachAttr {
  uint32_t link_fd = 0;
};
struct EnableStatsAttr {
  uint32_t type = 0;
};
struct IterCreateAttr {
  uint32_t link_fd = 0, flags = 0;
};
struct ProgBindMapAttr {
  uint32_t prog_fd = 0, map_fd = 0, flags = 0;
};
struct TaskFdQueryAttr {
  uint32_t pid = 0, fd = 0, flags = 0, buf_len = 0;
  uint64_t buf = 0;
  uint32_t prog_id = 0, fd_type = 0;  // BPF_FD_TYPE_*
  uint64_t probe_offset = 0, probe_addr = 0;
};
static_assert(sizeof(TaskFdQueryAttr) == 48);
struct TokenCreateAttr {
  uint32_t flags = 0, bpffs_fd = 0;
};
struct StreamReadAttr {
  uint64_t stream_buf = 0;
  uint32_t stream_buf_len = 0, stream_id = 0, prog_fd = 0;
};

// struct perf_event_attr, as far as attaching needs it.
struct PerfEventAttr {
  uint32_t type = 0, size = 128;
  uint64_t config = 0, sample_period = 0, sample_type = 0, read_format = 0;
  uint64_t bits = 0;  // disabled:1, inherit:1, …
  uint32_t wakeup_events = 0, bp_type = 0;
  uint64_t config1 = 0;  // uprobe: path
  uint64_t config2 = 0;  // uprobe: file offset
  uint64_t branch_sample_type = 0, sample_regs_user = 0;
  uint32_t sample_stack_user = 0;
  int32_t clockid = 0;
  uint64_t sample_regs_intr = 0;
  uint32_t aux_watermark = 0;
  uint16_t sample_max_stack = 0, reserved = 0;
  uint32_t aux_sample_size = 0, aux_action = 0;
  uint64_t sig_data = 0;
};
static_assert(sizeof(PerfEventAttr) == 128);
inline constexpr uint32_t PERF_TYPE_SOFTWARE = 1, PERF_TYPE_TRACEPOINT = 2;
inline constexpr uint64_t PERF_COUNT_SW_BPF_OUTPUT = 10;

// struct bpf_prog_info, to jited_func_lens and beyond as 6.18 has it.
struct ProgInfo {
  uint32_t type = 0, id = 0;
  uint8_t tag[8] = {};
  uint32_t jited_prog_len = 0, xlated_prog_len = 0;
  uint64_t jited_prog_insns = 0, xlated_prog_insns = 0, load_time = 0;
  uint32_t created_by_uid = 0, nr_map_ids = 0;
  uint64_t map_ids = 0;
  char name[16] = {};
  uint32_t ifindex = 0, gpl_compatible = 0;
  uint64_t netns_dev = 0, netns_ino = 0;
  uint32_t nr_jited_ksyms = 0, nr_jited_func_lens = 0;
  uint64_t jited_ksyms = 0, jited_func_lens = 0;
  uint32_t btf_id = 0, func_info_rec_size = 0;
  uint64_t func_info = 0;
  uint32_t nr_func_info = 0, nr_line_info = 0;
  uint64_t line_info = 0, jited_line_info = 0;
  uint32_t nr_jited_line_info = 0, line_info_rec_size = 0, jited_line_info_rec_size = 0,
           nr_prog_tags = 0;
  uint64_t prog_tags = 0, run_time_ns = 0, run_cnt = 0, recursion_misses = 0;
  uint32_t verified_insns = 0, attach_btf_obj_id = 0, attach_btf_id = 0, pad = 0;
};
static_assert(sizeof(ProgInfo) == 232);

struct MapInfo {
  uint32_t type = 0, id = 0, key_size = 0, value_size = 0, max_entries = 0, map_flags = 0;
  char name[16] = {};
  uint32_t ifindex = 0, btf_vmlinux_value_type_id = 0;
  uint64_t netns_dev = 0, netns_ino = 0;
  uint32_t btf_id = 0, btf_key_type_id = 0, btf_value_type_id = 0, btf_vmlinux_id = 0;
  uint64_t map_extra = 0;
  uint64_t hash = 0;
  uint32_t hash_size = 0, pad = 0;
};
static_assert(sizeof(MapInfo) == 104);

struct BtfInfo {
  uint64_t btf = 0;
  uint32_t btf_size = 0, id = 0;
  uint64_t name = 0;
  uint32_t name_len = 0, kernel_btf = 0;
};
static_assert(sizeof(BtfInfo) == 32);

struct LinkInfo {
  uint32_t type = 0, id = 0, prog_id = 0, pad = 0;
  union {
    struct {
      uint64_t tp_name;
      uint32_t tp_name_len, pad;
      uint64_t cookie;
    } raw_tracepoint;
    struct {
      uint32_t attach_type, target_obj_id, target_btf_id;
    } tracing;
    struct {
      uint64_t cgroup_id;
      uint32_t attach_type;
    } cgroup;
    struct {
      uint64_t target_name;
      uint32_t target_name_len, map_id;
    } iter;
    struct {
      uint32_t type, pad;
      uint64_t name;
      uint32_t name_len, offset;
      uint64_t cookie, ref_ctr_offset;
    } perf_event;
    struct {
      uint32_t type, pad;
      uint64_t func_name;
      uint32_t name_len, offset;
      uint64_t addr, missed;
      uint64_t cookie;
    } kprobe;  // with perf_event's type
    struct {
      uint64_t path, offsets, ref_ctr_offsets, cookies;
      uint32_t path_size, count, flags, pid;
    } uprobe_multi;
    uint64_t words[6] = {};
  };
};

}  // namespace skep::engine
