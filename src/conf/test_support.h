// For the tests of this room: a folder that goes away, and configurations loaded from text.
// Thread rule: one owner. Lifetime: the folder is removed with its object.
#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/temp_folder_for_tests.h"
#include "conf/load.h"
#include "crypto/jwk.h"

namespace keepgate::conf::test {

class TempFolder {
 public:
  std::string path(std::string_view name) const { return (folder_.path() / name).string(); }
  std::string write(std::string_view name, std::string_view text) const {
    const std::string file = path(name);
    std::filesystem::create_directories(std::filesystem::path(file).parent_path());
    std::ofstream(file, std::ios::binary) << text;
    ::chmod(file.c_str(), S_IRUSR | S_IWUSR);
    return file;
  }
  // keys/NAME.jwk and keys/NAME.jwks.json
  void write_keys(std::string_view name) const {
    const std::string key = crypto::generate_jwk(crypto::KeyType::p256, crypto::Algorithm::es256);
    write(cat("keys/", name, ".jwk"), key);
    write(cat("keys/", name, ".jwks.json"), cat("{\"keys\":[", crypto::public_jwk(key).value(), "]}"));
  }

 private:
  keepgate::TempFolder folder_;
};

struct Loaded {
  std::shared_ptr<const pipeline::Snapshot> snapshot;
  Diagnostics diagnostics;

  // "KG012: unknown directive 'x'" of each, one a line.
  std::string complaints() const {
    std::string out;
    for (const Diagnostic& one : diagnostics.all()) {
      append(out, one.severity == Severity::error ? "error " : "warning ", one.code, ": ", one.message, "\n");
    }
    return out;
  }
  bool says(std::string_view text) const { return complaints().find(text) != std::string::npos; }
  // Of server `server`, at `path`; aborts the test run when there is none.
  const pipeline::LocationConfig& at(std::string_view path, std::size_t server = 0) const {
    const auto found = snapshot->servers.at(server).locations.find(path);
    return snapshot->locations.at(found.location.value());
  }
};

inline Loaded load_file(const std::string& file, LoadOptions options = {}) {
  Loaded out;
  options.file = file;
  out.snapshot = load(options, out.diagnostics);
  return out;
}

// A whole configuration, checked only.
inline Loaded check(const TempFolder& folder, std::string_view text) {
  LoadOptions options;
  options.check_only = true;
  return load_file(folder.write("keepgate.conf", text), options);
}

inline Loaded check(std::string_view text) {
  const TempFolder folder;
  return check(folder, text);
}

// What stands inside http, or inside one server of it.
inline Loaded check_http(std::string_view text) { return check(cat("http { ", text, " }")); }
inline Loaded check_server(std::string_view text) {
  return check(cat("http { server { listen 127.0.0.1:8080; ", text, " } }"));
}

}  // namespace keepgate::conf::test
