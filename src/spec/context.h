// Contexts: what a program's r1 points to, field by field. The verifier checks loads and stores
// against these rows and converts loads of pointers; the engines fill the structs of
// context_layout.h. Rows in context.cc.
//
// A pointer whose UAPI field has 32 bits (__sk_buff.data, xdp_md.data …) is a 32-bit handle in name
// only: `hidden` is the offset, behind the UAPI struct, of the 64-bit pointer that a load of it
// must become. Pointers that have 64 bits in the UAPI stay where they are; so do all other fields.
#pragma once

#include <span>
#include <string_view>

#include "spec/types.h"

namespace skep::spec {

// What a loaded field is, to the verifier.
enum class PointerKind : uint8_t {
  none,  // a number
  packet,
  packet_end,
  packet_meta,
  flow_keys,
  socket,
  socket_or_null,
  sock_common_or_null,
  tp_buffer,  // writable raw tracepoint: arg 0
  btf_id,     // ContextField::btf_type
};

struct ContextField {
  std::string_view name;
  uint16_t offset = 0, size = 0;  // bytes, of the UAPI struct
  uint8_t min_read = 0;           // smallest aligned read; == size: whole only
  bool narrow_at_start = false;   // narrower reads only at its first byte
  bool any_within = false;        // any aligned access that stays inside (cb)
  uint8_t wide_read = 0;          // a read of so many bytes at its start is allowed too (dst_port)
  bool wide_pair = false;  // 8 bytes may be read and written where 8-aligned (u32[4] addresses)
  PointerKind pointer = PointerKind::none;
  uint16_t hidden = 0;  // where the 64-bit pointer lies; 0: at `offset` itself
  ProgTypeSet readers = 0, writers = 0;
  AttachTypeSet attach_types = 0;  // with these expected attach types only; 0: any
  AttachTypeSet write_attach_types =
      0;  // the same for writes, where it is narrower; 0: as attach_types
  std::string_view btf_type{};
};

enum class ContextRule : uint8_t {
  fields,     // only what the rows allow
  bytes,      // any naturally aligned access in [min_offset, size)
  unaligned,  // any access in it (syscall programs)
  arguments,  // 8-byte arguments by index, typed by BTF where there is one (raw_tp, fentry, …)
  none,       // no context that can be read
};

struct ContextRow {
  ProgType type{};
  std::string_view name;  // "struct __sk_buff"
  ContextRule rule{};
  uint32_t min_offset = 0;
  uint32_t size = 0;         // bytes, of the UAPI struct
  uint32_t engine_size = 0;  // with the hidden pointers: what an engine must allocate
  bool writable = false;     // bytes: stores too
  std::span<const ContextField>
      fields{};  // of the UAPI struct, by offset; those of all its program types
};

[[nodiscard]] std::span<const ContextRow> contexts();  // by program type
[[nodiscard]] const ContextRow* find_context(ProgType type);

// Fields of the structs that programs reach through pointers from a context: bpf_sock,
// bpf_tcp_sock, bpf_xdp_sock, bpf_flow_keys. readers is all ones there.
enum class PointedStruct : uint8_t {
  bpf_sock,
  bpf_sock_common,
  bpf_tcp_sock,
  bpf_xdp_sock,
  bpf_flow_keys
};
struct PointedRow {
  PointedStruct which{};
  std::string_view name;
  uint32_t size = 0;
  bool writable = false;     // flow_keys
  bool any_aligned = false;  // every aligned access within (flow_keys)
  std::span<const ContextField> fields{};
};
[[nodiscard]] const PointedRow& pointed_struct(PointedStruct which);

enum class ContextDenial : uint8_t {
  none,
  outside,  // no such offset
  misaligned,
  no_field,  // padding, or a field that this program type may not touch
  read_only,
  size,           // field there, access too narrow, too wide, or across its end
  attach_type,    // not with this expected attach type
  sign_extended,  // a pointer loaded with sign extension
};
struct ContextAccess {
  ContextDenial denial = ContextDenial::none;
  const ContextField* field = nullptr;  // null with rules other than `fields`
};
// May a program of this kind access `size` bytes at `offset` of its context?
[[nodiscard]] ContextAccess check_context_access(ProgType type, AttachType expected, int64_t offset,
                                                 unsigned size, bool write,
                                                 bool sign_extended = false);
// The same for a struct reached by a pointer.
[[nodiscard]] ContextAccess check_pointed_access(PointedStruct which, int64_t offset, unsigned size,
                                                 bool write);
[[nodiscard]] std::string_view denial_text(ContextDenial denial);

}  // namespace skep::spec
