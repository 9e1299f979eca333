// BPF_MAP_TYPE_LPM_TRIE: a path-compressed binary trie. A key is a u32 prefix length and the
// prefix's bytes, network order. The kernel's: kernel/bpf/lpm_trie.c (semantics, errno, and
// get_next_key's order: children before parents).
//
// Look-ups of whole keys do not begin at the root but at the key's first `root_bits` bits, which index a table: what
// a walk from the root has found when it comes to nodes of at least that many bits, and the first of these. Its
// words are made anew, from the trie, wherever a change may have touched them (repaint).
//
//   table[first bits]:   best u32 (node + 1: the longest entry shorter than root_bits, or 0) | next u32 (node + 1)
//
// Look-ups take no lock. Changes are made under the map's one robust lock, each visible by one
// store (to a child word, or to a node's `intermediate`). Nodes are used again at once; `freed`
// counts that, and a look-up during which it moved is made again. A lock taken over from the dead:
// all nodes that can't be reached become free again, entries are counted anew, and
// the whole table is made anew.
#include <atomic>

#include "base/robust_lock.h"
#include "base/shared.h"
#include "maps/types.h"

namespace skep::maps {
namespace {

struct Node {
  hive::Shared<uint32_t> child[2];  // node + 1, or 0
  hive::Shared<uint16_t> prefix;    // bits: at most 2048
  hive::Shared<uint16_t> state;
  hive::Shared<uint32_t> free_next;
  unsigned char* data() { return reinterpret_cast<unsigned char*>(this + 1); }
};
static_assert(sizeof(Node) == 16);
constexpr uint16_t kUnused = 0, kEntry = 1, kIntermediate = 2;

struct alignas(64) Shared {
  hive::RobustLock lock;
  hive::Shared<uint32_t> root;  // node + 1, or 0
  hive::Shared<uint32_t> freed;
  hive::Shared<uint32_t> entries;
  hive::Shared<uint32_t> free;   // node + 1
  hive::Shared<uint32_t> fresh;  // next node that was never used
};

// MapHeader::extra.
struct Geometry {
  uint64_t shared;
  uint64_t nodes;
  uint64_t node_stride;
  uint64_t node_count;
  uint64_t value_offset;
  uint64_t table;
  uint64_t root_bits;  // at least 1, at most kMaxRootBits and the key's bits
};

uint32_t prefix_of(const void* key) {
  uint32_t prefix;
  __builtin_memcpy(&prefix, key, sizeof prefix);
  return prefix;
}
const unsigned char* bits_of(const void* key) { return static_cast<const unsigned char*>(key) + 4; }
uint32_t bit(const unsigned char* data, uint32_t index) {
  return data[index / 8] >> (7 - index % 8) & 1;
}

class Trie {
 public:
  explicit Trie(const MapHeader& map)
      : map_(map),
        geometry_(*reinterpret_cast<const Geometry*>(map.extra)),
        bits_((map.key_size - 4) * 8) {}

  [[nodiscard]] Shared& shared() const { return *reinterpret_cast<Shared*>(geometry_.shared); }
  [[nodiscard]] uint32_t bits() const { return bits_; }
  [[nodiscard]] uint64_t node_count() const { return geometry_.node_count; }
  // The node that a word from shared memory leads to; null at the end.
  [[nodiscard]] Node* node(uint32_t word) const {
    if (word == 0 || word > geometry_.node_count) return nullptr;
    return reinterpret_cast<Node*>(geometry_.nodes + uint64_t{word - 1} * geometry_.node_stride);
  }
  [[nodiscard]] uint32_t word_of(Node* node) const {
    return static_cast<uint32_t>((reinterpret_cast<uint64_t>(node) - geometry_.nodes) /
                                 geometry_.node_stride) +
           1;
  }
  [[nodiscard]] void* value(Node* node) const {
    return reinterpret_cast<unsigned char*>(node) + geometry_.value_offset;
  }
  [[nodiscard]] uint32_t prefix(Node* node) const {
    uint32_t length = node->prefix.load(std::memory_order_relaxed);
    return length < bits_ ? length : bits_;
  }
  // Leading bits that are the same.
  [[nodiscard]] uint32_t match(Node* node, const unsigned char* data, uint32_t length) const {
    uint32_t limit = prefix(node) < length ? prefix(node) : length;
    uint32_t at = 0;
    for (; at + 32 <= limit; at += 32) {
      uint32_t ours, theirs;
      __builtin_memcpy(&ours, node->data() + at / 8, 4);
      __builtin_memcpy(&theirs, data + at / 8, 4);
      if (ours != theirs)
        return at + static_cast<uint32_t>(__builtin_clz(__builtin_bswap32(ours ^ theirs)));
    }
    for (; at + 8 <= limit; at += 8) {
      uint32_t differ = node->data()[at / 8] ^ data[at / 8];
      if (differ != 0) return at + static_cast<uint32_t>(__builtin_clz(differ)) - 24;
    }
    while (at < limit && bit(node->data(), at) == bit(data, at)) ++at;
    return at;
  }

