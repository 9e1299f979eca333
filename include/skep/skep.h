/* skep's C API: libbpf's names and shapes, for the part of libbpf that generated skeletons and their programs use.
 *
 * Compile against it with -I…/include/skep/compat (then <bpf/libbpf.h> and <bpf/bpf.h> are these) and link libskep:
 * `pkg-config --cflags --libs skep`. Programs run on the kernel engine where bpf(2) is allowed, else on the user
 * engine; SKEP_ENGINE=kernel|user in the environment chooses. On the user engine skep_launch() starts the command that
 * is watched.
 *
 * Errors are libbpf's: NULL with errno, or a negative errno. What went wrong, in words, goes to the function of
 * libbpf_set_print (standard error by default); libraries' other output there is none. One thread at a time, but for
 * map elements.
 */
#ifndef SKEP_SKEP_H
#define SKEP_SKEP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bpf_object;
struct bpf_program;
struct bpf_map;
struct bpf_link;
struct ring_buffer;
struct perf_buffer;
struct perf_event_header;

/* --- Errors, messages --- */

enum libbpf_print_level { LIBBPF_WARN, LIBBPF_INFO, LIBBPF_DEBUG };
typedef int (*libbpf_print_fn_t)(enum libbpf_print_level level, const char *format, va_list arguments);
libbpf_print_fn_t libbpf_set_print(libbpf_print_fn_t function);
int libbpf_strerror(int error, char *text, size_t size);
long libbpf_get_error(const void *pointer);
int libbpf_num_possible_cpus(void);
uint32_t libbpf_major_version(void);
uint32_t libbpf_minor_version(void);
const char *libbpf_version_string(void);
int libbpf_set_strict_mode(int mode);
#define LIBBPF_STRICT_ALL 0xffffffff

/* Options are structs whose first member is their size, so that both sides may be older or newer. */
#define LIBBPF_OPTS(TYPE, NAME, ...)                        \
  struct TYPE NAME = ({                                     \
    __builtin_memset(&NAME, 0, sizeof(struct TYPE));        \
    (struct TYPE){.sz = sizeof(struct TYPE), __VA_ARGS__};  \
  })
#define DECLARE_LIBBPF_OPTS LIBBPF_OPTS

/* --- Objects --- */

struct bpf_object_open_opts {
  size_t sz;
  const char *object_name;
  bool relaxed_maps;
  const char *pin_root_path;
  uint32_t reserved;
  const char *kconfig;
  const char *btf_custom_path;
};
struct bpf_object *bpf_object__open(const char *path);
struct bpf_object *bpf_object__open_file(const char *path, const struct bpf_object_open_opts *options);
struct bpf_object *bpf_object__open_mem(const void *bytes, size_t size,
                                        const struct bpf_object_open_opts *options);
int bpf_object__load(struct bpf_object *object);
void bpf_object__close(struct bpf_object *object);
const char *bpf_object__name(const struct bpf_object *object);
struct bpf_map *bpf_object__find_map_by_name(const struct bpf_object *object, const char *name);
int bpf_object__find_map_fd_by_name(const struct bpf_object *object, const char *name);
struct bpf_program *bpf_object__find_program_by_name(const struct bpf_object *object, const char *name);
struct bpf_map *bpf_object__next_map(const struct bpf_object *object, const struct bpf_map *before);
struct bpf_program *bpf_object__next_program(const struct bpf_object *object, struct bpf_program *before);
#define bpf_object__for_each_program(AT, OBJECT)                         \
  for ((AT) = bpf_object__next_program((OBJECT), NULL); (AT) != NULL;    \
       (AT) = bpf_object__next_program((OBJECT), (AT)))
#define bpf_object__for_each_map(AT, OBJECT)                      \
  for ((AT) = bpf_object__next_map((OBJECT), NULL); (AT) != NULL; \
       (AT) = bpf_object__next_map((OBJECT), (AT)))

/* --- Programs, links --- */

const char *bpf_program__name(const struct bpf_program *program);
const char *bpf_program__section_name(const struct bpf_program *program);
int bpf_program__fd(const struct bpf_program *program);
bool bpf_program__autoload(const struct bpf_program *program);
int bpf_program__set_autoload(struct bpf_program *program, bool load);
bool bpf_program__autoattach(const struct bpf_program *program);
void bpf_program__set_autoattach(struct bpf_program *program, bool attach);

struct bpf_uprobe_opts {
  size_t sz;
  size_t ref_ctr_offset;
  uint64_t bpf_cookie;
  bool retprobe;
  const char *func_name;
};
struct bpf_link *bpf_program__attach(const struct bpf_program *program);
struct bpf_link *bpf_program__attach_uprobe(const struct bpf_program *program, bool is_return, pid_t pid,
                                            const char *binary, size_t offset);
struct bpf_link *bpf_program__attach_uprobe_opts(const struct bpf_program *program, pid_t pid,
                                                 const char *binary, size_t offset,
                                                 const struct bpf_uprobe_opts *options);
struct bpf_link *bpf_program__attach_perf_event(const struct bpf_program *program, int event);
struct bpf_link *bpf_program__attach_cgroup(const struct bpf_program *program, int cgroup);
struct bpf_link *bpf_program__attach_netns(const struct bpf_program *program, int netns);
struct bpf_link *bpf_program__attach_xdp(const struct bpf_program *program, int interface);
struct bpf_iter_attach_opts;
struct bpf_link *bpf_program__attach_iter(const struct bpf_program *program,
                                          const struct bpf_iter_attach_opts *options);
