// Composition only: everything there is, is reached from the tables in cli/, conf/ and pipeline/.
#include "base/out_of_memory.h"
#include "cli/command.h"

int main(int argc, char** argv) {
  keepgate::end_when_out_of_memory();
  return keepgate::cli::run(argc, argv);
}
