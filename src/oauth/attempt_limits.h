// AttemptLimits: how often a password, a second factor, a device's code or a client's secret may be guessed, by whom,
// and of whom.
//
// A try is charged before it is judged, so that a thousand at a time are no more than one after another, and given back
// where it was right or was not judged. Each budget is a bucket that leaks: so many at once, then so many a time; after
// a day of guesses the slower one of the two is what is left. Whose budgets pay:
//   * a place (a browser, or a network) from which this account signed in well lately: its own, and no other. Whoever
//     guesses elsewhere cannot lock the owner out, and a neighbour's guesses behind one address do not either.
//   * everybody else: the account's budget for strangers AND that of their network (IPv4 address, IPv6 /64). What
//     strangers have used up comes back as time passes; refused tries cost nothing and lengthen nothing.
// Success resets the budget of its place and of no other: the owner's daily sign-in must give no guesser new tries. A
// name that nobody has is treated like one that somebody has. Time is the caller's: monotonic milliseconds. Thread
// rule: callable from any thread. Memory: table_bytes for each of the tables, taken at the start, whatever is asked; a
// bucket that is pushed out by a flood is forgotten, the emptiest first. A restart forgets all.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace keepgate::oauth {

// entry: nothing is guessed; a row of the store is asked for by somebody who has proven nothing. client: a client's
// proof, whichever it is; `account` is its id. Those are limited by their network alone: a secret of 256 bits is not
// found by many networks either, and nobody elsewhere can keep a right one out.
enum class Guessed : std::uint8_t { password = 0, second_factor, user_code, entry, client };

struct Attempt {
  Guessed what = Guessed::password;
  std::string_view account;  // The name as it is looked up. Of a user_code: who has signed in.
  std::string_view network;  // 4 or 16 bytes of the client's address (net::Address::ip_bytes()); empty: unknown.
  std::string_view browser;  // The value of browser_cookie; empty: it has none yet.
};

struct AttemptVerdict {
  bool is_allowed = false;
  std::int64_t retry_after_s = 0;  // Where it is not: until the next try will be, at least 1.
};

class AttemptLimits {
 public:
  struct Budget {
    std::uint64_t burst;       // At once.
    std::uint64_t rate_milli;  // Thousandths of a try a second that come back: 16 is one a minute, 1 is 86 a day.
  };
  static constexpr Budget account_soon{10, 16}, account_day{100, 1};
  static constexpr Budget second_factor_soon{5, 8}, second_factor_day{30, 1};
  static constexpr Budget network_soon{30, 33};
  static constexpr Budget user_code_soon{10, 16}, user_code_network{20, 33};
  static constexpr Budget entries_network{300, 5'000};
  static constexpr Budget client_soon{50, 100}, client_network{300, 1'000}, client_known{1'000, 10'000};
  static constexpr std::size_t table_bytes = std::size_t{2} << 20;

  explicit AttemptLimits(std::size_t bytes = table_bytes);
  ~AttemptLimits();
  AttemptLimits(const AttemptLimits&) = delete;
  AttemptLimits& operator=(const AttemptLimits&) = delete;

  // Charges a try, or none of the budgets where one of them has nothing left.
  [[nodiscard]] AttemptVerdict charge(const Attempt& attempt, std::int64_t now_ms);
  // Has any client failed so lately that look() could refuse one? Nearly always nobody has, and this costs nothing.
  bool limits_clients(std::int64_t now_ms) const;
  // Of Guessed::client alone: whether charge() would. For proofs that are judged at once: who looks first and charges
  // what was wrong lets no more through than there are threads that look at the same time.
  [[nodiscard]] AttemptVerdict look(const Attempt& attempt, std::int64_t now_ms) const;
  // One that was right, or that nobody looked at (the line was full, the store away): the try is there again.
  void give_back(const Attempt& attempt, std::int64_t now_ms);
  // The whole sign-in succeeded, second factor included: the place is known from now on, with its budget whole. What
  // was charged for it is to be given back before.
  void signed_in(const Attempt& attempt, std::int64_t now_ms);
  // A client has proven itself: from this network it is known from now on, and what strangers use up there is not its.
  void proven(const Attempt& attempt, std::int64_t now_ms);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keepgate::oauth
