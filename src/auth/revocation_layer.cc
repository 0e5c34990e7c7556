#include "auth/revocation_layer.h"

namespace keepgate::auth {

namespace {
constexpr std::uint32_t left_out = UINT32_MAX;
}

void RevocationLayer::add(const Revocation& revocation) {
  Entry entry;
  entry.value_at = static_cast<std::uint32_t>(texts_.size());
  entry.value_size = static_cast<std::uint16_t>(revocation.value.size());
  texts_ += revocation.value;
  entry.issuer_at = static_cast<std::uint32_t>(texts_.size());
  entry.issuer_size = static_cast<std::uint16_t>(revocation.issuer.size());
  texts_ += revocation.issuer;
  entry.line = static_cast<std::uint32_t>(revocation.line);
  entry.before_s = revocation.before_s.value_or(0);
  entry.until_s = revocation.until_s.value_or(0);
  kinds_[static_cast<std::size_t>(revocation.kind)].entries.push_back(entry);
  ++size_;
}

void RevocationLayer::add_index(const crypto::SipKey& key) {
  texts_.shrink_to_fit();
  for (Kind& kind : kinds_) {
    kind.entries.shrink_to_fit();
    kind.places.reserve(kind.entries.size());
    for (const Entry& entry : kind.entries) {
      kind.places.push_back({crypto::siphash13(key, value(entry)), static_cast<std::uint32_t>(kind.places.size())});
    }
    std::ranges::sort(kind.places, {}, &Place::hash);
  }
}

RevocationLayer::Entry RevocationLayer::copy(const RevocationLayer& from, const Entry& entry) {
  Entry out = entry;
  out.value_at = static_cast<std::uint32_t>(texts_.size());
  texts_ += from.value(entry);
  out.issuer_at = static_cast<std::uint32_t>(texts_.size());
  texts_ += from.issuer(entry);
  return out;
}

std::shared_ptr<const RevocationLayer> RevocationLayer::merged(const RevocationLayer& older,
                                                               const RevocationLayer& newer, std::int64_t ended_s) {
  auto out = std::make_shared<RevocationLayer>();
  out->texts_.reserve(older.texts_.size() + newer.texts_.size());
  for (std::size_t i = 0; i < revocation_kinds; ++i) {
    Kind& kind = out->kinds_[i];
    kind.entries.reserve(older.kinds_[i].entries.size() + newer.kinds_[i].entries.size());
    std::array<std::vector<Place>, 2> places;  // Sorted as they were, with the entries' new numbers.
    for (const RevocationLayer* from : {&older, &newer}) {
      const Kind& before = from->kinds_[i];
      std::vector<std::uint32_t> number_of(before.entries.size(), left_out);
      for (std::size_t k = 0; k < before.entries.size(); ++k) {
        const Entry& entry = before.entries[k];
        if (entry.until_s != 0 && entry.until_s < ended_s) continue;
        number_of[k] = static_cast<std::uint32_t>(kind.entries.size());
        kind.entries.push_back(out->copy(*from, entry));
      }
      std::vector<Place>& kept = places[from == &older ? 0 : 1];
      kept.reserve(before.places.size());
      for (const Place& place : before.places) {
        if (number_of[place.entry] != left_out) kept.push_back({place.hash, number_of[place.entry]});
      }
    }
    kind.places.resize(places[0].size() + places[1].size());
    std::ranges::merge(places[0], places[1], kind.places.begin(), {}, &Place::hash, &Place::hash);
    out->size_ += kind.entries.size();
  }
  return out;
}

std::size_t RevocationLayer::memory_bytes() const {
  std::size_t out = texts_.capacity();
  for (const Kind& kind : kinds_) {
    out += kind.entries.capacity() * sizeof(Entry) + kind.places.capacity() * sizeof(Place);
  }
  return out;
}

Revocation RevocationLayer::revocation(RevocationKind kind, const Entry& entry) const {
  Revocation out;
  out.kind = kind;
  out.value = value(entry);
  out.issuer = issuer(entry);
  if (entry.before_s != 0) out.before_s = entry.before_s;
  if (entry.until_s != 0) out.until_s = entry.until_s;
  out.line = entry.line;
  return out;
}

}  // namespace keepgate::auth
