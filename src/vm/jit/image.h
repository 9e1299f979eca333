// Image: native code that has no place yet, as the optimising tier makes it and its cache keeps it.
//
//   bytes:  | instructions … | traps | constants … |      position-independent but for `relocations`
//
// place() gives it a place: copies it into code memory, fills in the addresses that the program may know (maps,
// the helper table) and appends the fault table, so that the result is NativeCode as the fast tier's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "vm/jit/jit.h"

namespace skep::jit {

// What is written at a relocation, plus its addend.
enum class ImageAddress : uint8_t {
  map = 0,           // 8 bytes: MapHeader of maps()[index]
  map_values = 1,    // 8 bytes: MapDescriptor::value_address of maps()[index]
  array_values = 2,  // 8 bytes: MapHeader::values of maps()[index]
  out_of_fuel = 3,   // 8 bytes: JitOptions::out_of_fuel
  helper_table = 4,  // 8 bytes: JitOptions::helper_table
  helper = 5,        // 4 bytes, relative to their own address: the table's element `index`
  kfunc = 6,         // likewise
  hash_buckets = 7,  // 8 bytes: of HashGeometry, of maps()[index], a hash
  hash_elements = 8,
  hash_seed = 9,
};
[[nodiscard]] constexpr bool is_of_map(ImageAddress what) {
  return what <= ImageAddress::array_values || what >= ImageAddress::hash_buckets;
}

struct ImageRelocation {
  uint32_t at = 0;
  ImageAddress what{};
  uint32_t index = 0;
  int32_t addend = 0;
};

struct Image {
  std::vector<std::byte> bytes;
  uint32_t code_size = 0;  // bytes of instructions, from the start
  uint32_t entry = 0;      // offsets
  uint32_t tail_entry = 0;
  std::vector<ImageRelocation> relocations;
  std::vector<FaultEntry> faults;
  std::vector<CodeLine> lines;
};

// EINVAL where the image is not consistent in itself or with the program. Thread-safe.
[[nodiscard]] Result<NativeCode> place(const Image& image, const VerifiedProgram& program,
                                       const JitOptions& options, CodeMemory& memory);

// As bytes, and back. Any bytes may be given: EINVAL where they are no image.
[[nodiscard]] std::vector<std::byte> encode(const Image& image);
[[nodiscard]] Result<Image> decode_image(ByteSpan bytes);

// The extensions of this CPU that optimised code may use, as LLVM names them: ",+bmi,+bmi2".
[[nodiscard]] const std::string& optimiser_features();

// All that decides what code a program becomes, as bytes to hash: instructions, facts, subprograms, what the code
// generator reads of maps (addresses are not of it) and of the options; `cpu` names the target.
[[nodiscard]] std::vector<std::byte> identity(const VerifiedProgram& program,
                                              const JitOptions& options, std::string_view cpu);

}  // namespace skep::jit
