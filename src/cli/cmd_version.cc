// skep version
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <sys/utsname.h>

#include "cli/command.h"

namespace skep::cli {

void add_version(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand("version", "Print skep's version and what it was built for");
  auto json = std::make_shared<bool>(false);
  app->add_flag("--json", *json, "Print one JSON object");
  app->callback([&chosen, json] {
    chosen.run = [json] {
      utsname host{};
      ::uname(&host);
      if (*json) {
        print(nlohmann::json{{"version", SKEP_VERSION},
                             {"host_kernel", host.release},
                             {"machine", host.machine}}
                  .dump() +
              "\n");
      } else {
        print(fmt::format("skep {}\nhost kernel {} ({})\n", SKEP_VERSION, host.release,
                          host.machine));
      }
      return kOk;
    };
  });
}

}  // namespace skep::cli
