#include "cli/btf_source.h"

#include "base/fd.h"
#include "btf/user_engine/user_engine.h"
#include "cli/input.h"
#include "object/elf.h"
#include "object/object.h"

namespace skep::cli {

namespace {

constexpr std::string_view kKernelBtf = "/sys/kernel/btf/";

bool is_bare(ByteSpan bytes) {
  constexpr uint16_t kMagic = 0xeb9f;
  if (bytes.size() < 2) return false;
  const auto magic = load<uint16_t>(bytes.data());
  return magic == kMagic || magic == std::byteswap(kMagic);
}

}  // namespace

std::expected<std::shared_ptr<const btf::Btf>, Failure> open_btf(
    const std::string& source, const std::shared_ptr<const btf::Btf>& given_base) {
  if (source == "user") return btf::user_engine_btf();
  std::string path = source;
  if (source == "kernel") path = std::string(kKernelBtf) + "vmlinux";
  if (source.starts_with("kernel:")) path = std::string(kKernelBtf) + source.substr(7);
  std::shared_ptr<const btf::Btf> base = given_base;
  if (!base && path.starts_with(kKernelBtf) && path != std::string(kKernelBtf) + "vmlinux") {
    auto vmlinux = open_btf("kernel");
    if (!vmlinux) return vmlinux;
    base = *vmlinux;
  }
  auto bytes = read_file(path);
  if (!bytes) return failure(exit_for(bytes.error(), kNoInput), bytes.error());
  if (is_bare(*bytes)) {
    auto keep = std::make_shared<std::vector<std::byte>>(std::move(*bytes));
    auto parsed = btf::Btf::parse_in_place(*keep, keep, base);
    if (!parsed && !base)
      return failure(kBadInput,
                     Error(parsed.error())
                         .within(path)
                         .with_hint("if it is split BTF, of a module, name what it is on: --base"));
    if (!parsed) return failure(kBadInput, Error(parsed.error()).within(path));
    return *parsed;
  }
  // An object that is not linked yet can't be opened; its types can be read all the same.
  if (auto elf = object::read_elf(*bytes)) {
    const object::ElfSection* section = elf->find(".BTF");
    if (section == nullptr)
      return failure(kBadInput,
                     Error(ENOENT, path + ": it has no BTF").with_hint("compile it with -g"));
    if (auto object = object::open_object(*bytes, path); object && object->btf())
      return object->btf();
    auto parsed = btf::Btf::parse(section->data);
    if (!parsed) return failure(kBadInput, Error(parsed.error()).within(path));
    return *parsed;
  }
  auto object = open_input(path);
  if (!object) return std::unexpected(object.error());
  if (!(*object)->btf()) {
    return failure(kBadInput,
                   Error(ENOENT, path + ": it has no BTF").with_hint("compile it with -g"));
  }
  return (*object)->btf();
}

}  // namespace skep::cli
