// The tnum operations that are formulas without branches, for any type of word: tnum.cc takes uint64_t, and a test
// gives them to an SMT solver, which proves them for all words of 64 bits at once. The arguments for them stand in tnum.cc.
#pragma once

namespace skep::verifier {

template <class Word>
struct TristateWord {
  Word value, mask;
};

template <class Word>
TristateWord<Word> tristate_add(const TristateWord<Word>& a, const TristateWord<Word>& b) {
  const Word least = a.value + b.value;
  const Word most = least + a.mask + b.mask;
  const Word unknown = (least ^ most) | a.mask | b.mask;
  return {least & ~unknown, unknown};
}

template <class Word>
TristateWord<Word> tristate_sub(const TristateWord<Word>& a, const TristateWord<Word>& b) {
  const Word difference = a.value - b.value;
  const Word most = difference + a.mask;
  const Word least = difference - b.mask;
  const Word unknown = (most ^ least) | a.mask | b.mask;
  return {difference & ~unknown, unknown};
}

template <class Word>
TristateWord<Word> tristate_and(const TristateWord<Word>& a, const TristateWord<Word>& b) {
  const Word ones = a.value & b.value;
  return {ones, (a.value | a.mask) & (b.value | b.mask) & ~ones};
}

template <class Word>
TristateWord<Word> tristate_or(const TristateWord<Word>& a, const TristateWord<Word>& b) {
  const Word ones = a.value | b.value;
  return {ones, (a.mask | b.mask) & ~ones};
}

template <class Word>
TristateWord<Word> tristate_xor(const TristateWord<Word>& a, const TristateWord<Word>& b) {
  const Word unknown = a.mask | b.mask;
  return {(a.value ^ b.value) & ~unknown, unknown};
}

}  // namespace skep::verifier
