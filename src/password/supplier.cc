#include "password/supplier.h"

#include "base/bytes.h"
#include "pipeline/exchange.h"

namespace keepgate::password {

namespace {

// What the loop's side knows; it belongs to the loop alone.
struct Asked {
  net::Waiter* waiter = nullptr;  // nullptr: nobody waits.
  bool is_known = false;
  bool matches = false;
};

class ToLoop final : public Waiting {
 public:
  ToLoop(std::shared_ptr<net::ReplyAddress> address, std::shared_ptr<Asked> asked)
      : address_(std::move(address)), asked_(std::move(asked)) {}

  void done(bool matches) override {
    address_->post(net::make_message([asked = asked_, matches](net::Loop&) {
      asked->is_known = true;
      asked->matches = matches;
      // Not armed: it was cancelled in this turn, and is about to resume.
      if (asked->waiter && asked->waiter->armed()) asked->waiter->wake(net::Wake::ready);
    }));
  }

 private:
  std::shared_ptr<net::ReplyAddress> address_;
  std::shared_ptr<Asked> asked_;
};

}  // namespace

net::Task<auth::Answer> PasswordSupplier::supply(pipeline::Exchange& exchange, const auth::Need& need) {
  auth::Answer out;
  auto wanted = std::dynamic_pointer_cast<const auth::PasswordNeed>(need.detail);
  if (!wanted) {
    out.reason = "a need without its password";
    co_return out;
  }
  auto asked = std::make_shared<Asked>();
  auto waiting = std::make_shared<ToLoop>(mine_, asked);
  const std::int64_t deadline_ms = exchange.now().monotonic_ms + wait_ms_max;
  net::Stream::Wait wait(exchange.client(), net::Stream::Wait::For::hangup, deadline_ms, nullptr);
  asked->waiter = &wait;
  if (!pool_.ask(need.key, std::move(wanted), waiting)) {
    asked->waiter = nullptr;
    out.reason = cat("too many passwords are being checked: ", Pool::waiting_max, " wait already");
    co_return out;
  }
  co_await wait;
  asked->waiter = nullptr;
  waiting->give_up();
  out.is_good = asked->is_known;
  if (out.is_good) {
    out.value = std::make_shared<const auth::PasswordAnswer>(asked->matches);
  } else {
    out.reason = "the password was not checked in time";
  }
  co_return out;
}

}  // namespace keepgate::password
