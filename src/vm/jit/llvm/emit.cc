#include "vm/jit/llvm/emit.h"

#include <llvm/Analysis/TargetLibraryInfo.h>
#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/DebugInfo/DWARF/DWARFContext.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/Linker/Linker.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/SROA.h>
#include <llvm/Transforms/Utils/Mem2Reg.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "vm/jit/llvm/translate.h"

extern "C" {
extern const char skep_load_packet_bc[], skep_load_packet_bc_end[];
extern const char skep_hash_lookup_bc[], skep_hash_lookup_bc_end[];
}

namespace skep::jit::optimising {

const std::string& target_features() {
  static const std::string features =
      "-sse,-sse2,-mmx,-x87,-avx,+soft-float,+cmov" + optimiser_features();
  return features;
}

std::unique_ptr<llvm::TargetMachine> make_target(std::string& error) {
  const std::string triple = "x86_64-unknown-linux-gnu";
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (target == nullptr) return nullptr;
  llvm::TargetOptions options;
  options.FunctionSections = false;
  options.DataSections = false;
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(triple, "x86-64", target_features(), options, llvm::Reloc::PIC_,
                                  llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default));
}

bool link_inlined(llvm::Module& module, std::string& error) {
  struct Blob {
    const char *name, *begin, *end;
  };
  const Blob blobs[] = {
      {"skep_load_packet", skep_load_packet_bc, skep_load_packet_bc_end},
      {"skep_hash_lookup", skep_hash_lookup_bc, skep_hash_lookup_bc_end},
  };
  for (const Blob& blob : blobs) {
    if (module.getFunction(blob.name) == nullptr) continue;
    llvm::MemoryBufferRef bytes(
        llvm::StringRef(blob.begin, static_cast<size_t>(blob.end - blob.begin)), blob.name);
    auto read = llvm::parseBitcodeFile(bytes, module.getContext());
    if (!read) {
      error = llvm::toString(read.takeError());
      return false;
    }
    (*read)->setDataLayout(module.getDataLayout());
    (*read)->setTargetTriple(module.getTargetTriple());
    std::vector<std::string> names;
    for (llvm::Function& function : **read)
      if (!function.isDeclaration()) names.push_back(function.getName().str());
    if (llvm::Linker::linkModules(module, std::move(*read))) {
      error = std::string("linking the bitcode of ") + blob.name;
      return false;
    }
    // Whole: what they call of each other is chosen by arguments that are constants here.
    for (const std::string& name : names) {
      llvm::Function* function = module.getFunction(name);
      if (function == nullptr) continue;
      function->setComdat(nullptr);
      function->setLinkage(llvm::GlobalValue::InternalLinkage);
      function->removeFnAttr(llvm::Attribute::NoInline);
      function->addFnAttr(llvm::Attribute::AlwaysInline);
    }
  }
  // General registers only: whoever runs a program (the agent, in a signal or a probe) saves no others. No red
  // zone, so that nothing lies below the stack pointer where a probe's own frames go.
  for (llvm::Function& function : module) {
    if (function.isDeclaration()) continue;
    for (const char* name :
         {"target-cpu", "target-features", "tune-cpu", "frame-pointer",
          "stack-protector-buffer-size", "no-trapping-math", "min-legal-vector-width"})
      function.removeFnAttr(name);
    function.removeFnAttr(llvm::Attribute::UWTable);
    function.removeFnAttr(llvm::Attribute::MustProgress);
    function.addFnAttr("target-features", target_features());
    function.addFnAttr(llvm::Attribute::NoUnwind);
    function.addFnAttr(llvm::Attribute::NoRedZone);
    function.addFnAttr(llvm::Attribute::NoImplicitFloat);
  }
  return true;
}

