// Text that is safe to show: data comes from traced programs, and must not write escape sequences.
#pragma once

#include <string>
#include <string_view>

namespace skep::report {

// Control characters (C0, DEL, C1), bytes that are not UTF-8 and characters that turn the direction of text become
// \n, \t, \xNN; a backslash becomes two. All else stays.
[[nodiscard]] std::string escape(std::string_view text);

// Columns that `text` takes: characters, not bytes (combining and wide characters count one).
[[nodiscard]] size_t display_width(std::string_view text);
[[nodiscard]] std::string pad_left(std::string_view text, size_t width);
[[nodiscard]] std::string pad_right(std::string_view text, size_t width);

}  // namespace skep::report
