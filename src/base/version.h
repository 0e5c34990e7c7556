// The program's version, once. The build checks that it agrees with the project's.
#pragma once

#define KG_VERSION_TEXT "0.1.0"