void optimise(llvm::Module& module, llvm::TargetMachine& target) {
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  tuning.LoopInterleaving = false;
  tuning.LoopUnrolling = true;
  llvm::PassBuilder builder(&target, tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graph;
  llvm::ModuleAnalysisManager modules;
  // There is no C library: no loop may become a call of it.
  llvm::TargetLibraryInfoImpl library(llvm::Triple(module.getTargetTriple()));
  library.disableAllFunctions();
  functions.registerPass([&] { return llvm::TargetLibraryAnalysis(library); });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graph, modules);
  llvm::ModulePassManager passes;
  // Registers become values before anything looks at the stack: dead conversions would make its address escape.
  llvm::FunctionPassManager first;
  first.addPass(llvm::PromotePass());
  first.addPass(llvm::InstCombinePass());
  first.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  passes.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(first)));
  passes.addPass(builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2));
  passes.run(module, modules);
}

namespace {

// What code generation may call where an intrinsic is too large to write out.
void add_memory_functions(llvm::Module& module) {
  bool needed = false;
  for (llvm::Function& function : module)
    for (llvm::BasicBlock& block : function)
      for (llvm::Instruction& insn : block) needed |= llvm::isa<llvm::MemIntrinsic>(insn);
  if (!needed) return;
  llvm::IRBuilder<> b(module.getContext());
  auto make = [&](const char* name, llvm::Type* second, const char* text) {
    auto* type =
        llvm::FunctionType::get(b.getPtrTy(), {b.getPtrTy(), second, b.getInt64Ty()}, false);
    auto* function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name, module);
    function->setVisibility(llvm::GlobalValue::HiddenVisibility);
    function->addFnAttr("target-features", target_features());
    function->addFnAttr(llvm::Attribute::NoRedZone);
    function->addFnAttr(llvm::Attribute::NoUnwind);
    function->addFnAttr(llvm::Attribute::NoBuiltin);
    b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "", function));
    auto* asm_type =
        llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy(), second, b.getInt64Ty()}, false);
    const bool fill = second->isIntegerTy();
    b.CreateCall(
        asm_type,
        llvm::InlineAsm::get(asm_type, text,
                             fill ? "{di},{ax},{cx},~{di},~{cx},~{memory},~{flags}"
                                  : "{di},{si},{cx},~{di},~{si},~{cx},~{r8},~{memory},~{flags}",
                             true),
        {function->getArg(0), function->getArg(1), function->getArg(2)});
    b.CreateRet(function->getArg(0));
  };
  make("memset", b.getInt32Ty(), "rep stosb");
  make("memcpy", b.getPtrTy(), "rep movsb");
  make("memmove", b.getPtrTy(),
       "movq %rdi, %r8\nsubq %rsi, %r8\ncmpq %rcx, %r8\njb 1f\nrep movsb\njmp 2f\n1: leaq "
       "-1(%rdi,%rcx), %rdi\nleaq -1(%rsi,%rcx), %rsi\nstd\nrep movsb\ncld\n2:");
}

using Object = llvm::object::ELFObjectFile<llvm::object::ELF64LE>;

class Linker {
 public:
  Linker(const Object& object, Image& image, std::string& error)
      : object_(object), image_(image), error_(error) {}

  bool run() { return lay_out() && relocate() && find_entries(); }

 private:
  bool fail_with(std::string why) {
    if (error_.empty()) error_ = std::move(why);
    return false;
  }

