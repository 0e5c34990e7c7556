// Composition only: everything there is, is reached from the tables in cli/, conf/ and pipeline/.
#include "cli/command.h"

int main(int argc, char** argv) { return keepgate::cli::run(argc, argv); }