  [[nodiscard]] uint32_t root_bits() const { return static_cast<uint32_t>(geometry_.root_bits); }
  [[nodiscard]] hive::Shared<uint64_t>& table_at(uint64_t index) const {
    return reinterpret_cast<hive::Shared<uint64_t>*>(
        geometry_.table)[index & ((uint64_t{1} << geometry_.root_bits) - 1)];
  }
  // The first root_bits bits: which word of the table.
  [[nodiscard]] uint32_t first_bits(const unsigned char* data) const {
    uint32_t number = 0;
    if (bits_ >= 32) {
      __builtin_memcpy(&number, data, 4);
    } else {
      for (uint32_t i = 0; i < bits_ / 8; ++i) number |= uint32_t{data[i]} << 8 * i;
    }
    return __builtin_bswap32(number) >> (32 - root_bits());
  }
  // Where a look-up begins, and what it has found by then.
  struct Start {
    uint32_t word;
    Node* found;
  };
  [[nodiscard]] Start start(const void* key) const {
    if (prefix_of(key) < root_bits())
      return {shared().root.load(std::memory_order_acquire), nullptr};
    uint64_t word = table_at(first_bits(bits_of(key))).load(std::memory_order_acquire);
    return {static_cast<uint32_t>(word >> 32), node(static_cast<uint32_t>(word))};
  }

  // The key's first eight bytes as a number, most significant first; nodes have at least as many.
  [[nodiscard]] uint64_t number_of(const unsigned char* data) const {
    uint64_t number = 0;
    uint32_t bytes = bits_ / 8;
    if (bytes >= 8) {
      __builtin_memcpy(&number, data, 8);
    } else if (bytes == 4) {
      uint32_t four;
      __builtin_memcpy(&four, data, 4);
      number = four;
    } else {
      for (uint32_t i = 0; i < bytes; ++i) number |= uint64_t{data[i]} << 8 * i;
    }
    return __builtin_bswap64(number);
  }

  // find_longest() where the whole prefix fits into a register: one comparison a node.
  [[nodiscard]] Node* find_short(const void* key) const {
    const uint64_t wanted = number_of(bits_of(key));
    const uint32_t limit = prefix_of(key);
    for (uint32_t attempt = 0;; ++attempt) {
      uint32_t freed = shared().freed.load(std::memory_order_acquire);
      auto [word, found] = start(key);
      for (uint32_t steps = 0; steps <= bits_ + 1; ++steps) {
        Node* at = node(word);
        if (at == nullptr) break;
        uint32_t length = prefix(at);
        uint64_t there;
        __builtin_memcpy(&there, at->data(), 8);
        uint64_t differ = __builtin_bswap64(there) ^ wanted;
        // The first `length` bits must agree. A shift by 64 - length, in two for length 0.
        if (length > limit || (differ >> 1 >> (63 - length)) != 0) break;
        if (at->state.load(std::memory_order_relaxed) == kEntry) found = at;
        if (length == bits_) break;
        word = at->child[wanted >> (63 - length) & 1].load(std::memory_order_acquire);
      }
      std::atomic_thread_fence(std::memory_order_acquire);
      if (shared().freed.load(std::memory_order_relaxed) == freed || attempt == 8) return found;
    }
  }

