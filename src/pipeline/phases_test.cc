#include "pipeline/phases.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "pipeline/content.h"
#include "pipeline/respond.h"
#include "pipeline/serve.h"

namespace keepgate::pipeline {
namespace {

using route::LocationMatch;
using route::Template;

// Answers 200 with what it was asked, or refuses with `fails_with`.
class Echo final : public Content {
 public:
  explicit Echo(std::uint16_t fails_with = 0) : fails_with_(fails_with) {}
  net::Task<std::optional<Refusal>> serve(Exchange& x, Permit) const override {
    ++calls;
    if (fails_with_ != 0) {
      Refusal refusal;
      refusal.status = fails_with_;
      co_return refusal;
    }
    const std::string body =
        cat(x.location().pattern, ' ', x.method_is_get ? "GET" : x.head().method_text, ' ', x.path.text, '?', x.query);
    LocalAnswer answer;
    answer.status = final_status(x, 200);
    answer.body = body;
    co_await respond(x, answer);
    co_return std::nullopt;
  }
  mutable int calls = 0;

 private:
  std::uint16_t fails_with_;
};

struct Answer {
  unsigned status = 0;
  std::string text, body;
  bool has(std::string_view part) const { return text.find(part) != std::string::npos; }
};

// One server whose requests run through all phases, each on a connection of its own.
class Site {
 public:
  Site() {
    set_log_sink([](LogLevel, std::string_view) {});
    snapshot->servers.resize(1);
    snapshot->listeners.resize(1);
    snapshot->locations.resize(1);
    snapshot->locations[0].pattern = "server";
    snapshot->locations[0].authorize = Authorize::off;
    snapshot->servers[0].name = "front";
  }
  ~Site() { set_log_sink(nullptr); }
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  // A new location that serves an Echo to everybody. The reference holds until the next one is added.
  LocationConfig& add(std::string pattern, LocationMatch match = LocationMatch::prefix) {
    const auto index = static_cast<std::uint32_t>(snapshot->locations.size());
    rules_.push_back({match, pattern, index, {}});
    LocationConfig& location = snapshot->locations.emplace_back();
    location.index = index;
    location.pattern = std::move(pattern);
    location.authorize = Authorize::off;
    location.content = echo;
    return location;
  }
  LocationConfig& at(std::size_t index) { return snapshot->locations[index]; }
  ServerConfig& server() { return snapshot->servers[0]; }

