// UprobeTable: the controlling side of uprobes and uretprobes. Plans sites and publishes them in the hive's
// control segment (probe_record.h), where the agents of traced processes read them.
//
// An agent patches a site when it maps the site's file. So a site that is added is seen by images and
// mappings made from then on; a program that is added to, or taken from, a site that is patched
// already, at once.
//
// Not thread-safe. Limits, each an error of attach(): 512 sites, 16 programs a site, 512 semaphores.
#pragma once

#include <sys/stat.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/hive.h"
#include "base/result.h"
#include "hooks/elf_symbols.h"
#include "hooks/probe_plan.h"
#include "hooks/probe_record.h"
#include "object/prog_header.h"

namespace skep::hooks {

struct UprobeSpec {
  std::string path;          // of the probed file
  uint64_t file_offset = 0;  // of the probed instruction; find_place() gives it for a name
  uint32_t when = kOnEntry;  // kOnEntry | kOnReturn, kSession
  const ProgHeader* program = nullptr;  // in the control segment
  uint64_t cookie = 0;
  uint32_t link = 0;              // shown with it
  uint64_t semaphore_offset = 0;  // of the u16 to count up in processes that map the file; 0: none
  bool breakpoint_only = false;   // int3 even where a jump would do: for tests and comparison
};

struct UprobeInfo {
  std::string path;
  std::string function;  // its symbol and offset, where it has one
  uint64_t file_offset = 0;
  bool by_jump = false;
  std::string why_breakpoint;
  ProbeStatus status;  // as traced processes report it: to be shown, not trusted
};

class UprobeTable {
 public:
  // The hive must outlive it.
  [[nodiscard]] static Result<std::unique_ptr<UprobeTable>> create(Hive& hive);
  ~UprobeTable();
  UprobeTable(const UprobeTable&) = delete;
  UprobeTable& operator=(const UprobeTable&) = delete;

  // A handle for detach() and info(). ENOENT, ENOEXEC: the file; EINVAL: no instruction there, or a return
  // probe elsewhere than at a function's start; ENOTSUP: can't be probed, with the reason; ENOSPC: limits.
  [[nodiscard]] Result<uint32_t> attach(const UprobeSpec& spec);
  // Programs stop running at once (a bee may still be in one: Hive::synchronize before freeing it). The
  // text stays patched until the processes end or are detached from.
  void detach(uint32_t handle);
  [[nodiscard]] UprobeInfo info(uint32_t handle) const;

 private:
  struct File {
    ElfImage image;
    struct stat status;
  };
  struct Site {
    std::string path, function, why_breakpoint;
  };
  struct Handle {
    uint32_t site = 0, attachment = 0;
  };

  explicit UprobeTable(Hive& hive) : hive_(hive) {}
  [[nodiscard]] Result<const File*> open(const std::string& path);
  // The site at an instruction, made where there is none.
  [[nodiscard]] Result<uint32_t> find_or_make(const std::string& path, const File& file,
                                              const Place& place, ProbeRole role,
                                              bool breakpoint_only);
  // Sites in the unwinders that programs carry or load, so that they see real return addresses.
  void watch_unwinders(const std::string& path, const File& file);
  void watch_unwinders_of(const std::string& path);
  [[nodiscard]] Result<> add_semaphore(const File& file, const std::string& path, uint64_t offset);

  Hive& hive_;
  ProbeTable* table_ = nullptr;
  void* status_ = nullptr;
  std::map<std::string, std::unique_ptr<File>> files_;
  std::vector<Site> sites_;  // as table_->sites
  std::map<uint32_t, Handle> handles_;
  uint32_t next_handle_ = 1;
  std::vector<std::string> watched_;  // files whose unwinders have their sites
};

}  // namespace skep::hooks
