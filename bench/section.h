// docs/benchmarks.md has a section for each bench, between two markers; a bench rewrites its own.
#pragma once

#include <fmt/format.h>

#include <fstream>
#include <sstream>
#include <string>

namespace skep::bench {

inline void write_section(const std::string& path, const std::string& name,
                          const std::string& title, const std::string& text) {
  const std::string begin_mark = fmt::format("<!-- bench {}: begin -->\n", name);
  const std::string end_mark = fmt::format("<!-- bench {}: end -->\n", name);
  std::string page;
  {
    std::ifstream in(path);
    std::stringstream all;
    all << in.rdbuf();
    page = all.str();
  }
  if (page.empty())
    page = "# Benchmarks\n\nWritten by `./dev bench`; ratios of one run on one machine.\n";
  size_t begin = page.find(begin_mark), end = page.find(end_mark);
  if (begin == std::string::npos || end == std::string::npos) {
    page += fmt::format("\n## {}\n\n{}{}", title, begin_mark, end_mark);
    begin = page.find(begin_mark), end = page.find(end_mark);
  }
  begin += begin_mark.size();
  page.replace(begin, end - begin, text);
  std::ofstream(path) << page;
}

}  // namespace skep::bench