  // Instructions, traps, constants.
  bool lay_out() {
    for (int pass = 0; pass < 2; ++pass) {
      for (const llvm::object::ELFSectionRef section : object_.sections()) {
        auto name = section.getName();
        if (!name) return fail_with("a section without a name");
        const bool allocated = (section.getFlags() & llvm::ELF::SHF_ALLOC) != 0;
        if (!allocated || *name == kFaultSection || section.getSize() == 0 ||
            section.isText() != (pass == 0) || section.getType() == llvm::ELF::SHT_X86_64_UNWIND ||
            *name == ".eh_frame")
          continue;
        if ((section.getFlags() & llvm::ELF::SHF_WRITE) != 0 && !name->starts_with(".data.rel.ro"))
          return fail_with("a writable section, " + name->str());
        auto contents = section.getContents();
        if (!contents) return fail_with("a section without contents, " + name->str());
        const uint64_t align = std::max<uint64_t>(section.getAlignment().value(), 1);
        while (image_.bytes.size() % align != 0) image_.bytes.push_back(std::byte{0xcc});
        places_[section.getRawDataRefImpl().p] = image_.bytes.size();
        const auto* from = reinterpret_cast<const std::byte*>(contents->data());
        image_.bytes.insert(image_.bytes.end(), from, from + contents->size());
      }
      if (pass == 0) {
        image_.code_size = static_cast<uint32_t>(image_.bytes.size());
        for (int i = 0; i < 16; ++i) image_.bytes.push_back(std::byte{0xcc});
      }
    }
    return true;
  }

  // Where a symbol lies in the image; none: it is not of this object, or not kept.
  std::optional<uint64_t> place_of(const llvm::object::ELFSymbolRef& symbol) {
    auto section = symbol.getSection();
    if (!section) {
      llvm::consumeError(section.takeError());
      return std::nullopt;
    }
    if (*section == object_.section_end()) return std::nullopt;
    auto found = places_.find((*section)->getRawDataRefImpl().p);
    if (found == places_.end()) return std::nullopt;
    auto value = symbol.getValue();
    if (!value) {
      llvm::consumeError(value.takeError());
      return std::nullopt;
    }
    return found->second + *value;
  }

  bool relocate() {
    std::vector<uint32_t> faults;
    for (const llvm::object::ELFSectionRef section : object_.sections()) {
      auto target = section.getRelocatedSection();
      if (!target) {
        llvm::consumeError(target.takeError());
        continue;
      }
      if (*target == object_.section_end()) continue;
      auto name = (*target)->getName();
      if (!name) return fail_with("a section without a name");
      const bool is_faults = *name == kFaultSection;
      auto place = places_.find((*target)->getRawDataRefImpl().p);
      if (!is_faults && place == places_.end()) continue;  // .debug_*
      for (const llvm::object::ELFRelocationRef relocation : section.relocations()) {
        if (!(is_faults ? add_fault(relocation, faults) : apply(relocation, place->second)))
          return false;
      }
    }
    for (size_t i = 0; i + 1 < faults.size(); i += 2)
      image_.faults.push_back({.insn = faults[i], .fixup = faults[i + 1]});
    std::sort(image_.faults.begin(), image_.faults.end(),
              [](auto& a, auto& b) { return a.insn < b.insn; });
    return true;
  }

  bool add_fault(const llvm::object::ELFRelocationRef& relocation, std::vector<uint32_t>& faults) {
    const auto place = place_of(*relocation.getSymbol());
    auto addend = relocation.getAddend();
    if (!place || !addend) return fail_with("a fault table that names no code");
    const size_t index = relocation.getOffset() / 4;
    if (faults.size() <= index) faults.resize(index + 1);
    faults[index] = static_cast<uint32_t>(*place + static_cast<uint64_t>(*addend));
    return true;
  }

