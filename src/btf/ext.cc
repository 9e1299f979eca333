// .BTF.ext:
//   header: magic, version, flags, hdr_len, func_info off/len, line_info off/len, [core_relo
//   off/len] each part: record size u32, then for each section: | name_off u32 | count u32 | count
//   records |
#include "btf/ext.h"

#include <algorithm>

namespace skep::btf {

namespace {

struct Part {
  const char* name;
  uint32_t least;  // bytes of a record that we know; a newer compiler's may be longer
};

// Calls take(section name, reader, offset of a record) for each record.
template <class Take>
Result<> each_record(ByteSpan part, bool swap, const Part& what, const Btf& btf, Take take) {
  Reader reader(part, swap);
  const auto size = reader.at<uint32_t>(0);
  if (!size) return fail(EINVAL, "{}: cut off", what.name);
  if (*size < what.least || *size % 4 != 0)
    return fail(EINVAL, "{}: expected records of at least {} bytes, found {}", what.name,
                what.least, *size);
  for (size_t at = 4; at < part.size();) {
    const auto name = reader.at<uint32_t>(at), count = reader.at<uint32_t>(at + 4);
    if (!name || !count) return fail(EINVAL, "{}: cut off at offset {}", what.name, at);
    if (!btf.has_string(*name))
      return fail(EINVAL, "{}: section name at offset {} does not exist", what.name, *name);
    if (*count == 0)
      return fail(EINVAL, "{}: section {} has no records", what.name, btf.string(*name));
    at += 8;
    if ((part.size() - at) / *size < *count)
      return fail(EINVAL, "{}: section {}: {} records of {} bytes do not fit the {} bytes left",
                  what.name, btf.string(*name), *count, *size, part.size() - at);
    for (uint32_t i = 0; i < *count; ++i, at += *size)
      SKEP_CHECK(take(btf.string(*name), reader, at));
  }
  return {};
}

}  // namespace

Result<std::vector<ExtSection>> parse_btf_ext(ByteSpan bytes, const Btf& btf) {
  const auto magic = Reader(bytes).at<uint16_t>(0);
  if (!magic || bytes.size() < 24)
    return fail(EINVAL, ".BTF.ext: expected a header of 24 bytes, found {}", bytes.size());
  const bool swap = *magic == 0x9feb;
  if (*magic != 0xeb9f && !swap)
    return fail(EINVAL, ".BTF.ext: expected magic 0xeb9f, found 0x{:04x}", *magic);
  Reader reader(bytes, swap);
  const uint32_t header_size = *reader.at<uint32_t>(4);
  if (header_size < 24 || header_size > bytes.size())
    return fail(EINVAL, ".BTF.ext: header size {} is not within 24 and {}", header_size,
                bytes.size());

  std::vector<ExtSection> sections;
  auto section = [&](std::string_view name) -> ExtSection& {
    auto found = std::ranges::find(sections, name, &ExtSection::name);
    if (found != sections.end()) return *found;
    auto& added = sections.emplace_back();
    added.name = name;
    return added;
  };
  auto part = [&](size_t field) -> Result<ByteSpan> {
    if (field + 8 > header_size) return ByteSpan();
    const uint32_t offset = *reader.at<uint32_t>(field), size = *reader.at<uint32_t>(field + 4);
    if (size == 0) return ByteSpan();
    auto slice = Reader(bytes.subspan(header_size)).slice(offset, size);
    if (!slice)
      return fail(EINVAL, "{} bytes at offset {} do not lie within the section", size, offset);
    return *slice;
  };
  auto read = [&](size_t field, const Part& what, auto take) -> Result<> {
    SKEP_TRY(records, part(field));
    if (records.empty()) return {};
    return each_record(records, swap, what, btf, take);
  };
  // The last section found, since records of one come in a row.
  auto functions = read(
      8, {"func_info", 8}, [&](std::string_view name, const Reader& in, size_t at) -> Result<> {
        section(name).functions.push_back({*in.at<uint32_t>(at), *in.at<uint32_t>(at + 4)});
        return {};
      });
  if (!functions) return fail(functions, ".BTF.ext");
  auto lines = read(16, {"line_info", 16},
                    [&](std::string_view name, const Reader& in, size_t at) -> Result<> {
                      const ExtLine line{*in.at<uint32_t>(at), *in.at<uint32_t>(at + 4),
                                         *in.at<uint32_t>(at + 8), *in.at<uint32_t>(at + 12)};
                      if (!btf.has_string(line.file_name_off) || !btf.has_string(line.line_off))
                        return fail(EINVAL, "line_info: a text at offset {} or {} does not exist",
                                    line.file_name_off, line.line_off);
                      section(name).lines.push_back(line);
                      return {};
                    });
  if (!lines) return fail(lines, ".BTF.ext");
  auto relocations = read(
      24, {"core_relo", 16}, [&](std::string_view name, const Reader& in, size_t at) -> Result<> {
        const ExtCore core{*in.at<uint32_t>(at), *in.at<uint32_t>(at + 4), *in.at<uint32_t>(at + 8),
                           *in.at<uint32_t>(at + 12)};
        if (!btf.has_string(core.accessor_off))
          return fail(EINVAL, "core_relo: an accessor at offset {} does not exist",
                      core.accessor_off);
        section(name).relocations.push_back(core);
        return {};
      });
  if (!relocations) return fail(relocations, ".BTF.ext");
  return sections;
}

std::vector<std::byte> write_btf_ext(std::span<const ExtSection> sections,
                                     const std::function<uint32_t(std::string_view)>& add_string) {
  std::vector<uint32_t> body;
  struct Range {
    uint32_t offset, size;
  };
  auto part = [&](uint32_t record_size, auto records_of, auto put) -> Range {
    const auto start = static_cast<uint32_t>(body.size() * 4);
    body.push_back(record_size);
    for (const ExtSection& section : sections) {
      const auto& records = records_of(section);
      if (records.empty()) continue;
      body.push_back(add_string(section.name));
      body.push_back(static_cast<uint32_t>(records.size()));
      for (const auto& record : records) put(record);
    }
    const auto size = static_cast<uint32_t>(body.size() * 4) - start;
    if (size > 4) return {start, size};
    body.pop_back();  // no records at all
    return {start, 0};
  };
  auto put = [&](std::initializer_list<uint32_t> words) { body.insert(body.end(), words); };
  const Range functions = part(
      8, [](const ExtSection& s) -> const auto& { return s.functions; },
      [&](const ExtFunc& r) { put({r.offset, r.type}); });
  const Range lines = part(
      16, [](const ExtSection& s) -> const auto& { return s.lines; },
      [&](const ExtLine& r) { put({r.offset, r.file_name_off, r.line_off, r.line_col}); });
  const Range cores = part(
      16, [](const ExtSection& s) -> const auto& { return s.relocations; },
      [&](const ExtCore& r) { put({r.offset, r.type, r.accessor_off, r.kind}); });
  const uint32_t header[] = {0x0001eb9f,   32,         functions.offset, functions.size,
                             lines.offset, lines.size, cores.offset,     cores.size};
  std::vector<std::byte> bytes(sizeof header + body.size() * 4);
  std::memcpy(bytes.data(), header, sizeof header);
  if (!body.empty()) std::memcpy(bytes.data() + sizeof header, body.data(), body.size() * 4);
  return bytes;
}

}  // namespace skep::btf
