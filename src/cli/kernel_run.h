// skep run on the kernel engine: until COMMAND ends, or until Ctrl-C.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/script.h"
#include "loader/loader.h"

namespace skep::cli {

struct KernelRunOptions {
  loader::LoadOptions load;
  loader::AttachOptions attach;
  bool json = false, verbose = false;
};

// How a refused program is told; as the user engine does.
int report_load_error(const loader::LoadError& error, const std::string& file, bool json);

// `command` may be empty. Gives COMMAND's status, or 0 after Ctrl-C.
int run_on_kernel(std::unique_ptr<object::Object> object, const KernelRunOptions& options,
                  const std::vector<std::string>& command,
                  const std::vector<lang::ShownMap>& shown);

}  // namespace skep::cli
