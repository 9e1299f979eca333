// skep version
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <sys/utsname.h>

#include "cli/command.h"
#include "vm/jit/jit.h"
#include "vm/jit/optimiser.h"

namespace skep::cli {

void add_version(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand("version", "Print skep's version and what it was built for");
  auto json = std::make_shared<bool>(false);
  app->add_flag("--json", *json, "Print one JSON object");
  app->callback([&chosen, json] {
    chosen.run = [json] {
      utsname host{};
      ::uname(&host);
      const std::string machine(jit::machine());
      const auto optimiser = jit::optimiser_target();
      if (*json) {
        print(nlohmann::json{
                  {"version", SKEP_VERSION},
                  {"host_kernel", host.release},
                  {"machine", host.machine},
                  {"jit", machine.empty() ? nlohmann::json() : nlohmann::json(machine)},
                  {"optimising_tier", optimiser ? nlohmann::json(*optimiser) : nlohmann::json()}}
                  .dump() +
              "\n");
      } else {
        print(fmt::format("skep {}\nhost kernel {} ({})\nnative code {}\noptimising tier {}\n",
                          SKEP_VERSION, host.release, host.machine,
                          machine.empty() ? "none: programs are interpreted" : machine,
                          optimiser ? *optimiser : "not there: " + optimiser.error().text()));
      }
      return kOk;
    };
  });
}

}  // namespace skep::cli
