#include "loader/internal.h"
#include "spec/lookup.h"

namespace skep::loader {

Result<ProgramKind> classify_section(std::string_view name) {
  auto parsed = spec::parse_section_name(name);
  if (!parsed) {
    std::string_view bare = name.substr(name.starts_with('?') ? 1 : 0);
    std::string_view close = spec::closest_name(bare.substr(0, bare.find('/')), spec::sections(),
                                                &spec::Section::prefix);
    Error error(EINVAL, fmt::format("SEC(\"{}\") is no section that a program can be in", name));
    if (close.empty()) {
      return std::unexpected(std::move(error).with_hint("docs/reference/sections.md lists them"));
    }
    return std::unexpected(std::move(error).with_hint(fmt::format("did you mean \"{}\"?", close)));
  }
  const spec::Section& section = *parsed->section;
  ProgramKind kind;
  kind.type = section.prog_type;
  kind.expected_attach_type = section.attach_type;
  kind.has_attach_type = section.has_attach_type;
  kind.sleepable = section.sleepable;
  kind.autoload = parsed->autoload;
  kind.section = section.prefix;
  kind.target = parsed->target;
  return kind;
}

std::expected<Loader, LoadError> Loader::load(engine::Engine& engine,
                                              std::unique_ptr<object::Object> object,
                                              const LoadOptions& options) {
  Loader loader;
  loader.engine_ = &engine;
  loader.options_ = options;
  loader.object_ = std::move(object);
  const std::string& file = loader.object_->name();
  for (const std::string& wanted : options.only) {
    if (!loader.object_->find_program(wanted)) {
      return std::unexpected(
          LoadError{Error(ENOENT, fmt::format("{}: no program \"{}\"", file, wanted)), {}});
    }
  }
  if (auto resolved = loader.resolve_kconfig(); !resolved) {
    return std::unexpected(LoadError{Error(resolved.error()).within(file), {}});
  }
  if (auto made = loader.create_maps(); !made) {
    return std::unexpected(LoadError{Error(made.error()).within(file), {}});
  }
  loader.programs_.resize(loader.object_->programs().size());
  for (size_t i = 0; i < loader.programs_.size(); ++i) {
    if (auto loaded = loader.load_program(i, options); !loaded) {
      LoadError error = std::move(loaded.error());
      error.error.within(file);
      return std::unexpected(std::move(error));
    }
  }
  // Prog arrays and maps of maps that start with something in them.
  for (size_t i = 0; i < loader.maps_.size(); ++i) {
    if (auto filled = loader.fill_map(i); !filled) {
      return std::unexpected(LoadError{Error(filled.error()).within(file), {}});
    }
  }
  return loader;
}

}  // namespace skep::loader
