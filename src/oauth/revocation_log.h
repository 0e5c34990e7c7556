// RevocationLog: the lines of the list of revocations in the order of their versions: whole, or what came behind one.
//
// Thread rule: a value; copies share their pieces, so that adding lines costs them and a piece, and not the list.
// Bounds: whoever adds looks at size() and bytes().
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keepgate::oauth {

class RevocationLog {
 public:
  static constexpr std::size_t piece_bytes_max = 64 * 1024;  // A line more at the most.

  struct Line {
    std::int64_t version = 0;
    std::string text;          // With its newline.
    std::int64_t until_s = 0;  // It says nothing any more from then on.
  };
  // INVARIANT: versions never go down. Cost: that of the lines, and of one piece.
  void add(std::span<const Line> lines);
  // Leaves out pieces whose lines have all ended before `ended_s`.
  void forget(std::int64_t ended_s);

  std::string whole() const { return behind(0); }
  std::string behind(std::int64_t version) const;  // The lines whose version is newer.
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Piece {
    std::string text;
    std::vector<std::pair<std::int64_t, std::size_t>> lines;  // Version, and where the line begins.
    std::int64_t until_s = 0;                                 // The latest of its lines.
  };

  std::vector<std::shared_ptr<const Piece>> pieces_;
  std::size_t size_ = 0, bytes_ = 0;
};

}  // namespace keepgate::oauth
