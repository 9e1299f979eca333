#include <zlib.h>

#include <algorithm>

#include "base/sha256.h"
#include "isa/assembler.h"
#include "object/assembled.h"
#include "package/base64.h"
#include "package/json_fields.h"
#include "package/package.h"

namespace skep::package {
namespace {

using nlohmann::json;

constexpr size_t kMostRows = 4096;
constexpr std::string_view kEncoding = "zlib+base64";

std::string hex_digest(ByteSpan bytes) {
  std::string text;
  for (uint8_t byte : sha256(bytes)) text += fmt::format("{:02x}", byte);
  return text;
}

std::vector<std::byte> deflated(ByteSpan bytes) {
  uLongf size = ::compressBound(bytes.size());
  std::vector<std::byte> out(size);
  // Fails only where there is no memory, which operator new has said already, or no room: there is.
  ::compress2(reinterpret_cast<Bytef*>(out.data()), &size,
              reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), Z_BEST_COMPRESSION);
  out.resize(size);
  return out;
}

// Never more than `size` bytes of memory, whatever the data would unpack to.
Result<std::vector<std::byte>> inflated(ByteSpan data, size_t size) {
  // zlib makes at most 1032 bytes of one: a size beyond that is refused before memory is taken for it.
  if (size / 1032 > data.size())
    return fail(EINVAL, "{} bytes of data can't be an object of {}", data.size(), size);
  std::vector<std::byte> out(size);
  uLongf out_size = size;
  uLong in_size = data.size();
  const int result = ::uncompress2(reinterpret_cast<Bytef*>(out.data()), &out_size,
                                   reinterpret_cast<const Bytef*>(data.data()), &in_size);
  if (result == Z_MEM_ERROR) return fail(ENOMEM, "no memory to unpack the object");
  if (result == Z_BUF_ERROR && out_size == size)
    return fail(EINVAL, "the object's data unpacks to more than the {} bytes that it says", size);
  if (result != Z_OK) return fail(EINVAL, "the object's data is damaged");
  if (out_size != size)
    return fail(EINVAL, "the object's data unpacks to {} bytes, it says {}", out_size, size);
  if (in_size != data.size())
    return fail(EINVAL, "{} bytes stand behind the object's data", data.size() - in_size);
  return out;
}

Result<std::vector<std::string>> read_names(const Fields& fields, std::string_view name) {
  std::vector<std::string> names;
  SKEP_TRY(items, fields.array(name, kMostRows));
  for (const json& item : items) {
    if (!item.is_string())
      return fail(EINVAL, "needs: \"{}\": expected text, found {}", name, item.type_name());
    names.push_back(item.get<std::string>());
  }
  return names;
}

// A row's annotation is read as a comment's is: one set of rules.
std::string part_of(const json& row, std::initializer_list<const char*> names) {
  json part = json::object();
  for (const char* name : names)
    if (row.contains(name)) part[name] = row[name];
  return json_text(part, -1);
}

Result<> read_rows(const Fields& top, Package& package) {
  SKEP_TRY(options, top.array("options", kMostRows));
  for (size_t i = 0; i < options.size(); ++i) {
    const std::string where = fmt::format("options[{}]", i);
    SKEP_TRY(fields, Fields::of(options[i], where));
    OptionRow row;
    SKEP_TRY(variable, fields.text("variable", ""));
    if (variable.empty()) return fail(EINVAL, "{}: there is no \"variable\"", where);
    row.variable = variable;
    SKEP_TRY(type, fields.text("type", ""));
    row.type = type;
    SKEP_TRY(value, fields.value_text("default"));
    row.default_text = value.value_or("");
    SKEP_TRY(help, fields.text("help", ""));
    row.help = help;
    SKEP_TRY(declared, fields.truth("declared", false));
    row.declared = declared;
    auto argument = parse_annotations("@cmdarg " + part_of(options[i], {"long", "short"}));
    if (!argument) return fail(argument, "{}", where);
    row.argument = *argument->argument;
    package.options.push_back(std::move(row));
  }
  SKEP_TRY(samples, top.array("samples", kMostRows));
  for (size_t i = 0; i < samples.size(); ++i) {
    const std::string where = fmt::format("samples[{}]", i);
    SKEP_TRY(fields, Fields::of(samples[i], where));
    SKEP_TRY(map, fields.text("map", ""));
    auto sample = parse_annotations("@sample " +
                                    part_of(samples[i], {"interval", "type", "unit", "clear_map"}));
    if (!sample) return fail(sample, "{}", where);
    package.samples.push_back({map, *sample->sample});
  }
  SKEP_TRY(exports, top.array("exports", kMostRows));
  for (size_t i = 0; i < exports.size(); ++i) {
    SKEP_TRY(fields, Fields::of(exports[i], fmt::format("exports[{}]", i)));
    SKEP_TRY(map, fields.text("map", ""));
    SKEP_TRY(type, fields.text("type", ""));
    package.exports.push_back({map, type});
  }
  return {};
}

Result<> read_object(const Fields& fields, Package& package) {
  SKEP_TRY(format, fields.text("format", ""));
  if (format != "elf" && format != "assembly")
    return fail(EINVAL, "object: \"format\": expected elf or assembly, found \"{}\"", format);
  package.format = format == "elf" ? Format::elf : Format::assembly;
  SKEP_TRY(encoding, fields.text("encoding", ""));
  if (encoding != kEncoding)
    return fail(EINVAL, "object: \"encoding\": expected {}, found \"{}\"", kEncoding, encoding);
  SKEP_TRY(section, fields.text("section", ""));
  package.section = section;
  if (!fields.has("size")) return fail(EINVAL, "object: there is no \"size\"");
  SKEP_TRY(size, fields.number("size", 0, 0, kLargestObject));
  SKEP_TRY(digest, fields.text("sha256", ""));
  SKEP_TRY(text, fields.text("data", ""));
  auto data = from_base64(text);
  if (!data) return fail(data, "object: \"data\"");
  SKEP_TRY(bytes, inflated(*data, size));
  if (hex_digest(bytes) != digest)
    return fail(EINVAL, "the object is damaged: its sha256 is {}, \"{}\" was expected",
                hex_digest(bytes), digest);
  package.object = std::move(bytes);
  return {};
}

json option_json(const OptionRow& row) {
  json value{{"variable", row.variable}};
  if (!row.type.empty()) value["type"] = row.type;
  if (!row.default_text.empty()) value["default"] = row.default_text;
  if (!row.argument.long_name.empty()) value["long"] = row.argument.long_name;
  if (row.argument.short_name != 0) value["short"] = std::string(1, row.argument.short_name);
  if (!row.help.empty()) value["help"] = row.help;
  if (row.declared) value["declared"] = true;
  return value;
}

}  // namespace

