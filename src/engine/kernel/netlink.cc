#include "engine/kernel/netlink.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "base/fd.h"
#include "spec/lookup.h"

namespace skep::engine::kernel {

namespace {

// A request as it grows: header, family header, attributes.
class Request {
 public:
  template <class Header>
  Request(uint16_t type, uint16_t flags, const Header& header) {
    nlmsghdr message{};
    message.nlmsg_type = type;
    message.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    message.nlmsg_seq = 1;
    append(&message, sizeof message);
    append(&header, sizeof header);
  }
  void attribute(uint16_t type, const void* data, size_t size) {
    const rtattr header{static_cast<uint16_t>(sizeof(rtattr) + size), type};
    append(&header, sizeof header);
    append(data, size);
  }
  template <class T>
  void attribute(uint16_t type, const T& value) {
    attribute(type, &value, sizeof value);
  }
  void text(uint16_t type, const std::string& value) {
    attribute(type, value.c_str(), value.size() + 1);
  }
  size_t begin_nested(uint16_t type) {
    const size_t at = bytes_.size();
    const rtattr header{sizeof(rtattr), type};
    append(&header, sizeof header);
    return at;
  }
  void end_nested(size_t at) {
    const auto size = static_cast<uint16_t>(bytes_.size() - at);
    std::memcpy(bytes_.data() + at, &size, sizeof size);
  }

  // The kernel's answer: an acknowledgement, and the object where NLM_F_ECHO asked for it.
  Result<std::vector<char>> send() {
    const auto size = static_cast<uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &size, sizeof size);
    Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket) return fail_errno(errno, "netlink socket");
    if (::send(socket.get(), bytes_.data(), bytes_.size(), 0) < 0)
      return fail_errno(errno, "netlink");
    std::vector<char> echoed;
    std::vector<char> buffer(1 << 15);
    while (true) {
      const ssize_t count = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
      if (count < 0) return fail_errno(errno, "netlink");
      auto left = static_cast<size_t>(count);
      for (auto* message = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(message, left);
           message = NLMSG_NEXT(message, left)) {
        if (message->nlmsg_type == NLMSG_ERROR) {
          const int error = -static_cast<const nlmsgerr*>(NLMSG_DATA(message))->error;
          if (error != 0) return fail_errno(error, "netlink");
          return echoed;
        }
        const auto* begin = reinterpret_cast<const char*>(message);
        echoed.assign(begin, begin + message->nlmsg_len);
      }
    }
  }

 private:
  void append(const void* data, size_t size) {
    const auto* begin = static_cast<const char*>(data);
    bytes_.insert(bytes_.end(), begin, begin + size);
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
  }
  std::vector<char> bytes_;
};

}  // namespace

Result<uint32_t> interface_index(const std::string& name) {
  if (const unsigned index = ::if_nametoindex(name.c_str()); index != 0) return index;
  std::string known;
  if (struct if_nameindex* all = ::if_nameindex()) {
    for (const auto* each = all; each->if_index != 0; ++each)
      known += fmt::format(" {}", each->if_name);
    ::if_freenameindex(all);
  }
  return std::unexpected(Error(ENODEV, fmt::format("there is no network interface \"{}\"", name))
                             .with_hint("this network namespace has:" + known));
}

Result<> set_xdp(uint32_t interface, int prog_fd) {
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(interface);
  Request request(RTM_SETLINK, 0, header);
  const size_t nested = request.begin_nested(NLA_F_NESTED | IFLA_XDP);
  request.attribute(IFLA_XDP_FD, prog_fd);
  request.attribute(IFLA_XDP_FLAGS, uint32_t{prog_fd >= 0 ? XDP_FLAGS_UPDATE_IF_NOEXIST : 0u});
  request.end_nested(nested);
  SKEP_TRY(answer, request.send());
  (void)answer;
  return {};
}

Result<TcFilter> add_tc_filter(uint32_t interface, bool egress, int prog_fd,
                               const std::string& name) {
  tcmsg header{};
  header.tcm_ifindex = static_cast<int>(interface);
  header.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
  header.tcm_parent = TC_H_CLSACT;
  {
    Request request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, header);
    request.text(TCA_KIND, "clsact");
    auto made = request.send();
    if (!made && made.error().code() == ENOENT)
      return std::unexpected(Error(ENOTSUP, "this kernel has no queueing discipline clsact")
                                 .with_hint("modprobe sch_ingress cls_bpf"));
    if (!made && made.error().code() != EEXIST) return fail(made, "clsact");
  }
  TcFilter filter;
  filter.interface = interface;
  filter.parent = TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
  header.tcm_handle = 0;
  header.tcm_parent = filter.parent;
  header.tcm_info = TC_H_MAKE(0, htons(ETH_P_ALL));
  Request request(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO, header);
  request.text(TCA_KIND, "bpf");
  const size_t nested = request.begin_nested(TCA_OPTIONS);
  request.attribute(TCA_BPF_FD, prog_fd);
  request.text(TCA_BPF_NAME, name);
  request.attribute(TCA_BPF_FLAGS, uint32_t{TCA_BPF_FLAG_ACT_DIRECT});
  request.end_nested(nested);
  SKEP_TRY(echo, request.send());
  if (echo.size() < sizeof(nlmsghdr) + sizeof(tcmsg))
    return fail(EPROTO, "TC filter: the kernel did not say which it made");
  tcmsg made{};
  std::memcpy(&made, echo.data() + NLMSG_HDRLEN, sizeof made);
  filter.handle = made.tcm_handle;
  filter.priority = TC_H_MAJ(made.tcm_info) >> 16;
  return filter;
}

Result<> remove_tc_filter(const TcFilter& filter) {
  tcmsg header{};
  header.tcm_ifindex = static_cast<int>(filter.interface);
  header.tcm_handle = filter.handle;
  header.tcm_parent = filter.parent;
  header.tcm_info = TC_H_MAKE(filter.priority << 16, htons(ETH_P_ALL));
  Request request(RTM_DELTFILTER, 0, header);
  request.text(TCA_KIND, "bpf");
  SKEP_TRY(answer, request.send());
  (void)answer;
  return {};
}

}  // namespace skep::engine::kernel
