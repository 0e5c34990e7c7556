#include "tls/credentials.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/bytes.h"

namespace keepgate::tls {

namespace {

constexpr std::size_t file_bytes_max = 1 << 20;

// A file's bytes, wiped when they go out of scope: they may be a key.
struct FileBytes {
  FileBytes() = default;
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;
  ~FileBytes() { OPENSSL_cleanse(bytes.data(), bytes.size()); }

  std::string bytes;
  mode_t mode = 0;
};

struct Descriptor {
  explicit Descriptor(int its_number) : number(its_number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
  const int number;
};

// "" or why it cannot be read.
std::string read_file(const std::string& path, FileBytes& out) {
  // O_NONBLOCK: a named pipe must not stop the program. Links are followed: certificates are rotated with them.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status{};
  if (file.number < 0 || ::fstat(file.number, &status) != 0) return std::strerror(errno);
  if (!S_ISREG(status.st_mode)) return "not a regular file";
  if (status.st_size > static_cast<off_t>(file_bytes_max)) return "larger than 1 MiB";
  out.mode = status.st_mode;
  out.bytes.resize(static_cast<std::size_t>(status.st_size));
  std::size_t length = 0;
  while (length < out.bytes.size()) {
    const ssize_t got = ::read(file.number, out.bytes.data() + length, out.bytes.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::strerror(errno);
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
  }
  out.bytes.resize(length);
  return {};
}

BioPtr reader_of(const FileBytes& file) {
  return BioPtr(BIO_new_mem_buf(file.bytes.data(), static_cast<int>(file.bytes.size())));
}

// Without it OpenSSL would ask for a passphrase on the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

bool ended_at_last_certificate() {
  const unsigned long error = ERR_peek_last_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

struct Chain {
  X509Ptr leaf;
  X509StackPtr intermediates;
};

std::optional<Chain> load_chain(const std::string& path, const Complaints& complaints) {
  FileBytes file;
  if (const std::string why = read_file(path, file); !why.empty()) {
    complaints.error("KG601", cat("cannot read certificate \"", path, "\": ", why));
    return std::nullopt;
  }
  ERR_clear_error();
  const BioPtr reader = reader_of(file);
  Chain chain{X509Ptr(PEM_read_bio_X509_AUX(reader.get(), nullptr, no_passphrase, nullptr)),
              X509StackPtr(sk_X509_new_null())};
  bool complete = false;
  while (chain.leaf && !complete) {
    X509Ptr next(PEM_read_bio_X509(reader.get(), nullptr, no_passphrase, nullptr));
    if (!next) {
      complete = ended_at_last_certificate();
      break;
    }
    if (sk_X509_push(chain.intermediates.get(), next.get()) > 0) static_cast<void>(next.release());
  }
  if (!complete) {
    complaints.error("KG602", cat("\"", path, "\" is not a certificate in PEM: ", take_error()),
                     "the server's certificate comes first, then the intermediate ones");
    return std::nullopt;
  }
  ERR_clear_error();
  return chain;
}

void warn_if_open_to_others(const std::string& path, mode_t mode, const Complaints& complaints) {
  // A group may read it: that is how a service without root gets at its key.
  constexpr mode_t refused = S_IRWXO | S_IWGRP | S_IXGRP;
  if ((mode & refused) == 0) return;
  const char digits[] = {'0', static_cast<char>('0' + ((mode >> 6) & 7)), static_cast<char>('0' + ((mode >> 3) & 7)),
                         static_cast<char>('0' + (mode & 7))};
  complaints.warning("KG604",
                     cat("private key \"", path, "\" is open to others (mode ", std::string_view(digits, 4), ")"),
                     cat("chmod 0640 ", path));
}

PkeyPtr load_key(const std::string& path, const Complaints& complaints) {
  FileBytes file;
  if (const std::string why = read_file(path, file); !why.empty()) {
    complaints.error("KG601", cat("cannot read private key \"", path, "\": ", why));
    return nullptr;
  }
  warn_if_open_to_others(path, file.mode, complaints);
  ERR_clear_error();
  const BioPtr reader = reader_of(file);
  PkeyPtr key(PEM_read_bio_PrivateKey(reader.get(), nullptr, no_passphrase, nullptr));
  if (!key) {
    complaints.error(
        "KG602", cat("\"", path, "\" is not a private key in PEM: ", take_error()),
        file.bytes.find("ENCRYPTED") == std::string::npos ? "" : "keys with a passphrase are not supported");
  }
  ERR_clear_error();
  return key;
}

}  // namespace

bool use_credential(SSL_CTX* context, const std::string& certificate_file, const std::string& key_file,
                    const Complaints& complaints) {
  const std::optional<Chain> chain = load_chain(certificate_file, complaints);
  const PkeyPtr key = load_key(key_file, complaints);
  if (!chain || !key) return false;
  if (X509_check_private_key(chain->leaf.get(), key.get()) != 1) {
    ERR_clear_error();
    complaints.error("KG603",
                     cat("private key \"", key_file, "\" does not belong to certificate \"", certificate_file, "\""));
    return false;
  }
  constexpr int replace = 1;
  if (SSL_CTX_use_cert_and_key(context, chain->leaf.get(), key.get(), chain->intermediates.get(), replace) != 1) {
    complaints.error("KG602", cat("certificate \"", certificate_file, "\" cannot be used: ", take_error()));
    return false;
  }
  return true;
}

X509StackPtr load_certificates(const std::string& path, const Complaints& complaints) {
  const std::optional<Chain> chain = load_chain(path, complaints);
  if (!chain) return nullptr;
  X509StackPtr all(sk_X509_new_null());
  const auto add = [&](X509* one) {
    X509_up_ref(one);
    if (sk_X509_push(all.get(), one) <= 0) X509_free(one);
  };
  add(chain->leaf.get());
  for (int i = 0; i < sk_X509_num(chain->intermediates.get()); ++i) add(sk_X509_value(chain->intermediates.get(), i));
  return all;
}

bool load_revocations(X509_STORE* store, const std::string& path, const Complaints& complaints) {
  FileBytes file;
  if (const std::string why = read_file(path, file); !why.empty()) {
    complaints.error("KG601", cat("cannot read revocation list \"", path, "\": ", why));
    return false;
  }
  ERR_clear_error();
  const BioPtr reader = reader_of(file);
  int count = 0;
  while (X509CrlPtr list{PEM_read_bio_X509_CRL(reader.get(), nullptr, no_passphrase, nullptr)}) {
    if (X509_STORE_add_crl(store, list.get()) != 1) break;
    ++count;
  }
  if (count == 0 || !ended_at_last_certificate()) {
    complaints.error("KG602", cat("\"", path, "\" is not a revocation list in PEM: ", take_error()));
    return false;
  }
  ERR_clear_error();
  return true;
}

ProtocolRange parse_protocols(const std::vector<std::string>& names, const Complaints& complaints) {
  constexpr std::array<std::string_view, 4> obsolete = {"SSLv2", "SSLv3", "TLSv1", "TLSv1.1"};
  bool tls12 = false, tls13 = false;
  for (const std::string& name : names) {
    if (name == "TLSv1.2") {
      tls12 = true;
    } else if (name == "TLSv1.3") {
      tls13 = true;
    } else if (std::ranges::find(obsolete, name) != obsolete.end()) {
      // RFC 8996: TLS 1.0 and 1.1 MUST NOT be used.
      complaints.warning("KG605", cat("protocol \"", name, "\" is obsolete (RFC 8996) and stays off"));
    } else {
      complaints.error("KG605", cat("unknown protocol \"", name, "\""), "TLSv1.2 and TLSv1.3 are known");
    }
  }
  if (!tls12 && !tls13) complaints.error("KG605", "no usable protocol is left", "add TLSv1.2 or TLSv1.3");
  return {tls12 ? TLS1_2_VERSION : tls13 ? TLS1_3_VERSION : 0, tls13 ? TLS1_3_VERSION : tls12 ? TLS1_2_VERSION : 0};
}

}  // namespace keepgate::tls
