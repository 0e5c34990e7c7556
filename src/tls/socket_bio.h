// The socket under a TLS session, as a BIO of our own.
//
// Unlike OpenSSL's it sends with MSG_NOSIGNAL, keeps errno, knows that a short read has drained the socket, and bounds
// how much one call may read. Thread rule: one connection. Lifetime: the Socket outlives its BIO.
#pragma once

#include <openssl/bio.h>

#include "tls/handles.h"

namespace keepgate::tls {

struct Socket {
  int descriptor = -1;   // Borrowed.
  int error_number = 0;  // Of the last call that failed.
  bool drained = false;  // A short read: the socket is empty until a new edge comes.
  int full_reads = 0;
  bool flooded = false;  // full_reads_max was reached.

  // A peer that sends records without data (KeyUpdate, tickets, fragments) faster than they are processed must not keep
  // the worker inside one call for ever. A record that carries data ends the call, and the longest handshake flight
  // that OpenSSL takes, a chain of 100 KiB, needs two reads for each of its seven records.
  static constexpr int full_reads_max = 24;

  void begin_call() {
    error_number = 0;
    drained = false;
    full_reads = 0;
  }
};

BioPtr make_socket_bio(Socket& socket);

}  // namespace keepgate::tls