  Answer ask(std::string_view request) {
    build();
    published_.publish(snapshot);
    net::Loop loop;
    Worker worker(loop, published_, 0);
    int ends[2];
    KG_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    EXPECT_EQ(::send(ends[1], request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
    Answer answer;
    receive(worker, ends[1], answer.text);
    serve_connection(std::make_unique<Connection>(
        worker, net::Stream(loop, ends[0]), *net::Address::ip("192.0.2.7", 4711), snapshot, snapshot->listeners[0]));
    loop.run();
    if (answer.text.size() > 12) answer.status = parse_unsigned<unsigned>(answer.text.substr(9, 3)).value_or(0);
    const auto end = answer.text.find("\r\n\r\n");
    if (end != std::string::npos) answer.body = answer.text.substr(end + 4);
    return answer;
  }
  Answer get(std::string_view target, std::string_view method = "GET") {
    return ask(cat(method, ' ', target, " HTTP/1.1\r\nHost: front\r\nConnection: close\r\n\r\n"));
  }
  void redirect_slash_of(std::uint32_t index) { slashes_.push_back(index); }

  std::shared_ptr<Snapshot> snapshot = std::make_shared<Snapshot>();
  std::shared_ptr<Echo> echo = std::make_shared<Echo>();

 private:
  void build() {
    if (std::exchange(built_, true)) return;
    std::string error;
    EXPECT_TRUE(server().locations.build(std::move(rules_), error)) << error;
    for (const std::uint32_t index : slashes_) server().locations.set_auto_redirect(index);
  }
  // Until the server closes; then our side closes too, and the loop ends with the connection.
  static net::Detached receive(Worker& worker, int descriptor, std::string& out) {
    ssize_t got = -1;
    while (got != 0) {
      char bytes[4096];
      got = ::recv(descriptor, bytes, sizeof bytes, MSG_DONTWAIT);
      if (got > 0) out.append(bytes, static_cast<std::size_t>(got));
      if (got < 0) co_await net::SleepUntil(worker.loop, worker.loop.now().monotonic_ms);
    }
    ::close(descriptor);
    while (worker.connection_count > 0) co_await net::SleepUntil(worker.loop, worker.loop.now().monotonic_ms);
    worker.loop.stop();
  }

  Published<Snapshot> published_;
  std::vector<route::LocationRule> rules_;
  std::vector<std::uint32_t> slashes_;
  bool built_ = false;
};

ReturnAction returning(std::uint16_t status, std::string_view text = {}) {
  return {status, Template::literal(text), !text.empty()};
}

ErrorPage page(std::uint16_t status, std::string_view target) {
  ErrorPage out;
  out.status = status;
  out.target = Template::literal(target);
  out.named = target.starts_with('@');
  return out;
}

// A request in a thousand seconds, for everybody together.
limit::Limit once() {
  limit::Limit out;
  out.zone = std::make_shared<limit::Zone>("once", limit::Zone::size_bytes_min, 1, Template::literal("all"));
  return out;
}

TEST(Phases, stand_in_nginxs_order) {
  std::string names;
  for (const Phase& phase : phases()) names += cat(phase.name, ' ');
  EXPECT_EQ(names,
            "post_read server_rewrite find_location rewrite real_ip preaccess limit_connections access "
            "limit_identity_connections content ");
}

TEST(Phases, the_location_that_matches_serves) {
  Site site;
  site.add("/");
  site.add("/api/");
  EXPECT_EQ(site.get("/x?q=1").body, "/ GET /x?q=1");
  EXPECT_EQ(site.get("/%61pi//y").body, "/api/ GET /api/y?");
  EXPECT_EQ(site.get("/api/../x", "DELETE").body, "/ DELETE /x?");
}

TEST(Phases, a_return_of_the_server_comes_before_every_location) {
  Site site;
  site.server().return_action = returning(200, "server");
  site.add("/").return_action = returning(200, "location");
  EXPECT_EQ(site.get("/").body, "server");
  site.server().return_action.reset();
  EXPECT_EQ(site.get("/").body, "location");
}

TEST(Phases, return_comes_before_limits_and_access) {
  Site site;
  LocationConfig& location = site.add("/");
  location.return_action = returning(200, "open");
  location.authorize = Authorize::required;
  location.limits.push_back(once());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(site.get("/").body, "open");
  EXPECT_EQ(site.at(1).limits[0].zone->entry_count(), 0U);
  site.at(1).return_action.reset();
  EXPECT_EQ(site.get("/").status, 401U);
  EXPECT_EQ(site.at(1).limits[0].zone->entry_count(), 1U);
  EXPECT_EQ(site.echo->calls, 0);
}

TEST(Phases, limits_come_before_access) {
  Site site;
  LocationConfig& location = site.add("/");
  location.authorize = Authorize::required;
  location.limits.push_back(once());
  EXPECT_EQ(site.get("/").status, 401U);
  EXPECT_EQ(site.get("/").status, 503U);
  site.at(1).limit_status = 429;
  EXPECT_EQ(site.get("/").status, 429U);
}

TEST(Phases, a_dry_run_limit_refuses_nobody) {
  Site site;
  LocationConfig& location = site.add("/");
  location.limits.push_back(once());
  location.limit_dry_run = true;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(site.get("/").status, 200U);
  site.at(1).limit_dry_run = false;
  EXPECT_EQ(site.get("/").status, 503U);
}

TEST(Phases, content_is_served_with_a_permit_only) {
  Site site;
  site.add("/").authorize = Authorize::required;
  EXPECT_EQ(site.get("/").status, 401U);
  EXPECT_EQ(site.echo->calls, 0);
  site.at(1).authorize = Authorize::off;
  EXPECT_EQ(site.get("/").status, 200U);
  EXPECT_EQ(site.echo->calls, 1);
}

TEST(Phases, nothing_configured_is_not_found) {
  Site site;
  site.add("/empty").content = nullptr;
  EXPECT_EQ(site.get("/empty").status, 404U);
  EXPECT_EQ(site.get("/elsewhere").status, 404U);
  EXPECT_EQ(site.get("*", "OPTIONS").status, 404U);
}

TEST(Phases, a_body_at_the_limit_passes_and_one_byte_more_does_not) {
  Site site;
  site.add("/").client_body_bytes_max = 4;
  const auto put = [&](std::string_view body) {
    return site.ask(
        cat("PUT / HTTP/1.1\r\nHost: front\r\nConnection: close\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
  };
  EXPECT_EQ(put("four").status, 200U);
  EXPECT_EQ(put("fives").status, 413U);
  EXPECT_EQ(site.echo->calls, 1);
  site.at(1).client_body_bytes_max = 0;
  EXPECT_EQ(put("fives").status, 200U);
}

TEST(Phases, connect_and_trace_are_refused_before_anything_else) {
  Site site;
  site.server().return_action = returning(200, "server");
  site.add("/");
  EXPECT_EQ(site.get("/", "TRACE").status, 405U);
  EXPECT_EQ(site.get("/", "GET").status, 200U);
  const unsigned status = site.ask("CONNECT front:80 HTTP/1.1\r\nHost: front:80\r\nConnection: close\r\n\r\n").status;
  EXPECT_TRUE(status == 400 || status == 405) << status;
}

TEST(Phases, a_path_that_cannot_be_read_is_refused_before_a_return) {
  Site site;
  site.server().return_action = returning(200, "server");
  for (const char* target : {"/%00", "/%zz", "/../x", "/%2e%2e/x"}) EXPECT_EQ(site.get(target).status, 400U) << target;
}

TEST(Phases, outsiders_do_not_find_internal_locations) {
  Site site;
  site.add("/inside/").internal = true;
  site.add("@named", LocationMatch::named);
  EXPECT_EQ(site.get("/inside/x").status, 404U);
  EXPECT_EQ(site.get("/%69nside/x").status, 404U);
  EXPECT_EQ(site.get("/x/../inside/").status, 404U);
  EXPECT_EQ(site.get("/@named").status, 404U);
  EXPECT_EQ(site.echo->calls, 0);
  site.at(1).internal = false;
  EXPECT_EQ(site.get("/inside/x").status, 200U);
}

TEST(Phases, a_slash_is_added_where_a_prefix_with_one_is_served) {
  Site site;
  site.add("/app/");
  site.add("/a b/");
  site.redirect_slash_of(1);
  site.redirect_slash_of(2);
  const Answer answer = site.get("/app?x=1");
  EXPECT_EQ(answer.status, 301U);
  EXPECT_TRUE(answer.has("\r\nLocation: http://front/app/?x=1\r\n")) << answer.text;
  EXPECT_TRUE(site.get("/a%20b").has("\r\nLocation: http://front/a%20b/\r\n"));
  EXPECT_EQ(site.get("/app/").status, 200U);
  EXPECT_EQ(site.get("/apps").status, 404U);
}

TEST(Phases, no_slash_is_added_where_nothing_asks_for_it) {
  Site site;
  site.add("/app/");
  EXPECT_EQ(site.get("/app").status, 404U);
}

// A location that fails with 502 and has one error_page.
Site& failing(Site& site, ErrorPage one) {
  LocationConfig& location = site.add("/");
  location.content = std::make_shared<Echo>(std::uint16_t{502});
  location.error_pages.push_back(std::move(one));
  return site;
}

TEST(ErrorPage, a_named_location_sees_the_request_as_it_was) {
  Site site;
  failing(site, page(502, "@fallback")).add("@fallback", LocationMatch::named);
  const Answer answer = site.get("/x/y?q=1", "DELETE");
  EXPECT_EQ(answer.status, 502U);
  EXPECT_EQ(answer.body, "@fallback DELETE /x/y?q=1");
}

TEST(ErrorPage, a_uri_is_asked_for_with_get) {
  Site site;
  failing(site, page(502, "/err.html?from=error")).add("/err.html", LocationMatch::exact).internal = true;
  const Answer answer = site.get("/x?q=1", "DELETE");
  EXPECT_EQ(answer.status, 502U);
  EXPECT_EQ(answer.body, "/err.html GET /err.html?from=error");
  const Answer head = site.get("/x", "HEAD");
  EXPECT_EQ(head.status, 502U);
  EXPECT_EQ(head.body, "");
}

TEST(ErrorPage, is_for_its_status_only) {
  Site site;
  failing(site, page(503, "/err")).add("/err");
  EXPECT_EQ(site.get("/x").status, 502U);
  EXPECT_EQ(site.echo->calls, 0);
}

TEST(ErrorPage, may_take_the_status_of_its_target_or_a_given_one) {
  ErrorPage taken = page(502, "/err");
  taken.take_status_of_target = true;
  Site site;
  failing(site, taken).add("/err");
  EXPECT_EQ(site.get("/x").status, 200U);
  ErrorPage given = page(502, "/err");
  given.new_status = 404;
  Site other;
  failing(other, given).add("/err");
  EXPECT_EQ(other.get("/x").status, 404U);
}

TEST(ErrorPage, a_url_sends_the_client_there) {
  for (const auto& [given, answered] : {std::pair{0, 302U}, {301, 301U}, {307, 307U}, {308, 308U}, {200, 302U}}) {
    ErrorPage elsewhere = page(502, "https://status.example/?x");
    elsewhere.new_status = static_cast<std::uint16_t>(given);
    Site site;
    failing(site, elsewhere);
    const Answer answer = site.get("/x");
    EXPECT_EQ(answer.status, answered);
    EXPECT_TRUE(answer.has("\r\nLocation: https://status.example/?x\r\n")) << answer.text;
  }
}

TEST(ErrorPage, an_error_page_has_no_error_page) {
  Site site;
  failing(site, page(502, "/first"));
  LocationConfig& first = site.add("/first");
  first.content = std::make_shared<Echo>(std::uint16_t{504});
  first.error_pages.push_back(page(504, "/second"));
  site.add("/second");
  EXPECT_EQ(site.get("/x").status, 504U);
  EXPECT_EQ(site.echo->calls, 0);
  EXPECT_EQ(site.get("/first").body, "/second GET /second?");  // Asked for itself it has one.
}

TEST(ErrorPage, that_leads_to_itself_ends) {
  Site site;
  failing(site, page(502, "/again"));
  EXPECT_EQ(site.get("/x").status, 502U);
}

TEST(ErrorPage, a_named_location_that_is_not_there_is_a_fault_of_ours) {
  Site site;
  failing(site, page(502, "@nowhere"));
  EXPECT_EQ(site.get("/x").status, 500U);
}

TEST(ErrorPage, is_no_way_around_the_access_phase) {
  for (const char* target : {"@closed", "/closed"}) {
    Site site;
    failing(site, page(502, target));
    site.add(target, target[0] == '@' ? LocationMatch::named : LocationMatch::prefix).authorize = Authorize::required;
    EXPECT_EQ(site.get("/x").status, 401U) << target;
    EXPECT_EQ(site.echo->calls, 0);
    site.at(2).authorize = Authorize::off;
    EXPECT_EQ(site.get("/x").status, 502U) << target;
    EXPECT_EQ(site.echo->calls, 1);
  }
}

TEST(ErrorPage, is_there_for_what_the_access_phase_refuses) {
  Site site;
  LocationConfig& location = site.add("/");
  location.authorize = Authorize::required;
  location.error_pages.push_back(page(401, "/sign-in"));
  site.add("/sign-in");
  const Answer answer = site.get("/x");
  EXPECT_EQ(answer.status, 401U);
  EXPECT_EQ(answer.body, "/sign-in GET /sign-in?");
}

TEST(Limits, are_counted_once_for_a_request_and_its_error_page) {
  Site site;
  failing(site, page(502, "/err"));
  site.at(1).limits.push_back(once());
  LocationConfig& err = site.add("/err");
  err.limits = site.at(1).limits;
  EXPECT_EQ(site.get("/x").body, "/err GET /err?");
  EXPECT_EQ(site.get("/x").status, 503U);
  EXPECT_EQ(site.get("/err").status, 503U);  // A request of its own is counted.
}

}  // namespace
}  // namespace keepgate::pipeline