int bpf_link__fd(const struct bpf_link *link);
int bpf_link__detach(struct bpf_link *link);
int bpf_link__destroy(struct bpf_link *link);

/* --- Maps --- */

const char *bpf_map__name(const struct bpf_map *map);
int bpf_map__fd(const struct bpf_map *map);
uint32_t bpf_map__key_size(const struct bpf_map *map);
uint32_t bpf_map__value_size(const struct bpf_map *map);
uint32_t bpf_map__max_entries(const struct bpf_map *map);
uint32_t bpf_map__map_flags(const struct bpf_map *map);
int bpf_map__set_max_entries(struct bpf_map *map, uint32_t max_entries);
void *bpf_map__initial_value(const struct bpf_map *map, size_t *size);
int bpf_map__set_initial_value(struct bpf_map *map, const void *value, size_t size);
int bpf_map__lookup_elem(const struct bpf_map *map, const void *key, size_t key_size, void *value,
                         size_t value_size, uint64_t flags);
int bpf_map__update_elem(const struct bpf_map *map, const void *key, size_t key_size, const void *value,
                         size_t value_size, uint64_t flags);
int bpf_map__delete_elem(const struct bpf_map *map, const void *key, size_t key_size, uint64_t flags);
int bpf_map__get_next_key(const struct bpf_map *map, const void *key, void *next, size_t key_size);

/* By descriptor, as in <bpf/bpf.h>: of any map of the engine. */
int bpf_map_lookup_elem(int fd, const void *key, void *value);
int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags);
int bpf_map_delete_elem(int fd, const void *key);
int bpf_map_get_next_key(int fd, const void *key, void *next);
int bpf_map_lookup_and_delete_elem(int fd, const void *key, void *value);
int bpf_iter_create(int link);
struct bpf_test_run_opts {
  size_t sz;
  const void *data_in;
  void *data_out;
  uint32_t data_size_in, data_size_out;
  const void *ctx_in;
  void *ctx_out;
  uint32_t ctx_size_in, ctx_size_out;
  uint32_t retval;
  int repeat;
  uint32_t duration, flags, cpu, batch_size;
};
int bpf_prog_test_run_opts(int program, struct bpf_test_run_opts *options);

/* --- Events --- */

typedef int (*ring_buffer_sample_fn)(void *context, void *data, size_t size);
struct ring_buffer_opts {
  size_t sz;
};
struct ring_buffer *ring_buffer__new(int map, ring_buffer_sample_fn callback, void *context,
                                     const struct ring_buffer_opts *options);
int ring_buffer__add(struct ring_buffer *rings, int map, ring_buffer_sample_fn callback, void *context);
int ring_buffer__poll(struct ring_buffer *rings, int timeout_ms);
int ring_buffer__consume(struct ring_buffer *rings);
void ring_buffer__free(struct ring_buffer *rings);

typedef void (*perf_buffer_sample_fn)(void *context, int cpu, void *data, uint32_t size);
typedef void (*perf_buffer_lost_fn)(void *context, int cpu, unsigned long long count);
struct perf_buffer_opts {
  size_t sz;
  uint32_t sample_period;
};
struct perf_buffer *perf_buffer__new(int map, size_t pages, perf_buffer_sample_fn sample,
                                     perf_buffer_lost_fn lost, void *context,
                                     const struct perf_buffer_opts *options);
int perf_buffer__poll(struct perf_buffer *buffer, int timeout_ms);
int perf_buffer__consume(struct perf_buffer *buffer);
void perf_buffer__free(struct perf_buffer *buffer);

/* --- Skeletons: what `skep skeleton --lang c` and bpftool write --- */

struct bpf_map_skeleton {
  const char *name;
  struct bpf_map **map;
  void **mmaped;
  struct bpf_link **link;
};
struct bpf_prog_skeleton {
  const char *name;
  struct bpf_program **prog;
  struct bpf_link **link;
};
struct bpf_object_skeleton {
  size_t sz;
  const char *name;
  const void *data;
  size_t data_sz;
  struct bpf_object **obj;
  int map_cnt, map_skel_sz;
  struct bpf_map_skeleton *maps;
  int prog_cnt, prog_skel_sz;
  struct bpf_prog_skeleton *progs;
};
int bpf_object__open_skeleton(struct bpf_object_skeleton *skeleton,
                              const struct bpf_object_open_opts *options);
int bpf_object__load_skeleton(struct bpf_object_skeleton *skeleton);
int bpf_object__attach_skeleton(struct bpf_object_skeleton *skeleton);
void bpf_object__detach_skeleton(struct bpf_object_skeleton *skeleton);
void bpf_object__destroy_skeleton(struct bpf_object_skeleton *skeleton);

/* --- skep's own --- */

const char *skep_engine_name(void); /* "kernel", "user"; NULL with errno where there is none */
/* User engine: starts argv (NULL at its end) under observation; its process id, or -errno. */
int skep_launch(char *const argv[]);
/* Lets it go on for at most that long; 1 and its status once it has ended, else 0. */
int skep_step(int timeout_ms, int *status);

#ifdef __cplusplus
}
#endif
#endif
