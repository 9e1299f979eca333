// What can be known of C source without a compiler: its words, its includes, its comments. A scanner of tokens,
// not a parser: too many words only make vmlinux.h longer.
#include "cc/source.h"

#include <algorithm>
#include <cctype>

namespace skep::cc {

namespace {

bool starts_word(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Where the literal or comment that begins at `at` ends; `at` itself where none begins there.
size_t skip_opaque(std::string_view source, size_t at) {
  const char c = source[at];
  if (c == '/' && at + 1 < source.size() && source[at + 1] == '/')
    return std::min(source.find('\n', at), source.size());
  if (c == '/' && at + 1 < source.size() && source[at + 1] == '*') {
    const size_t end = source.find("*/", at + 2);
    return end == std::string_view::npos ? source.size() : end + 2;
  }
  if (c != '"' && c != '\'') return at;
  for (size_t i = at + 1; i < source.size() && source[i] != '\n'; ++i) {
    if (source[i] == '\\')
      ++i;
    else if (source[i] == c)
      return i + 1;
  }
  return at + 1;
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// The name that a declaration of a variable declares: the word before its = [ ; or attribute.
std::string_view declared_name(std::string_view line) {
  line = line.substr(0, line.find_first_of("=[;"));
  line = line.substr(0, std::min({line.find(" SEC("), line.find("__attribute__"),
                                  line.find("__help("), line.size()}));
  line = trimmed(line);
  size_t begin = line.size();
  while (begin > 0 && in_word(line[begin - 1])) --begin;
  return line.substr(begin);
}

}  // namespace

std::vector<std::string> identifiers(std::string_view source) {
  std::vector<std::string> words;
  for (size_t at = 0; at < source.size();) {
    if (const size_t end = skip_opaque(source, at); end != at) {
      at = end;
    } else if (starts_word(source[at])) {
      size_t end_word = at;
      while (end_word < source.size() && in_word(source[end_word])) ++end_word;
      words.emplace_back(source.substr(at, end_word - at));
      at = end_word;
    } else if (std::isdigit(static_cast<unsigned char>(source[at])) != 0) {
      while (at < source.size() && (in_word(source[at]) || source[at] == '.')) ++at;
    } else {
      ++at;
    }
  }
  std::ranges::sort(words);
  words.erase(std::ranges::unique(words).begin(), words.end());
  return words;
}

std::vector<Include> includes(std::string_view source) {
  std::vector<Include> found;
  while (!source.empty()) {
    std::string_view line = source.substr(0, source.find('\n'));
    source.remove_prefix(std::min(line.size() + 1, source.size()));
    line = trimmed(line);
    if (!line.starts_with('#')) continue;
    line = trimmed(line.substr(1));
    if (!line.starts_with("include")) continue;
    line = trimmed(line.substr(7));
    if (line.size() < 2 || (line[0] != '"' && line[0] != '<')) continue;
    const size_t end = line.find(line[0] == '"' ? '"' : '>', 1);
    if (end != std::string_view::npos)
      found.push_back({std::string(line.substr(1, end - 1)), line[0] == '"'});
  }
  return found;
}

std::vector<std::pair<std::string, std::string>> variable_comments(std::string_view source) {
  std::vector<std::pair<std::string, std::string>> comments;
  std::string above;
  bool in_struct = false;  // that may be a map's, with `above` before it
  bool described = false;  // the file
  while (!source.empty()) {
    std::string_view line = source.substr(0, source.find('\n'));
    source.remove_prefix(std::min(line.size() + 1, source.size()));
    const bool at_margin = !line.starts_with(' ') && !line.starts_with('\t');
    line = trimmed(line);
    if (in_struct) {
      // The members end at a brace in the first column, as every formatter has it, or on the struct's own line.
      if (!at_margin || !line.starts_with('}')) continue;
      in_struct = false;
      if (line.find("SEC(\".maps\")") != std::string_view::npos)
        comments.emplace_back(declared_name(line), std::move(above));
      above.clear();
      continue;
    }
    if (line.starts_with("///") && !line.starts_with("///<")) {
      if (!above.empty()) above += ' ';
      above += trimmed(line.substr(3));
      continue;
    }
    if (line.starts_with("//") && !above.empty()) continue;  // a remark between comment and global
    const size_t behind = line.find("///<");
    const std::string_view code = line.substr(0, behind);
    const bool is_map = line.starts_with("struct") && line.find('{') != std::string_view::npos;
    if (is_map && line.find('}') == std::string_view::npos) {
      in_struct = !above.empty();
      continue;
    }
    const bool is_option = line.find("const ") != std::string_view::npos &&
                           line.find("volatile ") != std::string_view::npos;
    const bool is_declared =
        above.find("@cmdarg") != std::string::npos && line.find(';') != std::string_view::npos;
    const bool is_global =
        is_option || is_declared || (is_map && line.find("SEC(\".maps\")") != line.npos);
    std::string text =
        behind != std::string_view::npos ? std::string(trimmed(line.substr(behind + 4))) : above;
    if (is_global) {
      const std::string_view name = declared_name(is_map ? code.substr(code.rfind('}') + 1) : code);
      if (!name.empty() && !text.empty()) comments.emplace_back(name, std::move(text));
    } else if (!described && above.starts_with("@description")) {
      comments.emplace_back("", std::move(above));
      described = true;
    }
    above.clear();
  }
  return comments;
}

}  // namespace skep::cc
