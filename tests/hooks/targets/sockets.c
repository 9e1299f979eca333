// Binds, connects and looks at what became of it. Arguments: DOMAIN (4 or 6) TYPE (stream or dgram) PORT.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int domain;

static socklen_t loopback(struct sockaddr_storage* out, int port) {
  memset(out, 0, sizeof *out);
  if (domain == AF_INET) {
    struct sockaddr_in* in = (struct sockaddr_in*)out;
    in->sin_family = AF_INET;
    in->sin_port = htons((unsigned short)port);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sizeof *in;
  }
  struct sockaddr_in6* in = (struct sockaddr_in6*)out;
  in->sin6_family = AF_INET6;
  in->sin6_port = htons((unsigned short)port);
  in->sin6_addr = in6addr_loopback;
  return sizeof *in;
}
static int port_of(int fd) {
  struct sockaddr_storage name;
  socklen_t size = sizeof name;
  if (getsockname(fd, (struct sockaddr*)&name, &size) != 0) return -1;
  return ntohs(domain == AF_INET ? ((struct sockaddr_in*)&name)->sin_port
                                 : ((struct sockaddr_in6*)&name)->sin6_port);
}
static void report(const char* what, int result) {
  printf("%s %s\n", what, result >= 0 ? "ok" : strerrorname_np(errno));
}
static int option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  getsockopt(fd, level, name, &value, &size);
  return value;
}

int main(int argc, char** argv) {
  close_range(3, ~0u, 0);  // what the test runner left open
  if (argc != 4) return 2;
  domain = argv[1][0] == '4' ? AF_INET : AF_INET6;
  int type = argv[2][0] == 's' ? SOCK_STREAM : SOCK_DGRAM;
  int port = atoi(argv[3]);
  int fd = socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  report("socket", fd);
  if (fd < 0) return 1;
  int one = 1, big = 65536;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof big);
  struct sockaddr_storage address;
  socklen_t size = loopback(&address, port);
  struct sockaddr_storage copy = address;
  report("bind", bind(fd, (struct sockaddr*)&address, size));
  printf("argument %s\n", memcmp(&copy, &address, sizeof copy) == 0 ? "kept" : "changed");
  printf("port %d\n", port_of(fd));
  printf("options %d %d %d %d\n", option(fd, SOL_SOCKET, SO_REUSEADDR), option(fd, SOL_SOCKET, SO_RCVBUF),
         (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  if (port_of(fd) == 0) {
    size = loopback(&address, 0);
    report("bind any", bind(fd, (struct sockaddr*)&address, size));
    printf("port %s\n", port_of(fd) > 0 ? "given" : "none");
  }
  // A descriptor more would show one that the agent forgot.
  printf("next descriptor %d\n", dup(0));
  int peer = socket(domain, type, 0);
  size = loopback(&address, port_of(fd));
  if (type == SOCK_STREAM) listen(fd, 1);
  report("connect", connect(peer, (struct sockaddr*)&address, size));
  int local = socket(AF_UNIX, SOCK_STREAM, 0);
  report("unix", local);
  return 0;
}
