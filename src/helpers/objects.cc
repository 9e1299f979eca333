// Objects of the heap, and what holds them: kptrs, lists, trees (object/heap.h draws all). The lock that the
// verifier has a program hold is what keeps two of them apart; a bee that is killed inside leaves a list whole and a
// tree marked as busy, which the next user empties. Freestanding.
#include "helpers/kfuncs.h"
#include "object/heap.h"
#include "object/prog_header.h"
#include "object/task_view.h"

namespace skep::helpers {
namespace {

using heap::Object;
using heap::OwnedListNode;
using heap::TreeNode;
using heap::TreeRoot;

uint64_t address(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

uint64_t make_object(uint64_t type_id, bool percpu, HelperContext* run) {
  const auto* program = static_cast<const ProgHeader*>(run->program);
  if (program == nullptr || program->object_types == 0) return 0;
  const auto& types = *pointer<const ObjectTypes>(program->object_types);
  for (uint32_t i = 0; i < types.count; ++i) {
    const ObjectTypes::Row& row = types.rows[i];
    if (row.type_id != type_id || (row.percpu != 0) != percpu) continue;
    Object* made = heap::make(*pointer<const ObjectType>(row.type), run->slot);
    return made == nullptr ? 0 : address(made->payload());
  }
  return 0;
}
uint64_t drop_object(uint64_t object) {
  heap::drop(heap::object_at(object));
  return 0;
}
uint64_t acquire_object(uint64_t address_of) {
  Object* object = heap::object_at(address_of);
  if (object == nullptr || object->state.load() == heap::kFree) return 0;
  uint32_t before = object->references.load(std::memory_order_relaxed);
  do {
    if (before == 0 || before >= 0x7fffffff) return 0;
  } while (!object->references.compare_exchange_weak(before, before + 1));
  return address_of;
}

// ---- lists ----

OwnedListNode* node_at(uint64_t at) {
  return at % 8 == 0 && heap::object_with(at, sizeof(OwnedListNode)) != nullptr
             ? pointer<OwnedListNode>(at)
             : nullptr;
}
void begin_list(heap::ListNode* head) {
  if (head->next == 0) head->next = head->prev = address(head);
}
// The head, or one of its nodes; null: scribbled over.
heap::ListNode* link_at(heap::ListNode* head, uint64_t at) {
  if (at == address(head)) return head;
  OwnedListNode* node = node_at(at);
  return node != nullptr && node->owner == address(head) ? node : nullptr;
}
// What comes before `at`. Its prev says so unless a bee was killed before it wrote that.
heap::ListNode* before(heap::ListNode* head, heap::ListNode* at) {
  if (heap::ListNode* named = link_at(head, at->prev);
      named != nullptr && named->next == address(at))
    return named;
  heap::ListNode* walk = head;
  for (uint32_t steps = 0; walk != nullptr && steps < heap::kMaxSteps; ++steps) {
    if (walk->next == address(at)) {
      at->prev = address(walk);
      return walk;
    }
    walk = link_at(head, walk->next);
    if (walk == head) break;
  }
  return nullptr;
}

// Behind `place`, which is the head or one of its nodes.
uint64_t insert_after(heap::ListNode* head, heap::ListNode* place, uint64_t node_address) {
  OwnedListNode* node = node_at(node_address);
  if (node == nullptr) return result(kEinval);
  Object* object = heap::object_at(node_address);
  uint64_t nobody = 0;
  if (place == nullptr ||
      !std::atomic_ref(node->owner).compare_exchange_strong(nobody, address(head))) {
    heap::drop(object);
    return result(kEinval);
  }
  heap::ListNode* next = link_at(head, place->next);
  if (next == nullptr) next = head;
  node->next = address(next);
  node->prev = address(place);
  heap::stored(object);
  std::atomic_ref(place->next).store(node_address, std::memory_order_release);  // now it is in
  next->prev = node_address;
  return 0;
}
uint64_t take_out(heap::ListNode* head, uint64_t node_address, uint32_t slot) {
  OwnedListNode* node = node_at(node_address);
  if (node == nullptr || node->owner != address(head)) return 0;
  heap::ListNode* previous = before(head, node);
  if (previous == nullptr) return 0;
  heap::ListNode* next = link_at(head, node->next);
  if (next == nullptr) next = head;
  std::atomic_ref(previous->next).store(address(next), std::memory_order_release);  // now it is out
  next->prev = address(previous);
  *node = {};
  heap::held(heap::object_at(node_address), slot);
  return node_address;
}

// ---- trees ----

uint64_t priority(uint64_t node) { return node * 0x9e3779b97f4a7c15; }
TreeNode* tree_node(const TreeRoot* root, uint64_t at) {
  if (at == 0 || at % 8 != 0 || heap::object_with(at, sizeof(TreeNode)) == nullptr) return nullptr;
  auto* node = pointer<TreeNode>(at);
  return node->owner == address(root) ? node : nullptr;
}

// While one lives, the tree is being changed.
class Change {
 public:
  explicit Change(TreeRoot* root) : root_(root) {
    if (std::atomic_ref(root_->busy).exchange(1) != 0) {
      // A bee was killed in the middle. What can still be reached goes.
      Object* waiting = nullptr;
      heap::empty_field({FieldKind::rb_root, 0, sizeof(TreeRoot), 0},
                        reinterpret_cast<unsigned char*>(root_), &waiting);
      heap::free_all(waiting);
      root_->busy = 1;
    }
  }
  ~Change() { std::atomic_ref(root_->busy).store(0, std::memory_order_release); }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

 private:
  TreeRoot* root_;
};

void replace_child(TreeRoot* root, TreeNode* parent, TreeNode* old, uint64_t by) {
  if (parent == nullptr)
    root->root = by;
  else if (parent->left == address(old))
    parent->left = by;
  else
    parent->right = by;
}
// `node`, a child, comes up in its parent's place.
void rotate_up(TreeRoot* root, TreeNode* node) {
  TreeNode* parent = tree_node(root, node->parent);
  if (parent == nullptr) return;
  TreeNode* above = tree_node(root, parent->parent);
  const bool is_left = parent->left == address(node);
  const uint64_t moves = is_left ? node->right : node->left;
  (is_left ? parent->left : parent->right) = moves;
  if (TreeNode* moved = tree_node(root, moves)) moved->parent = address(parent);
  (is_left ? node->right : node->left) = address(parent);
  replace_child(root, above, parent, address(node));
  node->parent = parent->parent;
  parent->parent = address(node);
}

uint64_t tree_add(uint64_t root_address, uint64_t node_address, uint64_t less, HelperContext* run) {
  auto* root = pointer<TreeRoot>(root_address);
  Object* object = heap::object_with(node_address, sizeof(TreeNode));
  if (object == nullptr) return result(kEinval);
  auto* node = pointer<TreeNode>(node_address);
  uint64_t nobody = 0;
  if (!std::atomic_ref(node->owner).compare_exchange_strong(nobody, root_address)) {
    heap::drop(object);
    return result(kEinval);
  }
  const Change change(root);
  node->parent = node->left = node->right = 0;
  TreeNode* parent = nullptr;
  bool left = false;
  uint64_t at = root->root;
  for (uint32_t steps = 0; at != 0 && steps < heap::kMaxSteps; ++steps) {
    TreeNode* here = tree_node(root, at);
    if (here == nullptr || here == node) break;
    parent = here;
    left = (run->call_bpf(run, less, node_address, at, 0, 0, 0) & 0xff) != 0;
    at = left ? here->left : here->right;
  }
  node->parent = address(parent);
  heap::stored(object);
  if (parent == nullptr)
    root->root = node_address;
  else
    (left ? parent->left : parent->right) = node_address;
  for (uint32_t steps = 0; node->parent != 0 && steps < heap::kMaxSteps &&
                           priority(node->parent) < priority(node_address);
       ++steps) {
    if (tree_node(root, node->parent) == nullptr) break;
    rotate_up(root, node);
  }
  return 0;
}

uint64_t tree_remove(uint64_t root_address, uint64_t node_address, uint32_t slot) {
  auto* root = pointer<TreeRoot>(root_address);
  if (tree_node(root, node_address) == nullptr) return 0;
  const Change change(root);
  TreeNode* node = tree_node(root, node_address);
  if (node == nullptr) return 0;
  for (uint32_t steps = 0; steps < heap::kMaxSteps; ++steps) {  // down until it is a leaf
    TreeNode* left = tree_node(root, node->left);
    TreeNode* right = tree_node(root, node->right);
    if (left == nullptr && right == nullptr) break;
    const bool take_left =
        right == nullptr || (left != nullptr && priority(node->left) > priority(node->right));
    rotate_up(root, take_left ? left : right);
  }
  replace_child(root, tree_node(root, node->parent), node, 0);
  *node = {};
  heap::held(heap::object_at(node_address), slot);
  return node_address;
}

}  // namespace

SKEP_HELPER(bpf_obj_new_impl) { return make_object(r1, false, run); }
SKEP_HELPER(bpf_obj_new) { return make_object(r1, false, run); }
SKEP_HELPER(bpf_obj_drop_impl) { return drop_object(r1); }
SKEP_HELPER(bpf_obj_drop) { return drop_object(r1); }
SKEP_HELPER(bpf_percpu_obj_new_impl) { return make_object(r1, true, run); }
SKEP_HELPER(bpf_percpu_obj_new) { return make_object(r1, true, run); }
SKEP_HELPER(bpf_percpu_obj_drop_impl) { return drop_object(r1); }
SKEP_HELPER(bpf_percpu_obj_drop) { return drop_object(r1); }
SKEP_HELPER(bpf_refcount_acquire_impl) { return acquire_object(r1); }
SKEP_HELPER(bpf_refcount_acquire) { return acquire_object(r1); }

// (head, node)
#define SKEP_PUSH(name, where)                \
  SKEP_HELPER(name) {                         \
    auto* head = pointer<heap::ListNode>(r1); \
    begin_list(head);                         \
    return insert_after(head, where, r2);     \
  }
SKEP_PUSH(bpf_list_push_front_impl, head)
SKEP_PUSH(bpf_list_push_front, head)
SKEP_PUSH(bpf_list_push_back_impl, before(head, head))
SKEP_PUSH(bpf_list_push_back, before(head, head))
#undef SKEP_PUSH
// (head): the node, or NULL
SKEP_HELPER(bpf_list_front) {
  auto* head = pointer<heap::ListNode>(r1);
  begin_list(head);
  heap::ListNode* first = link_at(head, head->next);
  return first == nullptr || first == head ? 0 : address(first);
}
SKEP_HELPER(bpf_list_back) {
  auto* head = pointer<heap::ListNode>(r1);
  begin_list(head);
  heap::ListNode* last = before(head, head);
  return last == nullptr || last == head ? 0 : address(last);
}
SKEP_HELPER(bpf_list_pop_front) {
  auto* head = pointer<heap::ListNode>(r1);
  return take_out(head, bpf_list_front(r1, 0, 0, 0, 0, run), run->slot);
}
SKEP_HELPER(bpf_list_pop_back) {
  auto* head = pointer<heap::ListNode>(r1);
  return take_out(head, bpf_list_back(r1, 0, 0, 0, 0, run), run->slot);
}

// (root, node, less)
SKEP_HELPER(bpf_rbtree_add_impl) { return tree_add(r1, r2, r3, run); }
SKEP_HELPER(bpf_rbtree_add) { return tree_add(r1, r2, r3, run); }
SKEP_HELPER(bpf_rbtree_remove) { return tree_remove(r1, r2, run->slot); }
SKEP_HELPER(bpf_rbtree_first) {
  auto* root = pointer<TreeRoot>(r1);
  if (root->busy != 0) {
    const Change change(root);
  }
  TreeNode* node = tree_node(root, root->root);
  for (uint32_t steps = 0; node != nullptr && steps < heap::kMaxSteps; ++steps) {
    TreeNode* left = tree_node(root, node->left);
    if (left == nullptr) break;
    node = left;
  }
  return address(node);
}
SKEP_HELPER(bpf_rbtree_root) {
  auto* root = pointer<TreeRoot>(r1);
  return address(tree_node(root, root->root));
}
SKEP_HELPER(bpf_rbtree_left) {
  auto* root = pointer<TreeRoot>(r1);
  TreeNode* node = tree_node(root, r2);
  return node == nullptr ? 0 : address(tree_node(root, node->left));
}
SKEP_HELPER(bpf_rbtree_right) {
  auto* root = pointer<TreeRoot>(r1);
  TreeNode* node = tree_node(root, r2);
  return node == nullptr ? 0 : address(tree_node(root, node->right));
}

// (percpu object, cpu): that slot's copy
SKEP_HELPER(per_cpu_ptr) {
  Object* object = heap::object_at(r1);
  const ObjectType* type = object != nullptr ? heap::type_of(*object) : nullptr;
  const auto slot = static_cast<uint32_t>(r2);
  if (type == nullptr || slot >= type->slots) return 0;
  return r1 + uint64_t{slot} * ((uint64_t{type->size} + 7) / 8 * 8);
}
SKEP_HELPER(this_cpu_ptr) { return per_cpu_ptr(r1, run->slot, 0, 0, 0, run); }

// (void **dst, void *ptr): what was there. The word lies where every process may write: what is no object is not
// given out.
SKEP_HELPER(kptr_xchg) {
  if (r2 != 0) {
    if (Object* object = heap::object_at(r2)) heap::stored(object);
  }
  const uint64_t was =
      std::atomic_ref(*pointer<uint64_t>(r1)).exchange(r2, std::memory_order_acq_rel);
  if (was == 0) return 0;
  if (was == hive::root(hive::Root::kCgroup) + offsetof(CgroupView, cgroup)) return was;
  Object* object = heap::object_at(was);
  if (object == nullptr || address(object->payload()) != was ||
      object->state.load() != heap::kStored || heap::type_of(*object) == nullptr)
    return 0;
  heap::held(object, run->slot);
  return was;
}

}  // namespace skep::helpers
