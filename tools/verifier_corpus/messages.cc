// Whether a log says what a case expects, in the order in which it does.
#include <regex.h>

#include <cstring>

#include "case.h"

namespace skep::corpus {

namespace {

// Everything outside {{ }} stands for itself.
std::string pattern_of(std::string_view text) {
  std::string out;
  bool literal = true;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    if (literal && rest.starts_with("{{")) {
      out += '(';
      literal = false;
      ++i;
    } else if (!literal && rest.starts_with("}}")) {
      out += ')';
      literal = true;
      ++i;
    } else {
      if (literal && std::strchr("^$\\.*+?()[]{}|", text[i]) != nullptr) out += '\\';
      out += text[i];
    }
  }
  return out;
}

// Where the message ends in the log behind `from`; npos: it is not there.
size_t find_message(const std::string& log, size_t from, const std::string& text) {
  if (text.find("{{") == std::string::npos) {
    const size_t at = log.find(text, from);
    return at == std::string::npos ? at : at + text.size();
  }
  regex_t compiled;
  if (regcomp(&compiled, pattern_of(text).c_str(), REG_EXTENDED | REG_NEWLINE) != 0)
    return std::string::npos;
  regmatch_t match;
  const int found = regexec(&compiled, log.c_str() + from, 1, &match, 0);
  regfree(&compiled);
  return found == 0 ? from + static_cast<size_t>(match.rm_eo) : std::string::npos;
}

}  // namespace

std::vector<std::string> missing_messages(const std::string& log,
                                          const std::vector<Message>& messages) {
  std::vector<std::string> missing;
  size_t at = 0;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].unwanted) {
      // Not before the next wanted one.
      size_t end = log.size();
      for (size_t j = i + 1; j < messages.size(); ++j) {
        if (messages[j].unwanted) continue;
        end = std::min(end, find_message(log, at, messages[j].text));
        break;
      }
      if (find_message(log.substr(at, end - at), 0, messages[i].text) != std::string::npos)
        missing.push_back("not: " + messages[i].text);
      continue;
    }
    const size_t end = find_message(log, at, messages[i].text);
    if (end == std::string::npos) {
      missing.push_back(messages[i].text);
    } else {
      at = end;
    }
  }
  return missing;
}

}  // namespace skep::corpus
