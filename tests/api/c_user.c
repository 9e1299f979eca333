/* A C program's half of the test: the C skeleton, as a libbpf program would use it. Each function gives 0, or the line
 * at which something was not as expected. */
#include "counter.skel.h"

#include <bpf/bpf.h>
#include <string.h>

#include "c_user.h"

#define EXPECT(CONDITION) \
  do {                    \
    if (!(CONDITION)) {   \
      result = __LINE__;  \
      goto out;           \
    }                     \
  } while (0)

struct seen {
  int count;
  unsigned long long total;
};

static int on_event(void *context, void *data, size_t size) {
  struct seen *seen = context;
  if (size < 16) return -1;
  seen->count++;
  memcpy(&seen->total, (char *)data + 8, sizeof seen->total);
  return 0;
}

int c_skeleton_opens_loads_runs(void) {
  int result = 0, key = 60;
  char packet[14 + 60] = {0}; /* a socket filter sees what is behind the Ethernet header */
  char value[16];
  struct seen seen = {0, 0};
  struct ring_buffer *rings = NULL;
  struct counter_bpf *counter = counter_bpf__open();
  LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof packet, .repeat = 3);

  EXPECT(counter != NULL);
  EXPECT(counter->rodata->step == 1 && counter->data->first == 7 && counter->data_custom->elsewhere == 9);
  EXPECT(bpf_map__fd(counter->maps.by_length) < 0);
  EXPECT(!bpf_program__autoload(counter->progs.optional));
  counter->rodata->step = 5;
  counter->data_custom->elsewhere = 42;
  EXPECT(bpf_map__set_max_entries(counter->maps.by_length, 128) == 0);
  EXPECT(counter_bpf__load(counter) == 0);
  EXPECT(bpf_map__max_entries(counter->maps.by_length) == 128);
  EXPECT(bpf_program__fd(counter->progs.count) >= 0 && bpf_program__fd(counter->progs.optional) < 0);
  EXPECT(counter_bpf__attach(counter) == 0);

  rings = ring_buffer__new(bpf_map__fd(counter->maps.events), on_event, &seen, NULL);
  EXPECT(rings != NULL);
  EXPECT(bpf_prog_test_run_opts(bpf_program__fd(counter->progs.count), &run) == 0);
  EXPECT(run.retval == 42);
  EXPECT(counter->bss->total == 15);
  EXPECT(counter->bss->marks[1] == 7 && counter->bss->behind_hidden == 6);
  EXPECT(ring_buffer__poll(rings, 1000) == 3);
  EXPECT(seen.count == 3 && seen.total == 15);

  EXPECT(bpf_map__lookup_elem(counter->maps.by_length, &key, sizeof key, value, sizeof value, 0) == 0);
  EXPECT(bpf_map_delete_elem(bpf_map__fd(counter->maps.by_length), &key) == 0);
  EXPECT(bpf_map_lookup_elem(bpf_map__fd(counter->maps.by_length), &key, value) < 0 && errno == ENOENT);
  EXPECT(bpf_map__get_next_key(counter->maps.by_length, NULL, &key, sizeof key) == -ENOENT);
out:
  ring_buffer__free(rings);
  counter_bpf__destroy(counter);
  return result;
}

int c_objects_are_walked_by_name_and_order(void) {
  int result = 0, maps = 0, programs = 0;
  size_t size;
  struct bpf_map *map;
  struct bpf_program *program;
  const void *bytes = counter_bpf__elf_bytes(&size);
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "mine");
  struct bpf_object *object = bpf_object__open_mem(bytes, size, &options);

  EXPECT(object != NULL && strcmp(bpf_object__name(object), "mine") == 0);
  bpf_object__for_each_map(map, object) maps++;
  bpf_object__for_each_program(program, object) programs++;
  EXPECT(maps == 6 && programs == 2);
  EXPECT(bpf_object__find_map_by_name(object, "mine.rodata") == bpf_object__find_map_by_name(object, ".rodata"));
  EXPECT(bpf_object__find_map_by_name(object, "none") == NULL && errno == ENOENT);
  program = bpf_object__find_program_by_name(object, "count");
  EXPECT(program != NULL && strcmp(bpf_program__section_name(program), "socket") == 0);
  EXPECT(bpf_object__open_mem("no ELF", 6, NULL) == NULL && errno == ENOEXEC);
out:
  bpf_object__close(object);
  return result;
}
