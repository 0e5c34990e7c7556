// Certificates, keys and protocol names of a configuration, with a diagnostic for whatever cannot be used.
//
// Private to this room. Thread rule: pure but for reading files; runs while configuration is read.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/diagnostics.h"
#include "tls/handles.h"

namespace keepgate::tls {

// Where complaints go. Codes: KG601 cannot be read, KG602 not PEM or not usable, KG603 key does not match, KG604 key
// open to others, KG605 protocols, KG606 ciphers, KG607 something is missing.
struct Complaints {
  const SourcePlace& place;
  Diagnostics& diagnostics;

  void error(std::string_view code, std::string message, std::string help = {}) const {
    diagnostics.error(code, std::move(message), place, std::move(help));
  }
  void warning(std::string_view code, std::string message, std::string help = {}) const {
    diagnostics.warning(code, std::move(message), place, std::move(help));
  }
};

// Loads a certificate chain and its key into `context`. false if anything was wrong.
bool use_credential(SSL_CTX* context, const std::string& certificate_file, const std::string& key_file,
                    const Complaints& complaints);

// Every certificate of a PEM file; nullptr if anything was wrong.
X509StackPtr load_certificates(const std::string& path, const Complaints& complaints);
// Every revocation list of a PEM file, into `store`. False if anything was wrong.
bool load_revocations(X509_STORE* store, const std::string& path, const Complaints& complaints);

struct ProtocolRange {
  int lowest = 0;  // TLS1_2_VERSION …; 0: none.
  int highest = 0;
};
ProtocolRange parse_protocols(const std::vector<std::string>& names, const Complaints& complaints);

}  // namespace keepgate::tls
