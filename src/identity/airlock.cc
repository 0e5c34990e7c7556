#include "identity/airlock.h"

#include <algorithm>

#include "base/bytes.h"
#include "identity/transaction_token.h"

namespace keepgate::identity {

namespace {

constexpr std::size_t length_bit_max = 63;

// What a service makes of a name: CGI, WSGI and PHP each fold other characters into one, so all but letters and digits
// count as one here.
constexpr char fold(char c) { return is_alpha(c) || is_digit(c) ? to_lower(c) : '-'; }

std::uint64_t length_bit(std::size_t length) { return std::uint64_t{1} << std::min(length, length_bit_max); }

// Letters, digits and the rest share 64 bits; two characters on one bit cost a comparison, never a miss.
std::uint64_t first_bit(char folded) { return std::uint64_t{1} << (static_cast<unsigned char>(folded) & 63); }

bool equals_folded(std::string_view name, std::string_view folded) {
  return name.size() == folded.size() &&
         std::equal(name.begin(), name.end(), folded.begin(), [](char a, char b) { return fold(a) == b; });
}

}  // namespace

Airlock::Airlock() {
  add(transaction_token_field);
  add("Client-Cert");
  add("Client-Cert-Chain");
}

void Airlock::add(std::string_view name) {
  if (name.empty() || strips(name)) return;
  std::string folded(name);
  std::transform(folded.begin(), folded.end(), folded.begin(), fold);
  lengths_ |= length_bit(folded.size());
  firsts_ |= first_bit(folded.front());
  names_.push_back(std::move(folded));
}

bool Airlock::strips(std::string_view name) const {
  if (name.empty() || (lengths_ & length_bit(name.size())) == 0 || (firsts_ & first_bit(fold(name.front()))) == 0) {
    return false;
  }
  return std::any_of(names_.begin(), names_.end(),
                     [&](const std::string& listed) { return equals_folded(name, listed); });
}

}  // namespace keepgate::identity