  [[nodiscard]] Node* find_longest(const void* key) const {
    if (bits_ <= 56) return find_short(key);
    const unsigned char* data = bits_of(key);
    for (uint32_t attempt = 0;; ++attempt) {
      uint32_t freed = shared().freed.load(std::memory_order_acquire);
      auto [word, found] = start(key);
      for (uint32_t steps = 0; steps <= bits_ + 1; ++steps) {
        Node* at = node(word);
        if (at == nullptr) break;
        uint32_t length = prefix(at);
        uint32_t same = match(at, data, prefix_of(key));
        if (same < length) break;
        if (at->state.load(std::memory_order_relaxed) == kEntry) found = at;
        if (length == bits_) break;
        word = at->child[bit(data, length)].load(std::memory_order_acquire);
      }
      std::atomic_thread_fence(std::memory_order_acquire);
      if (shared().freed.load(std::memory_order_relaxed) == freed || attempt == 8) return found;
    }
  }

  // ---- for the lock's holder ----
  Node* take() const {
    uint32_t word = shared().free.load(std::memory_order_relaxed);
    if (Node* free = node(word)) {
      shared().free.store(free->free_next.load(std::memory_order_relaxed),
                          std::memory_order_relaxed);
      return free;
    }
    uint32_t fresh = shared().fresh.load(std::memory_order_relaxed);
    Node* taken = node(fresh + 1);
    if (taken != nullptr) shared().fresh.store(fresh + 1, std::memory_order_relaxed);
    return taken;
  }
  void give_back(Node* given) const {
    if (given == nullptr) return;
    given->state.store(kUnused, std::memory_order_relaxed);
    shared().freed.fetch_add(1);  // before it is filled again
    given->free_next.store(shared().free.load(std::memory_order_relaxed),
                           std::memory_order_relaxed);
    shared().free.store(word_of(given), std::memory_order_relaxed);
  }
  void fill(Node* to, const unsigned char* data, uint32_t length, uint16_t state) const {
    to->child[0].store(0, std::memory_order_relaxed);
    to->child[1].store(0, std::memory_order_relaxed);
    to->prefix.store(static_cast<uint16_t>(length), std::memory_order_relaxed);
    to->state.store(state, std::memory_order_relaxed);
    hive::kill_point();
    __builtin_memcpy(to->data(), data, map_.key_size - 4);
  }

  [[nodiscard]] bool lock(Bee bee) const {
    hive::Locked locked = shared().lock.lock(bee.word);
    if (locked == hive::Locked::kRecovered) rebuild();
    return locked != hive::Locked::kBusy;
  }
  void unlock() const { shared().lock.unlock(); }

  // Makes the table's words of all keys under the prefix anew.
  void repaint(const unsigned char* data, uint32_t length) const {
    const uint32_t depth = length < root_bits() ? length : root_bits();
    const uint32_t width = root_bits() - depth;
    const uint64_t from = uint64_t{first_bits(data)} >> width << width;
    // Down to the first node that is not above all of them.
    uint32_t best = 0;
    uint32_t word = shared().root.load(std::memory_order_relaxed);
    for (uint32_t steps = 0; steps <= root_bits(); ++steps) {
      Node* at = node(word);
      if (at == nullptr || prefix(at) >= depth) break;
      if (match(at, data, prefix(at)) < prefix(at)) {
        word = 0;
        break;
      }
      if (at->state.load(std::memory_order_relaxed) == kEntry) best = word;
      word = at->child[bit(data, prefix(at))].load(std::memory_order_relaxed);
    }
    paint(word, best, from, uint64_t{1} << width);
  }