  bool apply(const llvm::object::ELFRelocationRef& relocation, uint64_t section) {
    const uint64_t at = section + relocation.getOffset();
    const llvm::object::ELFSymbolRef symbol = *relocation.getSymbol();
    auto addend = relocation.getAddend();
    auto name = symbol.getName();
    if (!addend || !name) return fail_with("a relocation without an addend or a name");
    const auto place = place_of(symbol);
    const uint64_t type = relocation.getType();
    const bool relative = type == llvm::ELF::R_X86_64_PC32 || type == llvm::ELF::R_X86_64_PLT32;
    if (place && (relative || type == llvm::ELF::R_X86_64_PC64)) {
      const uint64_t value = *place + static_cast<uint64_t>(*addend) - at;
      std::memcpy(image_.bytes.data() + at, &value, relative ? 4 : 8);
      return true;
    }
    struct Name {
      const char* prefix;
      ImageAddress what;
    };
    constexpr Name kNames[] = {{"skep_map_values_", ImageAddress::map_values},
                               {"skep_map_", ImageAddress::map},
                               {"skep_array_values_", ImageAddress::array_values},
                               {"skep_out_of_fuel_", ImageAddress::out_of_fuel},
                               {"skep_helper_table_", ImageAddress::helper_table},
                               {"skep_hash_buckets_", ImageAddress::hash_buckets},
                               {"skep_hash_elements_", ImageAddress::hash_elements},
                               {"skep_hash_seed_", ImageAddress::hash_seed},
                               {"skep_helper_", ImageAddress::helper},
                               {"skep_kfunc_", ImageAddress::kfunc}};
    for (const Name& row : kNames) {
      uint32_t index = 0;
      llvm::StringRef rest = *name;
      if (!rest.consume_front(row.prefix) || rest.getAsInteger(10, index)) continue;
      const bool is_table = row.what == ImageAddress::helper || row.what == ImageAddress::kfunc;
      if (is_table ? !relative : type != llvm::ELF::R_X86_64_64) break;
      image_.relocations.push_back({.at = static_cast<uint32_t>(at),
                                    .what = row.what,
                                    .index = index,
                                    .addend = static_cast<int32_t>(*addend)});
      return true;
    }
    return fail_with("a relocation of type " + std::to_string(type) + " to \"" + name->str() +
                     "\", which native code can't have");
  }

  bool find_entries() {
    bool entry = false, tail = false;
    for (const llvm::object::ELFSymbolRef symbol : object_.symbols()) {
      auto name = symbol.getName();
      if (!name) {
        llvm::consumeError(name.takeError());
        continue;
      }
      const auto place = place_of(symbol);
      if (!place) continue;
      if (*name == kEntryName) image_.entry = static_cast<uint32_t>(*place), entry = true;
      if (*name == kTailName) image_.tail_entry = static_cast<uint32_t>(*place), tail = true;
    }
    return entry && tail ? true : fail_with("an object without its entry points");
  }

  const Object& object_;
  Image& image_;
  std::string& error_;
  std::map<uintptr_t, uint64_t> places_;
};

// A line is an instruction's number + 1.
void read_lines(const Object& object, Image& image) {
  auto context = llvm::DWARFContext::create(object);
  for (const auto& unit : context->compile_units()) {
    const llvm::DWARFDebugLine::LineTable* table = context->getLineTableForUnit(unit.get());
    if (table == nullptr) continue;
    for (const auto& row : table->Rows) {
      const auto offset = static_cast<uint32_t>(row.Address.Address);
      if (offset > image.code_size) continue;
      image.lines.push_back(
          {.offset = offset, .insn = row.EndSequence || row.Line == 0 ? kNoInsn : row.Line - 1});
    }
  }
  std::stable_sort(image.lines.begin(), image.lines.end(),
                   [](auto& a, auto& b) { return a.offset < b.offset; });
}

}  // namespace

bool emit(llvm::Module& module, llvm::TargetMachine& target, Image& image, std::string& error) {
  add_memory_functions(module);
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream out(bytes);
  llvm::legacy::PassManager passes;
  if (target.addPassesToEmitFile(passes, out, nullptr, llvm::CodeGenFileType::ObjectFile)) {
    error = "LLVM makes no object files for this machine";
    return false;
  }
  passes.run(module);
  auto object = llvm::object::ObjectFile::createELFObjectFile(
      llvm::MemoryBufferRef(llvm::StringRef(bytes.data(), bytes.size()), "program"));
  if (!object) {
    error = llvm::toString(object.takeError());
    return false;
  }
  const auto* elf = llvm::dyn_cast<Object>(object->get());
  if (elf == nullptr) {
    error = "an object that is not ELF";
    return false;
  }
  if (!Linker(*elf, image, error).run()) return false;
  read_lines(*elf, image);
  return true;
}

}  // namespace skep::jit::optimising
