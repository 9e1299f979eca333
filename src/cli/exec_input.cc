#include "cli/exec_input.h"

#include <pcap/pcap.h>

#include <cctype>
#include <memory>

#include "base/fd.h"

namespace skep::cli {
namespace {

bool is_capture(const Bytes& bytes) {
  if (bytes.size() < 4) return false;
  auto magic = load<uint32_t>(bytes.data());
  for (uint32_t known : {0xa1b2c3d4u, 0xd4c3b2a1u, 0xa1b23c4du, 0x4d3cb2a1u, 0x0a0d0d0au}) {
    if (magic == known) return true;
  }
  return false;
}

std::expected<std::vector<Bytes>, Failure> read_capture(const std::string& path) {
  char message[PCAP_ERRBUF_SIZE] = {};
  std::unique_ptr<pcap_t, decltype(&pcap_close)> capture(pcap_open_offline(path.c_str(), message),
                                                         pcap_close);
  if (!capture) return failure(kBadInput, Error(EINVAL, fmt::format("{}: {}", path, message)));
  if (pcap_datalink(capture.get()) != DLT_EN10MB) {
    return failure(
        kBadInput,
        Error(EINVAL, fmt::format("{}: link type {}, expected EN10MB (Ethernet)", path,
                                  pcap_datalink_val_to_name(pcap_datalink(capture.get())))));
  }
  std::vector<Bytes> packets;
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  int got = 0;
  while ((got = pcap_next_ex(capture.get(), &header, &data)) == 1) {
    const auto* bytes = reinterpret_cast<const std::byte*>(data);
    packets.emplace_back(bytes, bytes + header->caplen);
  }
  if (got == PCAP_ERROR)
    return failure(kBadInput,
                   Error(EINVAL, fmt::format("{}: {}", path, pcap_geterr(capture.get()))));
  return packets;
}

}  // namespace

std::expected<Bytes, Failure> read_bytes(const std::string& text, std::string_view what) {
  Bytes bytes;
  unsigned digits = 0, value = 0;
  bool is_hex = !text.empty();
  for (char c : text.starts_with("0x") ? text.substr(2) : text) {
    if (c == ' ' || c == ':') {
      is_hex &= digits % 2 == 0;
      continue;
    }
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0) {
      is_hex = false;
      break;
    }
    value = value << 4 |
            static_cast<unsigned>(std::isdigit(static_cast<unsigned char>(c)) != 0
                                      ? c - '0'
                                      : std::tolower(static_cast<unsigned char>(c)) - 'a' + 10);
    if (++digits % 2 == 0) bytes.push_back(static_cast<std::byte>(value & 0xff));
  }
  if (is_hex && digits % 2 == 0) return bytes;
  auto file = read_file(text);
  if (file) return *file;
  if (is_hex) {
    return failure(
        kUsage,
        Error(EINVAL, fmt::format("{} {}: {} hexadecimal digits, an even number was expected", what,
                                  text, digits)));
  }
  return failure(
      exit_for(file.error(), kNoInput),
      Error(file.error()).within(std::string(what)).with_hint("give hexadecimal bytes, or a file"));
}

std::expected<std::vector<Bytes>, Failure> read_packets(const std::string& text) {
  auto bytes = read_bytes(text, "--data");
  if (!bytes) return std::unexpected(bytes.error());
  if (is_capture(*bytes)) return read_capture(text);
  return std::vector<Bytes>{std::move(*bytes)};
}

std::string hex_of(const Bytes& bytes) {
  std::string text;
  for (std::byte byte : bytes) text += fmt::format("{:02x}", static_cast<uint8_t>(byte));
  return text;
}

}  // namespace skep::cli
