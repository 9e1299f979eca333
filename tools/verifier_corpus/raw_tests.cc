#include "case.h"
namespace skep::corpus {
Result<std::vector<Case>> read_raw_cases(const std::string& path,
                                         std::span<const std::shared_ptr<const btf::Btf>>) {
  return fail(ENOTSUP, "{}", path);
}
}  // namespace skep::corpus
