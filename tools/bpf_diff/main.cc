// bpf-diff: random sequences of bpf(2) calls and program runs on the user engine and in the running kernel. Return
// values, errno, values, contents at the end and object information must agree; the first sequence that does not is
// printed with its seed.
//
//   bpf_diff [--seed N] [--sequences N] [--seconds N]
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "engine/kernel/kernel_engine.h"
#include "engine/user/user_engine.h"
#include "isa/builder.h"

namespace {

using namespace skep;
using namespace skep::engine;
using namespace skep::isa::macros;

uint64_t address(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

struct MapKind {
  uint32_t type, key_size, flags;
  bool ordered;  // GET_NEXT_KEY's order is the type's, not the hash function's
};
constexpr MapKind kKinds[] = {{1, 4, 0, false},   // HASH
                              {1, 4, 1, false},   // HASH, BPF_F_NO_PREALLOC
                              {2, 4, 0, true},    // ARRAY
                              {11, 8, 1, true},   // LPM_TRIE
                              {22, 0, 0, true},   // QUEUE
                              {23, 0, 0, true}};  // STACK

class Sequence {
 public:
  Sequence(Engine& engine, uint64_t seed) : engine_(engine), random_(seed) {}
  ~Sequence() {
    for (int fd : fds_) engine_.close(fd);
  }
  // What the engine answered, one number or value a step; `text` tells the steps.
  std::vector<int64_t> run(std::vector<std::string>* text) {
    text_ = text;
    kind_ = kKinds[pick(std::size(kKinds))];
    entries_ = 1 + static_cast<uint32_t>(pick(6));
    value_size_ = 4 << pick(3);
    MapCreateAttr create;
    create.map_type = kind_.type;
    create.key_size = kind_.key_size;
    create.value_size = value_size_;
    create.max_entries = entries_;
    create.map_flags = kind_.flags | (pick(20) == 0 ? BPF_F_RDONLY : 0);
    map_ = open(engine_.call(Cmd::BPF_MAP_CREATE, create), "MAP_CREATE type {} entries {} value {}",
                kind_.type, entries_, value_size_);
    const int steps = 4 + static_cast<int>(pick(24));
    for (int i = 0; i < steps; ++i) step();
    contents();
    return std::move(answers_);
  }

 private:
  uint64_t pick(uint64_t below) { return random_() % below; }
  template <class... Args>
  void note(int64_t answer, fmt::format_string<Args...> format, Args&&... args) {
    answers_.push_back(answer);
    if (text_ != nullptr)
      text_->push_back(fmt::format(format, std::forward<Args>(args)...) +
                       fmt::format(" = {}", answer));
  }
  template <class... Args>
  int open(int64_t fd, fmt::format_string<Args...> format, Args&&... args) {
    note(std::min<int64_t>(fd, 0), format, std::forward<Args>(args)...);
    if (fd >= 0) fds_.push_back(static_cast<int>(fd));
    return static_cast<int>(fd);
  }
  void fill_key() {
    std::memset(key_, 0, sizeof key_);
    uint32_t number = static_cast<uint32_t>(pick(entries_ + 2));
    if (kind_.type == 11) {
      uint32_t prefix = pick(10) == 0 ? 40 : static_cast<uint32_t>(pick(33));
      std::memcpy(key_, &prefix, 4);
      key_[4] = static_cast<uint8_t>(number << 5);
      key_[5] = static_cast<uint8_t>(pick(4) << 6);
    } else {
      std::memcpy(key_, &number, 4);
    }
  }
  uint64_t flags() {
    constexpr uint64_t kFlags[] = {0, 0, 0, 0, 1, 2, 4, 3, 9, uint64_t{1} << 40};
    return kFlags[pick(std::size(kFlags))];
  }
  void value_answer(int64_t answer) {
    if (answer != 0) return;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < value_size_; ++i) sum = sum * 31 + value_[i];
    answers_.push_back(static_cast<int64_t>(sum));
  }
  MapElemAttr element() {
    fill_key();
    MapElemAttr attr;
    attr.map_fd = static_cast<uint32_t>(map_);
    attr.key = kind_.key_size == 0 && pick(16) != 0 ? 0 : address(key_);
    attr.value = address(value_);
    if (pick(40) == 0) attr.key = 0x1000;
    if (pick(40) == 0) attr.value = 0x1000;
    return attr;
  }
  void step() {
    MapElemAttr attr = element();
    switch (pick(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        for (uint32_t i = 0; i < value_size_; ++i) value_[i] = static_cast<uint8_t>(pick(256));
        attr.flags = flags();
        note(engine_.call(Cmd::BPF_MAP_UPDATE_ELEM, attr), "UPDATE key {} flags {:#x}", key_[0],
             attr.flags);
        break;
      case 4:
      case 5: {
        attr.flags = pick(4) == 0 ? flags() : 0;
        int64_t answer = engine_.call(Cmd::BPF_MAP_LOOKUP_ELEM, attr);
        note(answer, "LOOKUP key {} flags {:#x}", key_[0], attr.flags);
        value_answer(answer);
        break;
      }
      case 6:
        attr.value = 0;
        note(engine_.call(Cmd::BPF_MAP_DELETE_ELEM, attr), "DELETE key {}", key_[0]);
        break;
      case 7: {
        int64_t answer = engine_.call(Cmd::BPF_MAP_LOOKUP_AND_DELETE_ELEM, attr);
        note(answer, "LOOKUP_AND_DELETE key {}", key_[0]);
        value_answer(answer);
        break;
      }
      case 8: batch(); break;
      case 9: {
        MapInfo info;
        ObjInfoAttr query;
        query.bpf_fd = static_cast<uint32_t>(map_);
        query.info = address(&info);
        query.info_len = static_cast<uint32_t>(pick(sizeof info + 8));
        int64_t answer = engine_.call(Cmd::BPF_OBJ_GET_INFO_BY_FD, query);
        note(answer, "GET_INFO len {}", query.info_len);
        for (uint32_t field : {info.type, info.key_size, info.value_size, info.max_entries,
                               info.map_flags, query.info_len})
          answers_.push_back(field);
        break;
      }
      case 10:
        if (pick(6) == 0) {
          MapElemAttr freeze;
          freeze.map_fd = static_cast<uint32_t>(map_);
          note(engine_.call(Cmd::BPF_MAP_FREEZE, freeze), "FREEZE");
        }
        break;
      case 11: program(); break;
    }
  }
  void batch() {
    constexpr uint32_t kCount = 3;
    uint8_t keys[kCount * 8] = {}, values[kCount * 16];
    for (uint32_t i = 0; i < kCount; ++i) {
      fill_key();
      std::memcpy(keys + i * kind_.key_size, key_, kind_.key_size);
    }
    for (uint8_t& byte : values) byte = static_cast<uint8_t>(pick(256));
    MapBatchAttr attr;
    attr.map_fd = static_cast<uint32_t>(map_);
    attr.keys = address(keys);
    attr.values = address(values);
    attr.count = static_cast<uint32_t>(pick(kCount + 1));
    attr.elem_flags = pick(5) == 0 ? flags() : 0;
    Cmd cmd = pick(2) == 0 ? Cmd::BPF_MAP_UPDATE_BATCH : Cmd::BPF_MAP_DELETE_BATCH;
    int64_t answer = engine_.call(cmd, attr);
    note(answer, "{} flags {:#x}",
         cmd == Cmd::BPF_MAP_UPDATE_BATCH ? "UPDATE_BATCH" : "DELETE_BATCH", attr.elem_flags);
    if (answer == 0) answers_.push_back(attr.count);
  }
  // r0 = what the program finds in the map at a constant key, or what updating or deleting it gave.
  void program() {
    constexpr int kLookup = 1, kUpdate = 2, kDelete = 3, kPush = 87, kPop = 88, kPeek = 89;
    fill_key();
    uint64_t key = 0;
    std::memcpy(&key, key_, sizeof key);
    const bool keyless = kind_.key_size == 0;
    std::vector<Insn> insns;
    auto emit = [&](auto... more) { (insns.push_back(more), ...); };
    auto emit2 = [&](Insn2 pair) { insns.insert(insns.end(), pair.begin(), pair.end()); };
    emit2(BPF_LD_IMM64(BPF_REG_1, static_cast<int64_t>(key)));
    emit(BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_1, -8));
    const auto fill = static_cast<int>(pick(1000));
    emit(BPF_ST_MEM(BPF_DW, BPF_REG_10, -24, fill), BPF_ST_MEM(BPF_DW, BPF_REG_10, -16, fill));
    emit2(BPF_LD_MAP_FD(BPF_REG_1, map_));
    const int place = keyless ? -24 : -8;
    emit(BPF_MOV64_REG(BPF_REG_2, BPF_REG_10), BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, place));
    auto call = [&](int helper) { emit(BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, helper)); };
    const uint64_t what = pick(3);
    if (keyless && what == 0) {
      emit(BPF_MOV64_IMM(BPF_REG_3, static_cast<int>(pick(4))));
      call(kPush);
    } else if (keyless) {
      call(what == 1 ? kPop : kPeek);
    } else if (what == 0) {
      call(kLookup);
      emit(BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 1), BPF_LDX_MEM(BPF_W, BPF_REG_0, BPF_REG_0, 0));
    } else if (what == 1) {
      emit(BPF_MOV64_REG(BPF_REG_3, BPF_REG_10), BPF_ALU64_IMM(BPF_ADD, BPF_REG_3, -24),
           BPF_MOV64_IMM(BPF_REG_4, static_cast<int>(pick(4))));
      call(kUpdate);
    } else {
      call(kDelete);
    }
    emit(BPF_EXIT_INSN());
    ProgLoadAttr load;
    load.prog_type = 3;
    load.insn_cnt = static_cast<uint32_t>(insns.size());
    load.insns = address(insns.data());
    load.license = address("GPL");
    int64_t fd = engine_.call(Cmd::BPF_PROG_LOAD, load);
    note(std::min<int64_t>(fd, 0), "PROG_LOAD {} insns", insns.size());
    if (fd < 0) return;
    uint8_t packet[32] = {};
    TestRunAttr test;
    test.prog_fd = static_cast<uint32_t>(fd);
    test.data_in = address(packet);
    test.data_size_in = sizeof packet;
    test.repeat = static_cast<uint32_t>(pick(3));
    int64_t answer = engine_.call(Cmd::BPF_PROG_TEST_RUN, test);
    note(answer, "TEST_RUN operation {} key {}", what, key_[0]);
    answers_.push_back(test.retval);
    engine_.close(static_cast<int>(fd));
  }
  // All of the map, by keys that it can have.
  void contents() {
    if (kind_.key_size == 0) return;
    for (uint32_t number = 0; number < entries_ + 2; ++number) {
      std::memset(key_, 0, sizeof key_);
      uint32_t first = kind_.type == 11 ? 32 : number;
      std::memcpy(key_, &first, 4);
      key_[4] = kind_.type == 11 ? static_cast<uint8_t>(number << 5) : 0;
      MapElemAttr attr;
      attr.map_fd = static_cast<uint32_t>(map_);
      attr.key = address(key_);
      attr.value = address(value_);
      int64_t answer = engine_.call(Cmd::BPF_MAP_LOOKUP_ELEM, attr);
      note(answer, "at the end: LOOKUP key {}", number);
      value_answer(answer);
    }
    if (!kind_.ordered) return;
    uint8_t next[8] = {};
    MapElemAttr attr;
    attr.map_fd = static_cast<uint32_t>(map_);
    attr.value = address(next);
    for (int i = 0; i < 32; ++i) {
      int64_t answer = engine_.call(Cmd::BPF_MAP_GET_NEXT_KEY, attr);
      note(answer, "at the end: GET_NEXT_KEY");
      if (answer != 0) break;
      for (uint32_t at = 0; at < kind_.key_size; ++at) answers_.push_back(next[at]);
      std::memcpy(key_, next, sizeof next);
      attr.key = address(key_);
    }
  }

  Engine& engine_;
  std::mt19937_64 random_;
  MapKind kind_{};
  uint32_t entries_ = 0, value_size_ = 0;
  int map_ = -1;
  uint8_t key_[16] = {}, value_[64] = {};
  std::vector<int> fds_;
  std::vector<int64_t> answers_;
  std::vector<std::string>* text_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) {
  uint64_t seed = 1, sequences = UINT64_MAX;
  double seconds = 10;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string_view name = argv[i];
    if (name == "--seed") seed = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--sequences") sequences = std::strtoull(argv[i + 1], nullptr, 10), seconds = 1e9;
    if (name == "--seconds") seconds = std::strtod(argv[i + 1], nullptr);
  }
  runtime::RuntimeOptions options;
  options.hive.publish_session = false;
  auto user = UserEngine::create(options);
  if (!user) {
    std::fprintf(stderr, "bpf_diff: %s\n", user.error().text().c_str());
    return 1;
  }
  auto kernel = make_kernel_engine();
  if (!kernel) {
    std::printf("bpf_diff: skipped: %s\n", kernel.error().text().c_str());
    return 0;
  }
  auto begin = std::chrono::steady_clock::now();
  auto passed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  uint64_t done = 0;
  for (; done < sequences && passed() < seconds; ++done, ++seed) {
    auto ours = Sequence(**user, seed).run(nullptr);
    auto theirs = Sequence(**kernel, seed).run(nullptr);
    if (ours == theirs) continue;
    std::vector<std::string> our_text, their_text;
    Sequence(**user, seed).run(&our_text);
    Sequence(**kernel, seed).run(&their_text);
    std::printf("seed %llu differs:\n", static_cast<unsigned long long>(seed));
    for (size_t i = 0; i < std::max(our_text.size(), their_text.size()); ++i) {
      std::string a = i < our_text.size() ? our_text[i] : "",
                  b = i < their_text.size() ? their_text[i] : "";
      std::printf("%c user: %-50s kernel: %s\n", a == b ? ' ' : '*', a.c_str(), b.c_str());
    }
    return 1;
  }
  std::printf("bpf_diff: %llu sequences agree, %.0f a second\n",
              static_cast<unsigned long long>(done), static_cast<double>(done) / passed());
  return 0;
}
