#include "upstream/host_lookup.h"

#include <netdb.h>

#include <algorithm>
#include <ctime>
#include <memory>

namespace keepgate::upstream {

namespace {

// What glibc works on until the lookup ends, whoever waits for it.
struct Lookup {
  std::string host;
  addrinfo hints{};
  gaicb request{};
};

timespec after(int timeout_ms) { return {timeout_ms / 1000, timeout_ms % 1000 * 1'000'000L}; }

}  // namespace

std::vector<net::Address> look_up_host(std::string_view host, int timeout_ms, std::string& error) {
  auto lookup = std::make_unique<Lookup>();
  lookup->host = host;
  lookup->hints.ai_socktype = SOCK_STREAM;
  lookup->request.ar_name = lookup->host.c_str();
  lookup->request.ar_request = &lookup->hints;
  gaicb* requests[] = {&lookup->request};
  int code = ::getaddrinfo_a(GAI_NOWAIT, requests, 1, nullptr);
  if (code == 0) {
    const timespec timeout = after(timeout_ms);
    const gaicb* const waited[] = {&lookup->request};
    while (::gai_suspend(waited, 1, &timeout) == EAI_INTR) {
    }
    code = ::gai_error(&lookup->request);
  }
  if (code == EAI_INPROGRESS && ::gai_cancel(&lookup->request) != EAI_CANCELED) {
    error = "no answer in time";
    (void)lookup.release();  // Still being worked on: it must stay where it is.
    return {};
  }
  if (code != 0) {
    error = code == EAI_INPROGRESS ? "no answer in time" : ::gai_strerror(code);
    return {};
  }
  std::vector<net::Address> found;
  for (const addrinfo* one = lookup->request.ar_result; one; one = one->ai_next) {
    const net::Address address = net::Address::from_native(one->ai_addr, one->ai_addrlen).with_port(0);
    if (std::ranges::find(found, address) == found.end()) found.push_back(address);
  }
  ::freeaddrinfo(lookup->request.ar_result);
  return found;
}

}  // namespace keepgate::upstream
