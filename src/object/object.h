// Object: an eBPF object file, opened: what it declares (maps, programs, variables), and its
// programs relocated on demand. A pure function of the file's bytes: the same on every host.
//
//   auto object = object::open_object(bytes, "opensnoop.bpf.o");     // ELF, checked whole
//   object->set_variable("min_us", "100");                           // const volatile globals
//   object->resolve_kconfig(...);                                    // only where it has .kconfig
//   externs for (const MapSpec& map : object->maps()) ...                    // create them: index
//   = number in insns auto program = object->program(i, target);                       // a Program
//   for the verifier
//
// In a Program from here every map is BPF_PSEUDO_MAP_IDX or _MAP_IDX_VALUE with the index into
// maps(); Program::maps holds a descriptor of each (without id and addresses), in the same order.
// Its type and attach type are the loader's to set, from the section's name.
//
// Not thread-safe where not const. An Object owns all that it returns.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "btf/btf.h"
#include "btf/core.h"
#include "object/program.h"
#include "spec/types.h"

namespace skep::object {

enum class Pinning : uint8_t { None = 0, ByName = 1 };  // LIBBPF_PIN_*

// What a map is, as BPF_MAP_CREATE needs it, and what it starts with.
struct MapSpec {
  std::string name;  // the variable's; a globals map's is its section: ".rodata"
  MapType type{};
  uint32_t key_size = 0, value_size = 0,
           max_entries = 0;  // max_entries 0: the loader's choice (rings, per CPU)
  uint32_t map_flags = 0;
  uint32_t numa_node = 0;  // counts where map_flags has BPF_F_NUMA_NODE
  uint64_t map_extra = 0;
  Pinning pinning = Pinning::None;
  // In object.btf(); 0: none. A globals map's value type is its DATASEC.
  btf::TypeId key_type = 0, value_type = 0;
  // The .maps variable's struct type or the DATASEC itself; 0 for assembled objects.
  btf::TypeId definition = 0;

  // A section of globals: an ARRAY of one element whose first content is this, value_size bytes.
  bool is_globals = false;
  std::vector<std::byte> content;
  // .rodata and .kconfig: created with BPF_F_RDONLY_PROG, to be frozen once filled.
  bool freeze = false;

  // Maps of maps: what their maps look like; prog arrays and they: elements set at the start.
  std::shared_ptr<const MapSpec> inner;
  struct Element {
    uint32_t key = 0;  // index; of a struct_ops map: byte offset of the function pointer
    bool is_program = false;
    uint32_t index = 0;  // into programs() or maps()
  };
  std::vector<Element> elements;
  // struct_ops: the name of the kernel's struct, and whether it came from .struct_ops.link.
  std::string struct_ops_type;
  bool struct_ops_link = false;
  std::string comment;  // as VariableSpec::comment
};

struct ProgramSpec {
  std::string name;         // of the function
  std::string section;      // what SEC() says, verbatim ("?tp/…" with its ?)
  uint32_t insn_count = 0;  // of the function alone
};

// A global variable in a map. Those that are const volatile are options until the object is loaded.
struct VariableSpec {
  std::string name;
  std::string section;
  uint32_t map = 0;     // index into maps()
  uint32_t offset = 0;  // bytes, into the map's content
  uint32_t size = 0;
  btf::TypeId type = 0;      // without the VAR; 0 where the object has no BTF
  bool is_constant = false;  // lies in .rodata*
  bool is_static = false;
  // Of its btf_decl_tags ("help: …", "cmdarg: {…}", "sample: {…}", "export: {…}"), or set by who compiled it;
  // package/annotations.h reads it.
  std::string comment;
};

// What .kconfig externs resolve to.
struct KconfigValues {
  uint32_t kernel_version = 0;  // LINUX_KERNEL_VERSION: (major << 16) + (minor << 8) + patch
  bool has_bpf_cookie = true;
  bool has_syscall_wrapper = true;
  // The text behind "CONFIG_X=" in the kernel's configuration: y, m, 1000, "text"; none: not set.
  std::function<std::optional<std::string>(std::string_view name)> config;
};

// What the programs are relocated against.
struct Target {
  // The kernel's (or user engine's) BTF, then its modules'. CO-RE and typed ksyms look here.
  std::span<const std::shared_ptr<const btf::Btf>> btfs;
  // Address of a kernel symbol, for untyped ksyms; none: there is none.
  std::function<std::optional<uint64_t>(std::string_view name)> symbol;
};

class Object {
 public:
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& license() const { return license_; }  // "" where there is none
  [[nodiscard]] uint32_t kern_version() const { return kern_version_; }
  // None where it was compiled without -g, or assembled.
  [[nodiscard]] const std::shared_ptr<const btf::Btf>& btf() const { return btf_; }
  [[nodiscard]] bool was_big_endian() const { return big_endian_; }

