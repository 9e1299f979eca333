/* The same with libbpf's names. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>

int main(int count, char **arguments) {
  char packet[14 + 60] = {0};
  LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof packet);
  struct bpf_object *object = count > 1 ? bpf_object__open_file(arguments[1], NULL) : NULL;
  if (!object || bpf_object__load(object)) return fprintf(stderr, "not loaded\n"), 1;
  if (bpf_prog_test_run_opts(bpf_program__fd(bpf_object__find_program_by_name(object, "count")), &run)) return 1;
  printf("C: %u\n", run.retval);
  bpf_object__close(object);
  return 0;
}