 private:
  // Marks what is reached from the root (through free_next as the stack of a depth-first walk),
  // frees the rest.
  void rebuild() const {
    uint32_t fresh = shared().fresh.load(std::memory_order_relaxed);
    if (fresh > geometry_.node_count) fresh = static_cast<uint32_t>(geometry_.node_count);
    constexpr uint16_t kReached = 0x100;
    for (uint32_t i = 0; i < fresh; ++i) {
      Node* at = node(i + 1);
      at->state.store(at->state.load(std::memory_order_relaxed) & 0xff, std::memory_order_relaxed);
    }
    uint32_t entries = 0;
    uint32_t stack = 0;
    auto reach = [&](uint32_t word) {
      Node* at = node(word);
      if (at == nullptr || word > fresh) return;
      uint16_t state = at->state.load(std::memory_order_relaxed);
      if ((state & kReached) != 0) return;  // a scribbled loop
      at->state.store(state | kReached, std::memory_order_relaxed);
      at->free_next.store(stack, std::memory_order_relaxed);
      stack = word;
    };
    reach(shared().root.load(std::memory_order_relaxed));
    // Each node is reached once; the count is for who writes into the stack while we walk it.
    for (uint32_t steps = 0; steps < fresh; ++steps) {
      Node* at = node(stack);
      if (at == nullptr) break;
      stack = at->free_next.load(std::memory_order_relaxed);
      if ((at->state.load(std::memory_order_relaxed) & 0xff) == kEntry) ++entries;
      reach(at->child[0].load(std::memory_order_relaxed));
      reach(at->child[1].load(std::memory_order_relaxed));
    }
    uint32_t free = 0;
    for (uint32_t i = 0; i < fresh; ++i) {
      Node* at = node(i + 1);
      uint16_t state = at->state.load(std::memory_order_relaxed);
      if ((state & kReached) != 0) {
        at->state.store(state & 0xff, std::memory_order_relaxed);
        continue;
      }
      at->state.store(kUnused, std::memory_order_relaxed);
      at->free_next.store(free, std::memory_order_relaxed);
      free = i + 1;
    }
    shared().free.store(free, std::memory_order_relaxed);
    shared().entries.store(entries, std::memory_order_relaxed);
    static constexpr unsigned char kNothing[256] = {};
    repaint(kNothing, 0);
    shared().freed.fetch_add(1);
  }

  void fill_table(uint64_t from, uint64_t count, uint32_t best, uint32_t next) const {
    const uint64_t made = uint64_t{next} << 32 | best;
    for (uint64_t i = from; i < from + count; ++i)
      if (table_at(i).load(std::memory_order_relaxed) != made)
        table_at(i).store(made, std::memory_order_release);
  }
  // `count` words from `from` on: those of a prefix under which `word` is the first node. Each level halves them,
  // so it ends whatever the nodes say.
  void paint(uint32_t word, uint32_t best, uint64_t from, uint64_t count) const {
    Node* at = node(word);
    if (at == nullptr) return fill_table(from, count, best, 0);
    const uint64_t first = first_bits(at->data());
    const uint32_t length = prefix(at);
    if (length >= root_bits()) {
      fill_table(from, count, best, 0);
      if (first >= from && first < from + count) fill_table(first, 1, best, word);
      return;
    }
    const uint64_t covered = uint64_t{1} << (root_bits() - length);
    const uint64_t begin = first & ~(covered - 1);
    if (begin < from || begin + covered > from + count)  // scribbled
      return fill_table(from, count, best, 0);
    fill_table(from, begin - from, best, 0);
    fill_table(begin + covered, from + count - begin - covered, best, 0);
    if (at->state.load(std::memory_order_relaxed) == kEntry) best = word;
    for (uint64_t side : {0, 1})
      paint(at->child[side].load(std::memory_order_relaxed), best, begin + side * covered / 2,
            covered / 2);
  }

