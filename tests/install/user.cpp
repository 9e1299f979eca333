// A program outside of the tree: opens an object, runs it on the user engine and reads a map.
#include <skep/skep.hpp>

#include <cstdio>

int main(int, char** arguments) {
  auto engine = skep::Engine::create(skep::EngineKind::user);
  auto object = skep::Object::open(arguments[1]);
  if (!engine) return std::fprintf(stderr, "no engine: %s\n", engine.error().message.c_str()), 1;
  if (!object) return std::fprintf(stderr, "no object: %s\n", object.error().message.c_str()), 1;
  if (auto loaded = object->load(*engine); !loaded)
    return std::fprintf(stderr, "%s\n", loaded.error().message.c_str()), 1;
  auto program = object->program("count");
  skep::TestRun run;
  run.data.resize(14 + 60);
  if (!program || !program->test_run(run)) return 1;
  std::printf("C++: %u\n", run.result);
}
