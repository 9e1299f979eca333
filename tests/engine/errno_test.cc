// bpf(2)'s refusals: what the kernel answers to a call that is wrong, the user engine answers too.
#include <unistd.h>

#include "engine/two_engines.h"

namespace skep::engine {
namespace {

using namespace isa::macros;
using Errnos = std::vector<int64_t>;

const std::vector<Insn> kReturnZero{BPF_MOV64_IMM(BPF_REG_0, 0), BPF_EXIT_INSN()};
const std::vector<Insn> kReturnOne{BPF_MOV64_IMM(BPF_REG_0, 1), BPF_EXIT_INSN()};
constexpr uint32_t kHash = 1, kArray = 2, kProgArray = 3, kQueue = 22, kStack = 23,
                   kPerCpuArray = 6, kLpm = 11, kArrayOfMaps = 12, kHashOfMaps = 13;
constexpr uint64_t kBadAddress = 0x1000;

// Beyond a command's last field every byte must be 0, one test a command.
TEST_F(TwoEngines, a_set_byte_after_a_commands_fields_is_EINVAL_and_after_all_fields_is_E2BIG) {
  for (uint32_t cmd = 0; cmd <= static_cast<uint32_t>(Cmd::BPF_TOKEN_CREATE); ++cmd) {
    if (cmd == static_cast<uint32_t>(Cmd::BPF_ENABLE_STATS)) continue;  // global on the kernel
    same([&](Side& side) {
      Errnos answers;
      for (uint32_t at : {4u,  8u,  12u, 16u, 20u, 24u, 32u, 36u,  40u,  44u,  48u,  56u,
                          60u, 64u, 72u, 76u, 80u, 92u, 96u, 120u, 164u, 168u, 172u, 200u}) {
        // A second wrong thing (no such descriptor, no such type) comes after.
        std::byte attr[256] = {};
        attr[at] = std::byte{1};
        int32_t none = -1;
        std::memcpy(attr, &none, sizeof none);
        int64_t answer = side.engine().bpf(static_cast<Cmd>(cmd), attr, sizeof attr);
        // Which of the two other errors it is, other tests ask.
        answers.push_back(answer == -E2BIG || answer == -EINVAL ? answer : 0);
      }
      return answers;
    });
    if (HasFailure()) {
      std::printf("command %u (%s)\n", cmd, std::string(spec::find_command(cmd)->name).c_str());
      return;
    }
  }
}

TEST_F(TwoEngines, an_attribute_that_cant_be_read_is_EFAULT_and_one_over_a_page_E2BIG) {
  same([](Side& side) {
    Errnos answers;
    answers.push_back(
        side.engine().bpf(Cmd::BPF_MAP_CREATE, reinterpret_cast<void*>(kBadAddress), 64));
    std::vector<std::byte> page(8192);
    answers.push_back(side.engine().bpf(Cmd::BPF_MAP_CREATE, page.data(), 4097));
    answers.push_back(side.engine().bpf(Cmd::BPF_MAP_CREATE, page.data(), 4096));
    answers.push_back(side.engine().bpf(static_cast<Cmd>(200), page.data(), 64));
    return answers;
  });
}

TEST_F(TwoEngines, maps_are_made_or_refused_alike) {
  struct Row {
    uint32_t type, key, value, entries, flags;
    uint64_t extra;
  };
  const Row rows[] = {{kHash, 4, 8, 16, 0, 0},
                      {kHash, 0, 8, 16, 0, 0},
                      {kHash, 4, 0, 16, 0, 0},
                      {kHash, 4, 8, 0, 0, 0},
                      {kHash, 513, 8, 16, 0, 0},
                      {kHash, 4, 8, 16, 1, 0},
                      {kHash, 4, 8, 16, 2, 0},
                      {kHash, 4, 8, 16, 1u << 30, 0},
                      {kHash, 4, 8, 16, 0, 5},
                      {kArray, 4, 8, 16, 0, 0},
                      {kArray, 8, 8, 16, 0, 0},
                      {kArray, 4, 8, 16, 1, 0},
                      {kArray, 4, 8, 16, 1u << 10, 0},
                      {kArray, 4, 0, 16, 0, 0},
                      {kProgArray, 4, 4, 4, 0, 0},
                      {kProgArray, 4, 8, 4, 0, 0},
                      {kQueue, 0, 4, 4, 0, 0},
                      {kQueue, 4, 4, 4, 0, 0},
                      {kStack, 0, 4, 0, 0, 0},
                      {kLpm, 8, 4, 4, 1, 0},
                      {kLpm, 8, 4, 4, 0, 0},
                      {kLpm, 4, 4, 4, 1, 0},
                      {kPerCpuArray, 4, 40000, 4, 0, 0},
                      {0, 4, 4, 4, 0, 0},
                      {99, 4, 4, 4, 0, 0},
                      {kArrayOfMaps, 4, 4, 4, 0, 0},
                      {kHash, 4, 8, 16, 8 | 16, 0},
                      {kHash, 4, 8, 16, 8, 0},
                      {kHash, 4, 8, 16, 1u << 16, 0}};
  same([&](Side& side) {
    std::vector<bool> made;
    Errnos errors;
    for (const Row& row : rows) {
      MapCreateAttr attr;
      attr.map_type = row.type;
      attr.key_size = row.key;
      attr.value_size = row.value;
      attr.max_entries = row.entries;
      attr.map_flags = row.flags;
      attr.map_extra = row.extra;
      int64_t fd = side(Cmd::BPF_MAP_CREATE, attr);
      side.keep(fd);
      errors.push_back(std::min<int64_t>(fd, 0));
    }
    return errors;
  });
}

TEST_F(TwoEngines, names_of_maps_and_programs_are_checked_alike) {
  same([](Side& side) {
    Errnos answers;
    for (const char* name : {"good.Name_9", "with space", "a-dash", "fifteen_letters"}) {
      MapCreateAttr attr;
      attr.map_type = kArray;
      attr.key_size = attr.value_size = 4;
      attr.max_entries = 1;
      std::strncpy(attr.map_name, name, sizeof attr.map_name - 1);
      answers.push_back(std::min<int64_t>(0, side.keep(side(Cmd::BPF_MAP_CREATE, attr))));
      answers.push_back(std::min(0, side.program(1, kReturnZero, 0, name)));
    }
    MapCreateAttr attr;
    attr.map_type = kArray;
    attr.key_size = attr.value_size = 4;
    attr.max_entries = 1;
    std::memset(attr.map_name, 'x', sizeof attr.map_name);
    answers.push_back(std::min<int64_t>(0, side.keep(side(Cmd::BPF_MAP_CREATE, attr))));
    std::memcpy(attr.map_name, "a\0b", 4);
    std::memset(attr.map_name + 4, 0, 12);
    answers.push_back(std::min<int64_t>(0, side.keep(side(Cmd::BPF_MAP_CREATE, attr))));
    return answers;
  });
}

TEST_F(TwoEngines, element_commands_refuse_alike) {
  for (uint32_t type : {kHash, kArray, kQueue, kProgArray, kLpm, kPerCpuArray}) {
    same([&](Side& side) {
      const bool keyless = type == kQueue;
      const uint32_t key_size = keyless ? 0 : type == kLpm ? 8 : 4;
      int map = side.map(type, key_size, 4, 2, type == kLpm ? 1 : 0);
      EXPECT_GE(map, 0);
      uint32_t key[2] = {type == kLpm ? 32u : 0u, 0};
      std::vector<uint64_t> value(512);
      Errnos answers;
      for (Cmd cmd : {Cmd::BPF_MAP_LOOKUP_ELEM, Cmd::BPF_MAP_UPDATE_ELEM, Cmd::BPF_MAP_DELETE_ELEM,
                      Cmd::BPF_MAP_GET_NEXT_KEY, Cmd::BPF_MAP_LOOKUP_AND_DELETE_ELEM}) {
        for (int bad = 0; bad < 12; ++bad) {
          MapElemAttr attr;
          attr.map_fd = static_cast<uint32_t>(map);
          attr.key = keyless ? 0 : address(key);
          attr.value = address(value.data());
          if (cmd == Cmd::BPF_MAP_DELETE_ELEM) attr.value = 0;
          if (bad == 1) attr.map_fd = 9999;
          if (bad == 2) attr.map_fd = 0;  // standard input: a descriptor, and not a map's
          if (bad == 3) attr.key = kBadAddress;
          if (bad == 4) attr.value = kBadAddress;
          if (bad == 5) attr.flags = 1;
          if (bad == 6) attr.flags = 4;
          if (bad == 7) attr.flags = 3;
          if (bad == 8) attr.flags = 1u << 20;
          if (bad == 9) attr.key = 0;
          if (bad == 10) key[type == kLpm ? 1 : 0] = 5;
          if (bad == 11) attr.flags = 2;
          answers.push_back(side(cmd, attr));
          key[0] = type == kLpm ? 32u : 0u;
          key[1] = 0;
        }
      }
      return answers;
    });
    if (HasFailure()) {
      std::printf("map type %u\n", type);
      return;
    }
  }
}

TEST_F(TwoEngines, what_a_descriptor_of_a_map_allows_is_its_own) {
  same([](Side& side) {
    Errnos answers;
    for (uint32_t flags : {0u, 8u, 16u}) {
      int map = side.map(kHash, 4, 4, 4, flags);
      uint32_t key = 1, value = 7, next = 0;
      MapElemAttr attr;
      attr.map_fd = static_cast<uint32_t>(map);
      attr.key = address(&key);
      attr.value = address(&value);
      answers.push_back(side(Cmd::BPF_MAP_UPDATE_ELEM, attr));
      answers.push_back(side(Cmd::BPF_MAP_LOOKUP_ELEM, attr));
      attr.value = address(&next);
      attr.key = 0;
      answers.push_back(side(Cmd::BPF_MAP_GET_NEXT_KEY, attr));
      MapInfo info;
      ObjInfoAttr query;
      query.bpf_fd = static_cast<uint32_t>(map);
      query.info = address(&info);
      query.info_len = sizeof info;
      answers.push_back(side(Cmd::BPF_OBJ_GET_INFO_BY_FD, query));
      answers.push_back(info.map_flags);
      for (uint32_t open : {0u, 8u, 16u, 24u, 1u}) {
        GetIdAttr by_id;
        by_id.id = info.id;
        by_id.open_flags = open;
        int again = side.keep(side(Cmd::BPF_MAP_GET_FD_BY_ID, by_id));
        answers.push_back(std::min(again, 0));
        if (again < 0) continue;
        MapElemAttr through;
        through.map_fd = static_cast<uint32_t>(again);
        through.key = address(&key);
        through.value = address(&value);
        answers.push_back(side(Cmd::BPF_MAP_UPDATE_ELEM, through));
        answers.push_back(side(Cmd::BPF_MAP_LOOKUP_ELEM, through));
      }
    }
    return answers;
  });
}

TEST_F(TwoEngines, a_frozen_map_is_read_only_to_user_space) {
  same([](Side& side) {
    Errnos answers;
    int map = side.map(kArray, 4, 4, 4);
    uint32_t key = 1, value = 7;
    MapElemAttr freeze;
    freeze.map_fd = static_cast<uint32_t>(map);
    answers.push_back(side(Cmd::BPF_MAP_FREEZE, freeze));
    answers.push_back(side(Cmd::BPF_MAP_FREEZE, freeze));
    MapElemAttr attr;
    attr.map_fd = static_cast<uint32_t>(map);
    attr.key = address(&key);
    attr.value = address(&value);
    answers.push_back(side(Cmd::BPF_MAP_UPDATE_ELEM, attr));
    answers.push_back(side(Cmd::BPF_MAP_LOOKUP_ELEM, attr));
    freeze.key = 1;
    answers.push_back(side(Cmd::BPF_MAP_FREEZE, freeze));
    return answers;
  });
}

TEST_F(TwoEngines, batches_refuse_alike_and_say_how_far_they_came) {
  for (uint32_t type : {kHash, kArray, kPerCpuArray, kQueue, kLpm, kProgArray}) {
    same([&](Side& side) {
      uint32_t key_size = type == kQueue ? 0 : type == kLpm ? 8 : 4;
      int map = side.map(type, key_size, 4, 4, type == kLpm ? 1 : 0);
      std::vector<uint32_t> keys{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, values(2048, 3);
      uint32_t cursor[4] = {};
      Errnos answers;
      for (Cmd cmd : {Cmd::BPF_MAP_UPDATE_BATCH, Cmd::BPF_MAP_DELETE_BATCH}) {
        for (int bad = 0; bad < 8; ++bad) {
          MapBatchAttr attr;
          attr.map_fd = static_cast<uint32_t>(map);
          attr.keys = address(keys.data());
          attr.values = address(values.data());
          attr.in_batch = attr.out_batch = 0;
          (void)cursor;
          attr.count = 3;
          if (bad == 1) attr.count = 0;
          if (bad == 2) attr.elem_flags = 8;
          if (bad == 3) attr.elem_flags = 4;
          if (bad == 4) attr.keys = kBadAddress;
          if (bad == 5) attr.values = kBadAddress;
          if (bad == 6) attr.map_fd = 9999;
          if (bad == 7) attr.count = 7;
          int64_t answer = side.inout(cmd, attr);
          answers.push_back(answer);
          if (answer != -EBADF && answer != -524 && bad != 2 && bad != 3)
            answers.push_back(attr.count);
        }
      }
      return answers;
    });
    if (HasFailure()) {
      std::printf("map type %u\n", type);
      return;
    }
  }
}

TEST_F(TwoEngines, programs_are_loaded_or_refused_alike) {
  same([](Side& side) {
    Errnos answers;
    char log[256] = {};
    for (int bad = 0; bad < 26; ++bad) {
      ProgLoadAttr attr;
      attr.prog_type = 1;
      attr.insn_cnt = 2;
      attr.insns = address(kReturnZero.data());
      attr.license = address("GPL");
      if (bad == 1) attr.insn_cnt = 0;
      if (bad == 2) attr.insn_cnt = 2'000'000;
      if (bad == 3) attr.insns = kBadAddress;
      if (bad == 4) attr.license = kBadAddress;
      if (bad == 5) attr.prog_type = 0;
      if (bad == 6) attr.prog_type = 77;
      if (bad == 7) attr.prog_flags = 1u << 20;
      if (bad == 8) attr.log_level = 1;
      if (bad == 9) attr.log_buf = address(log);
      if (bad == 10) attr.log_size = 100;
      if (bad == 11) attr.log_buf = address(log), attr.log_size = sizeof log;
      if (bad == 12) attr.log_buf = address(log), attr.log_size = sizeof log, attr.log_level = 16;
      if (bad == 13) attr.log_buf = address(log), attr.log_size = 1, attr.log_level = 2;
      if (bad == 14) attr.log_buf = kBadAddress, attr.log_size = 128, attr.log_level = 2;
      if (bad == 15) attr.log_buf = address(log), attr.log_size = sizeof log, attr.log_level = 4;
      if (bad == 16) attr.prog_btf_fd = 9999, attr.func_info_cnt = 1, attr.func_info_rec_size = 8;
      if (bad == 17) attr.func_info_cnt = 1;
      if (bad == 18) attr.expected_attach_type = 5;
      if (bad == 19) attr.attach_btf_id = 1;
      if (bad == 20) attr.attach_prog_fd = 9999;
      if (bad == 21) attr.prog_type = 9, attr.expected_attach_type = 2;
      if (bad == 22) attr.prog_type = 18, attr.expected_attach_type = 1;
      if (bad == 23) attr.core_relo_cnt = 1;
      if (bad == 24) attr.prog_type = 26, attr.expected_attach_type = 28;
      if (bad == 25) attr.prog_type = 9, attr.expected_attach_type = 0;
      int64_t fd = side(Cmd::BPF_PROG_LOAD, attr);
      side.keep(fd);
      answers.push_back(std::min<int64_t>(fd, 0));
    }
    return answers;
  });
}

TEST_F(TwoEngines, a_map_reference_that_is_none_is_refused_alike) {
  same([](Side& side) {
    Errnos answers;
    for (int fd : {-1, 0, 9999, side.program(1, kReturnZero)}) {
      std::vector<Insn> insns;
      auto map = BPF_LD_MAP_FD(BPF_REG_1, fd);
      insns.insert(insns.end(), map.begin(), map.end());
      insns.insert(insns.end(), kReturnZero.begin(), kReturnZero.end());
      answers.push_back(std::min(0, side.program(1, insns)));
    }
    return answers;
  });
}

TEST_F(TwoEngines, test_runs_refuse_alike) {
  std::vector<std::byte> packet(64);
  for (uint32_t type : {1u, 3u, 6u, 8u, 10u, 17u, 2u, 5u, 9u}) {
    same([&](Side& side) {
      Errnos answers;
      int program = side.program(type, kReturnZero, type == 9 ? 2 : 0);
      EXPECT_GE(program, 0) << type;
      std::vector<std::byte> out(64), ctx(512);
      ctx[450] = std::byte{1};
      for (int bad = 0; bad < 20; ++bad) {
        TestRunAttr attr;
        attr.prog_fd = static_cast<uint32_t>(program);
        const bool data = type != 17 && type != 2 && type != 5 && type != 9;
        if (data) attr.data_in = address(packet.data()), attr.data_size_in = 64;
        if (bad == 1) attr.prog_fd = 9999;
        if (bad == 2) attr.flags = 1u << 10;
        if (bad == 3) attr.cpu = 1;
        if (bad == 4) attr.batch_size = 1;
        if (bad == 5) attr.ctx_in = address(ctx.data());
        if (bad == 6) attr.ctx_size_in = 8;
        if (bad == 7) attr.ctx_out = address(ctx.data());
        if (bad == 8) attr.ctx_size_out = 8;
        if (bad == 9 && data) attr.data_size_in = 4;
        if (bad == 10 && data) attr.data_in = kBadAddress;
        if (bad == 11 && data) attr.data_out = address(out.data()), attr.data_size_out = 10;
        if (bad == 12 && data) attr.data_out = kBadAddress, attr.data_size_out = 64;
        if (bad == 13 && data) attr.ctx_in = address(ctx.data()), attr.ctx_size_in = 400;
        if (bad == 14) attr.prog_fd = 0;
        if (bad == 15 && data) attr.ctx_in = address(ctx.data()), attr.ctx_size_in = 500;
        if (bad == 15 && type == 17) attr.repeat = 2;
        if (bad == 16 && type == 17) attr.data_in = address(packet.data()), attr.data_size_in = 8;
        if (bad == 17 && type == 17) attr.flags = 1, attr.cpu = 100000;
        if (bad == 18 && type == 17) attr.ctx_in = address(ctx.data()), attr.ctx_size_in = 104;
        if (bad == 19 && type == 6) attr.flags = 2, attr.batch_size = 300;
        int64_t answer = side(Cmd::BPF_PROG_TEST_RUN, attr);
        // Where the kernel has no test run, the user engine has one.
        if (type == 2 || type == 5 || type == 9) {
          if (bad == 1 || bad == 14 || (bad >= 5 && bad <= 8)) answers.push_back(answer);
          continue;
        }
        answers.push_back(answer);
      }
      return answers;
    });
    if (HasFailure()) {
      std::printf("program type %u\n", type);
      return;
    }
  }
}

TEST_F(TwoEngines, object_information_is_refused_alike) {
  same([](Side& side) {
    Errnos answers;
    int program = side.program(1, kReturnZero);
    int map = side.map(kArray, 4, 4, 1);
    for (int fd : {program, map}) {
      std::vector<std::byte> info(512);
      for (uint32_t length : {0u, 8u, 40u, 232u, 240u, 400u}) {
        for (bool set : {false, true}) {
          std::fill(info.begin(), info.end(), std::byte{0});
          if (set) info.back() = std::byte{1}, info[length > 0 ? length - 1 : 0] = std::byte{1};
          if (set && length <= 232 && length != 0) continue;  // a field of one or the other
          ObjInfoAttr attr;
          attr.bpf_fd = static_cast<uint32_t>(fd);
          attr.info = address(info.data());
          attr.info_len = length;
          answers.push_back(side.inout(Cmd::BPF_OBJ_GET_INFO_BY_FD, attr));
          answers.push_back(answers.back() == 0 ? attr.info_len : 0);
        }
      }
      ObjInfoAttr attr;
      attr.bpf_fd = static_cast<uint32_t>(fd);
      attr.info = kBadAddress;
      attr.info_len = 80;
      answers.push_back(side(Cmd::BPF_OBJ_GET_INFO_BY_FD, attr));
    }
    ObjInfoAttr attr;
    attr.bpf_fd = 0;
    answers.push_back(side(Cmd::BPF_OBJ_GET_INFO_BY_FD, attr));
    attr.bpf_fd = 9999;
    answers.push_back(side(Cmd::BPF_OBJ_GET_INFO_BY_FD, attr));
    ProgInfo info;
    info.nr_func_info = 1;
    info.func_info_rec_size = 4;
    attr.bpf_fd = static_cast<uint32_t>(program);
    attr.info = address(&info);
    attr.info_len = sizeof info;
    answers.push_back(side(Cmd::BPF_OBJ_GET_INFO_BY_FD, attr));
    return answers;
  });
}

TEST_F(TwoEngines, commands_on_descriptors_of_the_wrong_kind_refuse_alike) {
  same([](Side& side) {
    Errnos answers;
    int program = side.program(1, kReturnZero);
    int map = side.map(kArray, 4, 4, 1);
    for (int fd : {program, map, 0, 9999}) {
      auto u = static_cast<uint32_t>(fd);
      answers.push_back(side(Cmd::BPF_LINK_DETACH, LinkDetachAttr{u}));
      answers.push_back(side(Cmd::BPF_LINK_UPDATE, LinkUpdateAttr{u, u, 0, 0}));
      answers.push_back(side(Cmd::BPF_LINK_UPDATE, LinkUpdateAttr{u, u, 8, 0}));
      answers.push_back(side(Cmd::BPF_ITER_CREATE, IterCreateAttr{u, 0}));
      answers.push_back(side(Cmd::BPF_ITER_CREATE, IterCreateAttr{u, 1}));
      answers.push_back(side(Cmd::BPF_PROG_BIND_MAP, ProgBindMapAttr{u, u, 0}));
      answers.push_back(
          side(Cmd::BPF_PROG_BIND_MAP, ProgBindMapAttr{static_cast<uint32_t>(program), u, 0}));
      answers.push_back(side(Cmd::BPF_PROG_BIND_MAP, ProgBindMapAttr{u, u, 1}));
      answers.push_back(side(Cmd::BPF_TOKEN_CREATE, TokenCreateAttr{0, u}));
      answers.push_back(side(Cmd::BPF_TOKEN_CREATE, TokenCreateAttr{1, u}));
      answers.push_back(side(Cmd::BPF_PROG_STREAM_READ_BY_FD, StreamReadAttr{0, 0, 1, u}));
      answers.push_back(side(Cmd::BPF_PROG_STREAM_READ_BY_FD, StreamReadAttr{0, 0, 3, u}));
      answers.push_back(
          side(Cmd::BPF_RAW_TRACEPOINT_OPEN, RawTracepointAttr{kBadAddress, u, 0, 0}));
      LinkCreateAttr link;
      link.prog_fd = u;
      answers.push_back(side(Cmd::BPF_LINK_CREATE, link));
      ProgAttachAttr attach;
      attach.attach_bpf_fd = u;
      attach.attach_type = 8;
      answers.push_back(side(Cmd::BPF_PROG_ATTACH, attach));
      attach.attach_type = 200;
      answers.push_back(side(Cmd::BPF_PROG_ATTACH, attach));
      ProgQueryAttr query;
      query.target_fd = 9999;
      query.attach_type = 8;
      answers.push_back(side(Cmd::BPF_PROG_QUERY, query));
      query.query_flags = 8;
      answers.push_back(side(Cmd::BPF_PROG_QUERY, query));
      ObjPinAttr pin;
      pin.bpf_fd = u;
      pin.file_flags = 1;
      answers.push_back(side(Cmd::BPF_OBJ_PIN, pin));
      pin.file_flags = 0;
      pin.path_fd = 5;
      answers.push_back(side(Cmd::BPF_OBJ_PIN, pin));
      pin.path_fd = 0;
      pin.pathname = kBadAddress;
      answers.push_back(side(Cmd::BPF_OBJ_PIN, pin));
      pin.pathname = address("/tmp/there/is/no/such");
      answers.push_back(side(Cmd::BPF_OBJ_PIN, pin));
      answers.push_back(side(Cmd::BPF_OBJ_GET, pin));
      pin.bpf_fd = 0;
      answers.push_back(side(Cmd::BPF_OBJ_GET, pin));
      pin.pathname = address("/etc/passwd");
      answers.push_back(side(Cmd::BPF_OBJ_GET, pin));
      pin.bpf_fd = u;
      answers.push_back(side(Cmd::BPF_OBJ_PIN, pin));
      pin.pathname = address("/tmp/skep-no-pin");
      answers.push_back(side(Cmd::BPF_OBJ_PIN, pin));
      TaskFdQueryAttr task;
      task.pid = static_cast<uint32_t>(::getpid());
      task.fd = u;
      answers.push_back(side(Cmd::BPF_TASK_FD_QUERY, task));
      task.flags = 1;
      answers.push_back(side(Cmd::BPF_TASK_FD_QUERY, task));
    }
    for (Cmd cmd : {Cmd::BPF_PROG_GET_NEXT_ID, Cmd::BPF_MAP_GET_NEXT_ID, Cmd::BPF_LINK_GET_NEXT_ID,
                    Cmd::BPF_BTF_GET_NEXT_ID}) {
      answers.push_back(side(cmd, GetIdAttr{0x7fffffff, 0, 0, 0}));
      answers.push_back(side(cmd, GetIdAttr{0x7ffffffe, 0, 0, 0}));
    }
    for (Cmd cmd : {Cmd::BPF_PROG_GET_FD_BY_ID, Cmd::BPF_MAP_GET_FD_BY_ID,
                    Cmd::BPF_LINK_GET_FD_BY_ID, Cmd::BPF_BTF_GET_FD_BY_ID})
      answers.push_back(side(cmd, GetIdAttr{0x7ffffffe, 0, 0, 0}));
    BtfLoadAttr btf;
    btf.btf = kBadAddress;
    btf.btf_size = 24;
    answers.push_back(side(Cmd::BPF_BTF_LOAD, btf));
    btf.btf_size = 64u << 20;
    answers.push_back(side(Cmd::BPF_BTF_LOAD, btf));
    btf.btf_flags = 1;
    answers.push_back(side(Cmd::BPF_BTF_LOAD, btf));
    btf = {};
    answers.push_back(side(Cmd::BPF_BTF_LOAD, btf));
    answers.push_back(side(Cmd::BPF_ENABLE_STATS, EnableStatsAttr{9}));
    return answers;
  });
}

}  // namespace
}  // namespace skep::engine