  [[nodiscard]] std::span<const MapSpec> maps() const { return maps_; }
  [[nodiscard]] std::span<const ProgramSpec> programs() const { return programs_; }
  [[nodiscard]] std::span<const VariableSpec> variables() const { return variables_; }
  [[nodiscard]] std::optional<uint32_t> find_map(std::string_view name) const;
  [[nodiscard]] std::optional<uint32_t> find_program(std::string_view name) const;
  [[nodiscard]] const VariableSpec* find_variable(std::string_view name) const;

  // Changes what maps start with, before they are created. `text` is read by the variable's type:
  // numbers (decimal, 0x, 0b, 0o), true and false, enumerators, text for char arrays. EINVAL says
  // what was expected.
  Result<> set_variable(std::string_view name, std::string_view text);
  Result<> set_variable(std::string_view name, ByteSpan bytes);  // exactly its size
  // Its present value, as text that set_variable takes; "" for types that have none.
  [[nodiscard]] std::string variable_text(const VariableSpec& variable) const;
  Result<> resize_map(uint32_t map, uint32_t max_entries);
  // What a section of globals starts with, to be written to; empty for other maps. Valid as long as this object.
  [[nodiscard]] std::span<std::byte> initial_value(uint32_t map);
  void set_comment(std::string_view variable_or_map, std::string comment);

  // All CO-RE relocations, section by section; views into btf().
  [[nodiscard]] std::vector<btf::CoreRelocation> core_relocations() const;

  // Whether relocating looks into a target: it has CO-RE relocations or .ksyms.
  [[nodiscard]] bool needs_target() const;
  [[nodiscard]] bool has_kconfig() const { return !kconfig_.empty(); }
  // ENOENT where a strong extern has no value.
  Result<> resolve_kconfig(const KconfigValues& values);

  // The program with the subprograms that it calls behind it, all relocated. CO-RE relocations that
  // fail are poisoned and told in Program::core_failures. Errors name section, function and insn.
  [[nodiscard]] Result<Program> program(uint32_t index, const Target& target = {}) const;

 private:
  friend class ElfOpener;
  friend class ObjectBuilder;

  enum class RelocKind : uint8_t { Map, MapValue, Call, Function, Kconfig, Ksym };
  struct Reloc {
    uint32_t insn = 0;  // in its section
    RelocKind kind{};
    uint32_t index = 0;   // map, function, kconfig extern, ksym
    uint32_t addend = 0;  // MapValue: offset into the value
  };
  struct Core {
    uint32_t insn = 0;
    btf::TypeId type = 0;
    uint32_t accessor_off = 0;
    uint32_t kind = 0;
  };
  struct Code {  // a section with instructions; all lists sorted by insn
    std::string name;
    std::vector<Insn> insns;
    std::vector<Reloc> relocs;
    std::vector<FuncInfo> functions;
    std::vector<LineInfo> lines;
    std::vector<Core> cores;
  };
  struct Function {
    std::string name;
    uint32_t code = 0;  // index into code_
    uint32_t start = 0, end = 0;
    bool is_global = false;
  };
  struct Kconfig {
    std::string name;
    uint32_t map = 0, offset = 0, size = 0;
    btf::TypeId type = 0;
    bool weak = false;
  };
  struct Ksym {
    std::string name;
    btf::TypeId type = 0;  // of the VAR or FUNC; void for untyped ones
    bool weak = false;
    bool is_function = false;
  };
  class Linker;

  std::string name_, license_;
  uint32_t kern_version_ = 0;
  bool big_endian_ = false;
  std::shared_ptr<const btf::Btf> btf_;
  std::vector<MapSpec> maps_;
  std::vector<ProgramSpec> programs_;
  std::vector<uint32_t> program_functions_;  // of programs_[i], in functions_
  std::vector<VariableSpec> variables_;
  std::vector<Code> code_;
  std::vector<Function> functions_;
  std::vector<Kconfig> kconfig_;
  std::vector<Ksym> ksyms_;
};

// Opens ELF64 EM_BPF of either byte order (instructions and BTF come out in this machine's). `name`
// is for messages. Any other or damaged file is one EINVAL (ENOEXEC: not an eBPF object at all)
// that says what was expected and what was found where.
[[nodiscard]] Result<Object> open_object(ByteSpan elf, std::string_view name);

[[nodiscard]] MapDescriptor describe_map(const MapSpec& map,
                                         const std::shared_ptr<const btf::Btf>& btf);

// What stands for an instruction whose CO-RE relocation failed, and for a call of a weak function
// that does not exist: a call of these helpers, which no verifier lets pass. libbpf's numbers.
inline constexpr int32_t kPoisonedCore = 0x0bad2310;
inline constexpr int32_t kPoisonedKfunc = 2002000000;

}  // namespace skep::object
