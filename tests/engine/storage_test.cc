// The storage maps and the cgroup array: what bpf(2) says of them on both engines.
#include <unistd.h>

#include "engine/two_engines.h"

namespace skep::engine {
namespace {

using Answers = std::vector<int64_t>;

constexpr uint32_t kCgroupArray = 8, kCgroupStorage = 19, kPercpuCgroupStorage = 21;
constexpr uint32_t kSkStorage = 24, kInodeStorage = 28, kTaskStorage = 29, kCgrpStorage = 32;
constexpr uint32_t kNoPrealloc = 1;

// 1 where a map was made, else the errno.
int64_t made(Side& side, uint32_t type, uint32_t key, uint32_t value, uint32_t entries,
             uint32_t flags) {
  const int64_t fd = side.map(type, key, value, entries, flags);
  return fd >= 0 ? 1 : fd;
}

class StorageMaps : public TwoEngines {};

TEST_F(StorageMaps, of_hooks_are_created_with_the_kernels_checks) {
  same([](Side& side) {
    Answers answers;
    for (uint32_t type : {kCgroupStorage, kPercpuCgroupStorage}) {
      for (uint32_t key : {4u, 8u, 12u, 16u, 24u})
        answers.push_back(made(side, type, key, 8, 0, 0));
      for (uint32_t value : {0u, 1u, 4096u, 32768u, 70000u})
        answers.push_back(made(side, type, 8, value, 0, 0));
      answers.push_back(made(side, type, 8, 8, 1, 0));
      for (uint32_t bit = 0; bit < 13; ++bit)
        answers.push_back(bit == 2 ? 0 : made(side, type, 16, 8, 0, 1u << bit));
      answers.push_back(made(side, type, 8, 8, 0, 0x180));  // RDONLY_PROG and WRONLY_PROG
    }
    return answers;
  });
}

TEST_F(StorageMaps, of_owners_need_types) {
  same([](Side& side) {
    Answers answers;
    for (uint32_t type : {kSkStorage, kInodeStorage, kTaskStorage, kCgrpStorage}) {
      answers.push_back(made(side, type, 4, 8, 0, kNoPrealloc));
      answers.push_back(made(side, type, 4, 8, 0, 0));
      answers.push_back(made(side, type, 8, 8, 0, kNoPrealloc));
      answers.push_back(made(side, type, 4, 0, 0, kNoPrealloc));
      answers.push_back(made(side, type, 4, 8, 1, kNoPrealloc));
    }
    return answers;
  });
}

TEST_F(StorageMaps, of_hooks_have_no_element_before_a_program_is_attached) {
  same([](Side& side) {
    Answers answers;
    for (uint32_t type : {kCgroupStorage, kPercpuCgroupStorage}) {
      for (uint32_t key_size : {8u, 16u}) {
        MapElemAttr attr;
        std::vector<std::byte> key(key_size, std::byte{1}), value(8 * 1024);
        attr.map_fd = static_cast<uint32_t>(side.map(type, key_size, 8, 0));
        attr.key = address(key.data());
        attr.value = address(value.data());
        answers.push_back(side(Cmd::BPF_MAP_LOOKUP_ELEM, attr));
        answers.push_back(
            side(Cmd::BPF_MAP_DELETE_ELEM, MapElemAttr{.map_fd = attr.map_fd, .key = attr.key}));
        for (uint64_t flags : {0, 1, 2, 3}) {
          attr.flags = flags;
          answers.push_back(side(Cmd::BPF_MAP_UPDATE_ELEM, attr));
        }
        attr.flags = 0;
        answers.push_back(side(Cmd::BPF_MAP_GET_NEXT_KEY, attr));
        attr.key = 0;
        answers.push_back(side(Cmd::BPF_MAP_GET_NEXT_KEY, attr));
      }
    }
    return answers;
  });
}

TEST_F(StorageMaps, a_cgroup_array_takes_cgroups_and_gives_none_back) {
  same([](Side& side) {
    Answers answers;
    answers.push_back(made(side, kCgroupArray, 4, 4, 0, 0));
    answers.push_back(made(side, kCgroupArray, 8, 4, 1, 0));
    answers.push_back(made(side, kCgroupArray, 4, 8, 1, 0));
    MapElemAttr attr;
    uint32_t key = 0;
    int32_t value = 0;  // the standard input is no cgroup
    attr.map_fd = static_cast<uint32_t>(side.map(kCgroupArray, 4, 4, 2));
    attr.key = address(&key);
    attr.value = address(&value);
    answers.push_back(side(Cmd::BPF_MAP_LOOKUP_ELEM, attr));
    answers.push_back(side(Cmd::BPF_MAP_UPDATE_ELEM, attr));
    value = -1;
    answers.push_back(side(Cmd::BPF_MAP_UPDATE_ELEM, attr));
    attr.flags = 1;
    answers.push_back(side(Cmd::BPF_MAP_UPDATE_ELEM, attr));
    attr.flags = 0;
    answers.push_back(
        side(Cmd::BPF_MAP_DELETE_ELEM, MapElemAttr{.map_fd = attr.map_fd, .key = attr.key}));
    key = 2;
    answers.push_back(side(Cmd::BPF_MAP_LOOKUP_ELEM, attr));
    answers.push_back(side(Cmd::BPF_MAP_UPDATE_ELEM, attr));
    answers.push_back(
        side(Cmd::BPF_MAP_DELETE_ELEM, MapElemAttr{.map_fd = attr.map_fd, .key = attr.key}));
    return answers;
  });
}

constexpr uint32_t kDevmap = 14, kCpumap = 16, kXskmap = 17, kDevmapHash = 25;

TEST_F(StorageMaps, of_ports_are_created_with_the_kernels_checks) {
  same([](Side& side) {
    Answers answers;
    for (uint32_t type : {kDevmap, kDevmapHash, kCpumap, kXskmap}) {
      answers.push_back(made(side, type, 4, 4, 1, 0));
      answers.push_back(made(side, type, 4, 8, 1, 0));
      answers.push_back(made(side, type, 4, 12, 1, 0));
      answers.push_back(made(side, type, 4, 2, 1, 0));
      answers.push_back(made(side, type, 8, 4, 1, 0));
      answers.push_back(made(side, type, 4, 4, 0, 0));
      for (uint32_t bit = 0; bit < 13; ++bit)
        answers.push_back(bit == 2 ? 0 : made(side, type, 4, 4, 1, 1u << bit));
    }
    answers.push_back(made(side, kCpumap, 4, 4, 100'000, 0));
    return answers;
  });
}

TEST_F(StorageMaps, of_ports_answer_as_the_kernels) {
  same([](Side& side) {
    Answers answers;
    for (uint32_t type : {kDevmap, kDevmapHash, kCpumap, kXskmap}) {
      MapElemAttr attr;
      uint32_t key = 0, value = 0, next = 0;
      attr.map_fd = static_cast<uint32_t>(side.map(type, 4, 4, 2));
      attr.key = address(&key);
      attr.value = address(&value);
      auto ask = [&](Cmd cmd, uint64_t flags) {
        MapElemAttr one = attr;
        one.flags = flags;
        answers.push_back(side(cmd, one));
      };
      auto forget = [&] {
        answers.push_back(
            side(Cmd::BPF_MAP_DELETE_ELEM, MapElemAttr{.map_fd = attr.map_fd, .key = attr.key}));
      };
      ask(Cmd::BPF_MAP_LOOKUP_ELEM, 0);
      forget();
      for (uint64_t flags : {0, 1, 2, 3}) {
        value = type == kXskmap ? 0 : 0x7fff'fff0;  // no socket, no interface, too long a queue
        ask(Cmd::BPF_MAP_UPDATE_ELEM, flags);
      }
      if (type == kDevmap || type == kCpumap) {
        value = 0;
        ask(Cmd::BPF_MAP_UPDATE_ELEM, 0);
      }
      key = 9;
      ask(Cmd::BPF_MAP_LOOKUP_ELEM, 0);
      ask(Cmd::BPF_MAP_UPDATE_ELEM, 0);
      forget();
      attr.value = address(&next);
      ask(Cmd::BPF_MAP_GET_NEXT_KEY, 0);
    }
    return answers;
  });
}

}  // namespace
}  // namespace skep::engine
