// What programs reach in a value through calls only: locks, timers, kptrs, lists, trees. Found by the verifier's
// room in BTF, put down here for the side that copies and frees values. In the control segment: only the
// controlling process writes it. Freestanding.
#pragma once

#include <cstddef>
#include <cstdint>

namespace skep {

enum class FieldKind : uint32_t {
  none,
  spin_lock,
  res_spin_lock,
  timer,
  workqueue,
  list_head,
  rb_root,
  list_node,
  rb_node,
  refcount,
  kptr,       // an object of the heap, or one of the engine's
  untrusted,  // a pointer that nothing owns
};

struct ValueField {
  FieldKind kind;
  uint32_t offset;       // bytes, in the value or object
  uint32_t size;         // bytes
  uint32_t node_offset;  // list_head, rb_root: of the node in what they hold
};

struct ValueFields {
  static constexpr uint32_t kMost = 11;  // the kernel's BTF_FIELDS_MAX
  uint32_t count;
  uint32_t reserved;
  ValueField fields[kMost];  // by offset, apart
};

// What bpf_obj_new makes. In the control segment.
struct ObjectType {
  uint32_t magic;   // kObjectTypeMagic
  uint32_t size;    // bytes of one
  uint32_t slots;   // 0, or copies: bpf_percpu_obj_new
  uint32_t btf_id;  // of the BTF object that says more; 0: the engine's own
  ValueFields fields;
};
inline constexpr uint32_t kObjectTypeMagic = 0x65707974;  // "type"

// The engine's own types, at hive::Root::kEngineTypes.
struct EngineTypes {
  ObjectType cpumask, task;
};

// ProgHeader::object_types: the types that a program may make.
struct ObjectTypes {
  struct Row {
    uint64_t type;  // ObjectType
    uint32_t type_id;
    uint32_t percpu;
  };
  uint32_t count;
  uint32_t reserved;
  Row rows[];
};

}  // namespace skep