  const MapHeader& map_;
  const Geometry& geometry_;
  uint32_t bits_;
};

void* lookup(const MapHeader& map, const void* key, Bee) {
  Trie trie(map);
  if (prefix_of(key) > trie.bits()) return nullptr;
  Node* found = trie.find_longest(key);
  return found != nullptr ? trie.value(found) : nullptr;
}

int64_t insert_locked(const Trie& trie, const MapHeader& map, const void* key, const void* value,
                      uint64_t flags) {
  const unsigned char* data = bits_of(key);
  const uint32_t length = prefix_of(key);
  hive::Shared<uint32_t>* link = &trie.shared().root;
  Node* at = nullptr;
  uint32_t same = 0;
  for (uint32_t steps = 0; steps <= trie.bits() + 1; ++steps) {
    at = trie.node(link->load(std::memory_order_relaxed));
    if (at == nullptr) break;
    same = trie.match(at, data, length);
    if (trie.prefix(at) != same || trie.prefix(at) == length || same == trie.bits()) break;
    link = &at->child[bit(data, same)];
  }
  bool same_node = at != nullptr && trie.prefix(at) == same && same == length;
  bool exists = same_node && at->state.load(std::memory_order_relaxed) == kEntry;
  if (exists && flags == BPF_NOEXIST) return kEexist;
  if (!exists && flags == BPF_EXIST) return kEnoent;
  uint32_t entries = trie.shared().entries.load(std::memory_order_relaxed);
  if (!exists && entries >= map.max_entries) return kEnospc;

  Node* fresh = trie.take();
  if (fresh == nullptr) return kEnospc;
  trie.fill(fresh, data, length, kEntry);
  copy_words(trie.value(fresh), value, map.value_size);
  const uint32_t fresh_word = trie.word_of(fresh);
  Node* replaced = nullptr;
  if (at == nullptr) {
    link->store(fresh_word, std::memory_order_release);
  } else if (same_node) {
    for (int side : {0, 1})
      fresh->child[side].store(at->child[side].load(std::memory_order_relaxed),
                               std::memory_order_relaxed);
    link->store(fresh_word, std::memory_order_release);
    replaced = at;
  } else if (same == length) {  // an ancestor of what is there
    fresh->child[bit(at->data(), same)].store(trie.word_of(at), std::memory_order_relaxed);
    link->store(fresh_word, std::memory_order_release);
  } else {
    Node* fork = trie.take();
    if (fork == nullptr) {
      trie.give_back(fresh);
      return kEnospc;
    }
    trie.fill(fork, at->data(), same, kIntermediate);
    uint32_t side = bit(data, same);
    fork->child[side].store(fresh_word, std::memory_order_relaxed);
    fork->child[1 - side].store(trie.word_of(at), std::memory_order_relaxed);
    link->store(trie.word_of(fork), std::memory_order_release);
  }
  if (!exists) trie.shared().entries.store(entries + 1, std::memory_order_relaxed);
  trie.repaint(data, length);
  trie.give_back(replaced);
  return 0;
}

int64_t update(const MapHeader& map, const void* key, const void* value, uint64_t flags, Bee bee) {
  if (flags > BPF_EXIST) return kEinval;
  Trie trie(map);
  if (prefix_of(key) > trie.bits()) return kEinval;
  if (!trie.lock(bee)) return kEbusy;
  int64_t result = insert_locked(trie, map, key, value, flags);
  trie.unlock();
  return result;
}

int64_t remove_locked(const Trie& trie, const void* key) {
  const unsigned char* data = bits_of(key);
  const uint32_t length = prefix_of(key);
  hive::Shared<uint32_t>* link = &trie.shared().root;
  hive::Shared<uint32_t>* parent_link = nullptr;
  Node* parent = nullptr;
  Node* at = nullptr;
  for (uint32_t steps = 0; steps <= trie.bits() + 1; ++steps) {
    at = trie.node(link->load(std::memory_order_relaxed));
    if (at == nullptr) return kEnoent;
    uint32_t same = trie.match(at, data, length);
    if (same != trie.prefix(at) || same == length) break;
    parent = at;
    parent_link = link;
    link = &at->child[bit(data, same)];
  }
  if (at == nullptr || trie.prefix(at) != length || trie.match(at, data, length) != length ||
      at->state.load(std::memory_order_relaxed) != kEntry)
    return kEnoent;
  trie.shared().entries.store(trie.shared().entries.load(std::memory_order_relaxed) - 1,
                              std::memory_order_relaxed);
  uint32_t left = at->child[0].load(std::memory_order_relaxed);
  uint32_t right = at->child[1].load(std::memory_order_relaxed);
  Node* useless = nullptr;  // a fork that is no longer one
  if (left != 0 && right != 0) {
    at->state.store(kIntermediate, std::memory_order_release);
    at = nullptr;
  } else if (left == 0 && right == 0 && parent != nullptr &&
             parent->state.load(std::memory_order_relaxed) == kIntermediate) {
    // Its other child takes its place.
    uint32_t other = link == &parent->child[0] ? parent->child[1].load(std::memory_order_relaxed)
                                               : parent->child[0].load(std::memory_order_relaxed);
    parent_link->store(other, std::memory_order_release);
    useless = parent;
  } else {
    link->store(left != 0 ? left : right, std::memory_order_release);
  }
  // The table names none of them any more when they become free.
  trie.repaint(data, length);
  trie.give_back(useless);
  trie.give_back(at);
  return 0;
}

int64_t remove(const MapHeader& map, const void* key, Bee bee) {
  Trie trie(map);
  if (prefix_of(key) > trie.bits()) return kEinval;
  if (!trie.lock(bee)) return kEbusy;
  int64_t result = remove_locked(trie, key);
  trie.unlock();
  return result;
}

// Post-order: the most specific first, under the lock since the path is held by addresses.
int64_t next_locked(const Trie& trie, const MapHeader& map, const void* key, void* next) {
  constexpr uint32_t kMaxPath = 256 * 8 + 2;
  uint32_t path[kMaxPath];  // words, root first
  uint32_t depth = 0;
  // A tree's nodes are come upon once each. A scribbled one may have the same below many (paths through it then
  // number 2^depth): the walk ends after as many steps as there are nodes.
  uint64_t steps_left = trie.node_count() + kMaxPath;
  auto descend = [&](uint32_t word) {  // to the first in order below
    while (Node* at = trie.node(word)) {
      if (depth == kMaxPath || steps_left == 0) return;
      --steps_left;
      path[depth++] = word;
      uint32_t left = at->child[0].load(std::memory_order_relaxed);
      word = left != 0 ? left : at->child[1].load(std::memory_order_relaxed);
    }
  };
  auto emit = [&]() -> int64_t {
    // Up and on until a real entry is on top.
    while (depth > 0) {
      Node* at = trie.node(path[depth - 1]);
      if (at->state.load(std::memory_order_relaxed) == kEntry) {
        uint32_t length = trie.prefix(at);
        __builtin_memcpy(next, &length, sizeof length);
        __builtin_memcpy(static_cast<unsigned char*>(next) + 4, at->data(), map.key_size - 4);
        return 0;
      }
      uint32_t done = path[--depth];
      if (depth == 0) break;
      Node* parent = trie.node(path[depth - 1]);
      uint32_t right = parent->child[1].load(std::memory_order_relaxed);
      if (done == parent->child[0].load(std::memory_order_relaxed) && right != 0) descend(right);
    }
    return kEnoent;
  };
  uint32_t root = trie.shared().root.load(std::memory_order_relaxed);
  bool found = false;
  if (key != nullptr && prefix_of(key) <= trie.bits()) {
    uint32_t word = root;
    while (Node* at = trie.node(word)) {
      if (depth == kMaxPath) break;
      path[depth++] = word;
      uint32_t same = trie.match(at, bits_of(key), prefix_of(key));
      if (same != trie.prefix(at)) break;
      if (same == prefix_of(key)) {
        found = at->state.load(std::memory_order_relaxed) == kEntry;
        break;
      }
      word = at->child[bit(bits_of(key), same)].load(std::memory_order_relaxed);
    }
  }
  if (!found) {
    depth = 0;
    descend(root);
    return emit();
  }
  uint32_t done = path[--depth];
  if (depth == 0) return kEnoent;
  Node* parent = trie.node(path[depth - 1]);
  uint32_t right = parent->child[1].load(std::memory_order_relaxed);
  if (done == parent->child[0].load(std::memory_order_relaxed) && right != 0 && right != done)
    descend(right);
  return emit();
}

int64_t next_key(const MapHeader& map, const void* key, void* next, Bee bee) {
  Trie trie(map);
  if (!trie.lock(bee)) return kEbusy;
  int64_t result = next_locked(trie, map, key, next);
  trie.unlock();
  return result;
}

}  // namespace

const MapOps kLpmTrieOps = {
    lookup,
    update,
    remove,
    next_key,
    nullptr,
    nullptr,
    nullptr,
    [](const MapHeader& map, const void* key, uint32_t, Bee bee) { return lookup(map, key, bee); }};

}  // namespace skep::maps
