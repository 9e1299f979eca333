// skep man: the manual page, made from the commands themselves, in man(7)'s macros.
#include <CLI/CLI.hpp>

#include "cli/command.h"

namespace skep::cli {
namespace {

// Text as troff takes it: no line begins a request, hyphens stay hyphens.
std::string escaped(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    line_start = c == '\n';
  }
  return out;
}

// "-v, --verbose" or "-o, --output TEXT", as --help shows it.
std::string option_label(const CLI::Option& option) {
  std::string names;
  for (const std::string& name : option.get_snames()) names += (names.empty() ? "-" : ", -") + name;
  for (const std::string& name : option.get_lnames())
    names += (names.empty() ? "--" : ", --") + name;
  if (names.empty()) return {};
  std::string label = "\\fB" + escaped(names) + "\\fR";
  if (option.get_type_size() != 0) label += " \\fI" + escaped(option.get_type_name()) + "\\fR";
  return label;
}

std::string synopsis_of(const CLI::App& app, const std::string& path) {
  std::string line = ".B " + escaped(path) + "\n";
  line += "[\\fIoptions\\fR]";
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) continue;
    line += option->get_required() ? fmt::format(" \\fI{}\\fR", escaped(option->get_name(true)))
                                   : fmt::format(" [\\fI{}\\fR]", escaped(option->get_name(true)));
  }
  if (app.get_name() == "run") line += " [\\-\\- \\fICOMMAND\\fR ...]";
  return line + "\n";
}

void describe(const CLI::App& app, const std::string& path, std::string& page) {
  auto under = app.get_subcommands([](const CLI::App*) { return true; });
  if (!under.empty()) {
    for (const CLI::App* sub : under) describe(*sub, path + " " + sub->get_name(), page);
    return;
  }
  page += ".SS " + escaped(path) + "\n" + escaped(app.get_description()) + ".\n.PP\n";
  page += synopsis_of(app, path);
  for (const CLI::Option* option : app.get_options()) {
    std::string label = option_label(*option);
    if (option->get_positional() && label.empty()) {
      label = "\\fI" + escaped(option->get_name(true)) + "\\fR";
    }
    if (label.empty()) continue;
    page += ".TP\n" + label + "\n" + escaped(option->get_description());
    if (!option->get_default_str().empty())
      page += escaped(fmt::format(" (default {})", option->get_default_str()));
    page += "\n";
  }
}

constexpr std::string_view kOpening = R"(.SH DESCRIPTION
.B skep
is the whole of eBPF in one command: it compiles, verifies, runs and observes eBPF programs. The
.I user engine
needs no root and no kernel support: it runs programs inside the processes that
.B skep run
starts. The
.I kernel engine
is Linux's own
.BR bpf (2).
.PP
.I FILE
is C source (.bpf.c, compiled by clang 19 and cached), an object (.bpf.o), BPF assembly (.bpf.s) or a
package of these (.skep.json).
The
.B const volatile
globals of an object are options of
.BR "skep run" ;
.B skep run FILE \-\-help
lists them with type, default and comment.
.SH COMMANDS
)";

constexpr std::string_view kClosing = R"(.SH EXIT STATUS
.B skep run
passes COMMAND's own status on (128 + n where signal n ended it). Otherwise:
.TP
0
done
.TP
1
done, and the answer is no
.TP
64
the command line is wrong
.TP
65
a file's content is wrong: C that does not compile, a damaged object, an unknown section
.TP
66
a file can't be read
.TP
67
the verifier rejected a program
.TP
69
not available on this machine or engine
.TP
70
a bug of skep's
.TP
71
out of memory, space or descriptors
.TP
126
COMMAND can't be traced: static, set-user-id, not executable
.TP
127
there is no such COMMAND
.SH ENVIRONMENT
.TP
.B XDG_CACHE_HOME
where compiled objects are kept (skep/ below it; default ~/.cache)
.TP
.B XDG_RUNTIME_DIR
where running sessions are found (skep/ below it)
.TP
.B NO_COLOR
no colour, whatever its value
.SH EXAMPLES
.nf
skep run opensnoop.bpf.c \-\- ls \-l /usr
skep run funclatency.bpf.c \-\-function libc.so.6:malloc \-\- python3 \-c 'print(1)'
skep verify \-\-kernel 5.10 tool.bpf.o
skep package tool.bpf.c && skep run tool.skep.json \-\- ls
skep exec filter.bpf.s \-\-data packets.pcap
.fi
.SH SEE ALSO
.BR bpf (2),
.BR clang (1),
.BR strace (1)
)";

std::string man_page(const CLI::App& root) {
  std::string page = ".\\\" Made by `skep man` from the commands themselves.\n";
  page += ".TH SKEP 1 \"\" \"skep " SKEP_VERSION "\" \"User Commands\"\n";
  page += ".SH NAME\nskep \\- write, verify, run and observe eBPF programs\n.SH SYNOPSIS\n";
  for (const CLI::App* sub : root.get_subcommands([](const CLI::App*) { return true; })) {
    page += ".B skep " + escaped(sub->get_name()) + "\n[\\fIoptions\\fR] ...\n.br\n";
  }
  page += kOpening;
  for (const CLI::App* sub : root.get_subcommands([](const CLI::App*) { return true; }))
    describe(*sub, "skep " + sub->get_name(), page);
  page += kClosing;
  return page;
}

}  // namespace

void add_man(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand("man", "Print the manual page: skep man | man -l -");
  app->callback([&chosen, &root] {
    chosen.run = [&root] {
      print(man_page(root));
      return kOk;
    };
  });
}

}  // namespace skep::cli
