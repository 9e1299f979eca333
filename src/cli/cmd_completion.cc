// skep completion bash: a completion script made from the commands themselves.
#include <CLI/CLI.hpp>

#include "cli/command.h"

namespace skep::cli {
namespace {

// The words that can follow a command: its subcommands and its options.
std::string words_of(const CLI::App& app) {
  std::string words;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    words += sub->get_name() + " ";
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words += "--" + name + " ";
  }
  if (!words.empty()) words.pop_back();
  return words;
}

void cases_of(const CLI::App& app, const std::string& path, std::string& text) {
  text += fmt::format("    \"{}\") words=\"{}\" ;;\n", path, words_of(app));
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    cases_of(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), text);
  }
}

std::string bash_script(const CLI::App& root) {
  std::string cases;
  cases_of(root, "", cases);
  return R"(# bash completion for skep; load it with: source <(skep completion bash)
_skep() {
  local current=${COMP_WORDS[COMP_CWORD]} path="" word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [ "$word" = -- ]; then
      # What follows is COMMAND and its own arguments.
      COMPREPLY=($(compgen -c -f -- "$current"))
      return
    fi
    case "$path $word" in
)" +
         [&] {
           std::string known;
           for (const CLI::App* sub : root.get_subcommands([](const CLI::App*) { return true; })) {
             known +=
                 fmt::format("      \" {}\") path=\"{}\" ;;\n", sub->get_name(), sub->get_name());
             for (const CLI::App* under :
                  sub->get_subcommands([](const CLI::App*) { return true; })) {
               known += fmt::format("      \"{0} {1}\") path=\"{0} {1}\" ;;\n", sub->get_name(),
                                    under->get_name());
             }
           }
           return known;
         }() +
         R"(    esac
  done
  local words=""
  case "$path" in
)" + cases +
         R"(  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ ${#COMPREPLY[@]} -eq 0 ] || [[ $current != -* && -n $path ]]; then
    COMPREPLY+=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _skep skep
)";
}

}  // namespace

void add_completion(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand("completion",
                                  "Print a completion script: source <(skep completion bash)");
  auto shell = std::make_shared<std::string>();
  app->add_option("SHELL", *shell, "bash")->required()->check(CLI::IsMember({"bash"}));
  app->callback([&chosen, &root, shell] {  // which the option writes to
    chosen.run = [&root] {
      print(bash_script(root));
      return kOk;
    };
  });
}

}  // namespace skep::cli