std::string write(const Package& package) {
  nlohmann::ordered_json out;
  out["skep_package"] = kVersion;
  out["name"] = package.name;
  if (!package.description.empty()) out["description"] = package.description;
  out["license"] = package.license;
  out["needs"] = json{{"program_types", package.program_types},
                      {"map_types", package.map_types},
                      {"sections", package.sections}};
  json options = json::array(), samples = json::array(), exports = json::array();
  for (const OptionRow& row : package.options) options.push_back(option_json(row));
  for (const SampleRow& row : package.samples)
    samples.push_back({{"map", row.map},
                       {"interval", row.sample.interval_ms},
                       {"type", sample_kind_name(row.sample.kind)},
                       {"unit", row.sample.unit},
                       {"clear_map", row.sample.clear}});
  for (const ExportRow& row : package.exports) {
    json value{{"map", row.map}};
    if (!row.type.empty()) value["type"] = row.type;
    exports.push_back(std::move(value));
  }
  out["options"] = options;
  out["samples"] = samples;
  out["exports"] = exports;
  nlohmann::ordered_json object;
  object["format"] = package.format == Format::elf ? "elf" : "assembly";
  if (!package.section.empty()) object["section"] = package.section;
  object["encoding"] = kEncoding;
  object["size"] = package.object.size();
  object["sha256"] = hex_digest(package.object);
  object["data"] = to_base64(deflated(package.object));
  out["object"] = std::move(object);
  return out.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

bool looks_like_package(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  return begin != std::string_view::npos && text[begin] == '{';
}

Result<Package> read(std::string_view text) {
  if (text.size() > kLargestFile)
    return fail(EFBIG, "a file of {} bytes: a package has {} at most", text.size(), kLargestFile);
  SKEP_TRY(parsed, parse_json(text));
  SKEP_TRY(top, Fields::of(parsed, "the package"));
  if (!top.has("skep_package"))
    return fail(EINVAL, "JSON, but not a package: there is no \"skep_package\"");
  SKEP_TRY(version, top.number("skep_package", 0, 0, UINT32_MAX));
  if (version != kVersion)
    return std::unexpected(
        Error(EINVAL,
              fmt::format("a package of version {}; this skep reads version {}", version, kVersion))
            .with_hint(version > kVersion ? "a newer skep reads it" : ""));
  Package package;
  SKEP_TRY(name, top.text("name", ""));
  SKEP_TRY(description, top.text("description", ""));
  SKEP_TRY(license, top.text("license", ""));
  package.name = name;
  package.description = description;
  package.license = license;
  if (top.has("needs")) {
    SKEP_TRY(needs, top.object("needs"));
    SKEP_TRY(programs, read_names(needs, "program_types"));
    SKEP_TRY(maps, read_names(needs, "map_types"));
    SKEP_TRY(sections, read_names(needs, "sections"));
    package.program_types = programs;
    package.map_types = maps;
    package.sections = sections;
  }
  SKEP_CHECK(read_rows(top, package));
  SKEP_TRY(object, top.object("object"));
  SKEP_CHECK(read_object(object, package));
  return package;
}

Result<object::Object> open(const Package& package, std::string_view name) {
  auto opened = package.format == Format::elf
                    ? object::open_object(package.object, name)
                    : object::open_assembly({reinterpret_cast<const char*>(package.object.data()),
                                             package.object.size()},
                                            name, package.section);
  if (!opened) return opened;
  object::Object& object = *opened;
  for (const OptionRow& row : package.options) {
    if (object.find_variable(row.variable) == nullptr)
      return fail(EINVAL, "{}: its object has no variable {}", name, row.variable);
    if (!row.default_text.empty()) {
      auto set = object.set_variable(row.variable, std::string_view(row.default_text));
      if (!set) return fail(set, "{}: option {}", name, row.variable);
    }
    Annotations said;
    said.help = row.help;
    if (row.declared) said.argument = row.argument;
    if (said.argument) said.argument->default_text.reset();  // it is set already
    object.set_comment(row.variable, to_comment(said));
  }
  auto has_map = [&](const std::string& map) { return object.find_map(map).has_value(); };
  for (const object::MapSpec& map : object.maps()) {
    Annotations said;
    for (const SampleRow& row : package.samples)
      if (row.map == map.name) said.sample = row.sample;
    for (const ExportRow& row : package.exports)
      if (row.map == map.name && !row.type.empty()) said.exported = row.type;
    object.set_comment(map.name, to_comment(said));
  }
  for (const SampleRow& row : package.samples)
    if (!has_map(row.map)) return fail(EINVAL, "{}: its object has no map {}", name, row.map);
  for (const ExportRow& row : package.exports)
    if (!has_map(row.map)) return fail(EINVAL, "{}: its object has no map {}", name, row.map);
  return opened;
}

}  // namespace skep::package
