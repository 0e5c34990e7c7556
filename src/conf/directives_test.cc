#include <gtest/gtest.h>

#include <set>

#include "conf/directives/row.h"
#include "conf/test_support.h"

namespace keepgate::conf {
namespace {

using test::check;
using test::check_http;
using test::check_server;
using test::Loaded;
using test::TempFolder;

TEST(Directives, every_row_is_whole) {
  std::size_t count = 0;
  for (const DirectiveTable& table : directive_tables()) {
    EXPECT_FALSE(table.module.empty());
    for (const DirectiveRow& row : table.rows) {
      ++count;
      EXPECT_FALSE(row.name.empty());
      EXPECT_NE(row.contexts, context_none) << row.name;
      EXPECT_TRUE(row.summary.ends_with('.')) << row.name;
      EXPECT_LE(row.arity.least, row.arity.most) << row.name;
      if (row.support == Support::built) {
        EXPECT_NE(row.apply, nullptr) << row.name;
      }
    }
  }
  EXPECT_GT(count, 250U);
}

TEST(Directives, no_name_stands_twice_in_one_context) {
  std::set<std::pair<std::string_view, std::uint32_t>> seen;
  for (const DirectiveTable& table : directive_tables()) {
    for (const DirectiveRow& row : table.rows) {
      for (std::uint32_t bit = 1; bit <= in_authorization_server; bit <<= 1) {
        if ((row.contexts & bit) != 0) {
          EXPECT_TRUE(seen.emplace(row.name, bit).second) << row.name;
        }
      }
    }
  }
}

TEST(Directives, what_is_not_built_never_loads) {
  for (const DirectiveTable& table : directive_tables()) {
    for (const DirectiveRow& row : table.rows) {
      if (row.support != Support::refused) continue;
      for (const char* rest : {";", " on;", " a b c;", " off { }"}) {
        const std::string text = cat(row.name, rest);
        const bool outside = (row.contexts & (in_main | in_events)) != 0;
        const Loaded loaded = outside ? check(cat(text, " http { }")) : check_server(cat("location / { ", text, " }"));
        EXPECT_EQ(loaded.snapshot, nullptr) << text;
        EXPECT_TRUE(loaded.says(cat("'", row.name, "'"))) << text << "\n" << loaded.complaints();
      }
    }
  }
}

TEST(Directives, refusal_names_the_directive) {
  const Loaded loaded = check_server("location / { sub_filter a b; }");
  EXPECT_EQ(loaded.complaints(), "error KG018: directive 'sub_filter' is not built yet\n");
}

TEST(Directives, off_is_what_there_is) {
  EXPECT_NE(check_server("gunzip off; auth_basic off;").snapshot, nullptr);
  EXPECT_EQ(check_server("gunzip on;").snapshot, nullptr);
}

TEST(Directives, a_location_of_files_is_told_to_have_none) {
  for (const char* text : {"location = /50x.html { root /usr/share/nginx/html; }", "location /i/ { alias /data/; }"}) {
    const Loaded loaded = check_server(text);
    ASSERT_NE(loaded.snapshot, nullptr) << loaded.complaints();
    EXPECT_TRUE(loaded.says("has no effect here")) << loaded.complaints();
  }
}

TEST(Directives, nothing_that_protects_is_ignored) {
  for (const DirectiveRow& row : ignored_rows()) {
    if (row.name == "ssl_stapling_verify") continue;  // It looks at answers that nobody asks for.
    for (const char* word :
         {"auth", "allow", "deny", "verify", "limit_req", "limit_conn", "policy", "secure", "satisfy", "internal"}) {
      EXPECT_EQ(row.name.find(word), std::string_view::npos) << row.name;
    }
  }
}

TEST(Directives, the_reference_names_them_all) {
  const std::string page = render_directive_reference();
  for (const DirectiveTable& table : directive_tables()) {
    for (const DirectiveRow& row : table.rows) {
      EXPECT_NE(page.find(cat("`", row.name)), std::string::npos) << row.name;
    }
  }
  EXPECT_NE(page.find("| `policy` | http, server, location |"), std::string::npos);
}

struct Refusal {
  const char* text;
  const char* complaint;
};

// What stands at the main level.
TEST(Directives, main_level_refusals) {
  const Refusal cases[] = {
      {"", "KG034: no 'http' section"},
      {"events { }", "KG034"},
      {"http { } http { }", "KG016: 'http' directive is duplicate"},
      {"http;", "KG017: directive 'http' has no opening '{'"},
      {"http { } daemon on { }", "KG017: directive 'daemon' takes no block"},
      {"http { } daemon maybe;", "KG020: invalid value 'maybe' in 'daemon' directive"},
      {"http { } daemon on; daemon on;", "KG016: 'daemon' directive is duplicate"},
      {"http { } strict;", "KG015: invalid number of arguments in 'strict'"},
      {"http { } worker_processes 0;", "KG020"},
      {"http { } worker_processes -1;", "KG020"},
      {"http { } worker_processes 100000;", "KG020"},
      {"http { } events { worker_connections 0; }", "KG020"},
      {"http { } events { listen 80; }", "KG014: 'listen' directive is not allowed here"},
      {"http { } error_log x loud;", "KG020"},
      {"http { } error_log syslog:server=x;", "KG018"},
      {"http { } listen 80;", "KG014"},
      {"http { } proxy_pas http://x;", "KG012: unknown directive 'proxy_pas'"},
      {"http { } stream { }", "KG018: directive 'stream' is not built yet"},
      {"http { } \"\" x;", "KG012"},
      {"http { } worker_processes 1\n daemon on;", "KG013: ';' is missing before 'daemon'"},
  };
  for (const Refusal& one : cases) {
    const Loaded loaded = check(one.text);
    EXPECT_EQ(loaded.snapshot, nullptr) << one.text;
    EXPECT_TRUE(loaded.says(cat("error ", one.complaint))) << one.text << "\n" << loaded.complaints();
  }
}

TEST(Directives, http_level_refusals) {
  const Refusal cases[] = {
      {"upstream a { }", "KG034: no servers are inside upstream 'a'"},
      {"upstream a { server 127.0.0.1:1; } upstream A { server 127.0.0.1:2; }", "KG024: duplicate upstream 'A'"},
      {"upstream a { server 127.0.0.1:0; }", "KG020"},
      {"upstream a { server 127.0.0.1:99999; }", "KG020"},
      {"upstream a { server 300.0.0.1:1; }", "KG020"},
      {"upstream a { server unix:; }", "KG020"},
      {"upstream a { server http://x; }", "KG020"},
      {"upstream a { server 127.0.0.1:1 weight=0; }", "KG020"},
      {"upstream a { server 127.0.0.1:1 weigth=1; }", "KG021: invalid parameter 'weigth=1'"},
      {"upstream a { server 127.0.0.1:1 max_conns=-1; }", "KG020"},
      {"upstream a { server 127.0.0.1:1 slow_start=soon; }", "KG020"},
      {"upstream a { server a.test resolve; }", "KG034"},
      {"upstream a { server 127.0.0.1:1 backup; }", "KG034"},
      {"upstream a { server 127.0.0.1:1; least_conn now; }", "KG015"},
      {"upstream a { server 127.0.0.1:1; least_time header; }", "KG018"},
      {"upstream a { server 127.0.0.1:1; hash $uri consistently; }", "KG021"},
      {"upstream a { server 127.0.0.1:1; hash $nope; }", "KG022"},
      {"upstream a { server 127.0.0.1:1; random three; }", "KG021"},
      {"upstream a { server 127.0.0.1:1; random two most_conn; }", "KG021"},
      {"upstream a { server 127.0.0.1:1; random two least_time=header; }", "KG018"},
      {"upstream a { ip_hash; server 127.0.0.1:1; server 127.0.0.1:2 backup; }",
       "KG021: balancing method does not support parameter 'backup'"},
      {"upstream a { hash $uri; server 127.0.0.1:1 slow_start=1s; }",
       "KG021: balancing method does not support parameter 'slow_start'"},
      {"upstream a { random; server 127.0.0.1:1; server 127.0.0.1:2 backup; }", "KG021"},
      {"upstream a { hash $uri consistent; server 127.0.0.1:1 weight=10001; }", "KG020"},
      {"upstream a { server 127.0.0.1:1; queue 0; }", "KG020"},
      {"upstream a { server 127.0.0.1:1; queue 1 time=1s; }", "KG021"},
      {"upstream a { server 127.0.0.1:1; queue 1; queue 2; }", "KG016"},
      {"upstream a { server 127.0.0.1:1; retry_budget 20; }", "KG021"},
      {"upstream a { server 127.0.0.1:1; retry_budget off min=1/s; }", "KG021"},
      {"upstream a { server 127.0.0.1:1; retry_budget 20% min=1; }", "KG021"},
      {"upstream a { server 127.0.0.1:1; retry_budget 20%; retry_budget off; }", "KG016"},
      {"upstream a { server 127.0.0.1:1; outlier_ejection on; }", "KG021"},
      {"upstream a { server 127.0.0.1:1; outlier_ejection time=1s; }", "KG015"},
      {"upstream a { server 127.0.0.1:1; outlier_ejection consecutive=0; }", "KG020"},
      {"upstream a { server 127.0.0.1:1; outlier_ejection consecutive=1 max_ejected=101%; }", "KG020"},
      {"upstream a { server 127.0.0.1:1; zone z 1k; }", "KG020"},
      {"limit_req_zone $host;", "KG015"},
      {"limit_req_zone $host rate=1r/s;", "KG021"},
      {"limit_req_zone $host rate=1r/s sink=1;", "KG021"},
      {"limit_req_zone $host zone=a;", "KG020: invalid zone size 'zone=a'"},
      {"limit_req_zone $host zone=:1m;", "KG020"},
      {"limit_req_zone $host zone=a:31k;", "KG020: zone 'a' is too small"},
      {"limit_req_zone $host zone=a:1g;", "KG020"},
      {"limit_req_zone $host zone=a:1m rate=0r/s;", "KG020: invalid rate"},
      {"limit_req_zone $host zone=a:1m rate=1r;", "KG020: invalid rate"},
      {"limit_req_zone $host zone=a:1m sync;", "KG018"},
      {"limit_req_zone $host zone=a:1m; limit_req_zone $uri zone=a:1m;", "KG024"},
      {"limit_req_zone $hots zone=a:1m;", "KG022"},
      {"limit_req zone=none; server { listen 127.0.0.1:1; }", "KG023: unknown limit_req_zone 'none'"},
      {"map $host x { }", "KG022: invalid variable name 'x'"},
      {"map $host $host { }", "KG024: the variable '$host' is already defined"},
      {"map $host $a { } map $host $A { }", "KG024"},
      {"map $host $a { x 1; X 2; }", "KG016: conflicting parameter 'X'"},
      {"map $host $a { default 1; default 2; }", "KG016: duplicate default map parameter"},
      {"map $host $a { x; }", "KG015"},
      {"map $host $a { ~( 1; }", "KG025"},
      {"map $host $a { x $nope; }", "KG022"},
      {"map $b $a { } map $a $b { }", "KG027"},
      {"map $a $a { }", "KG027"},
      {"log_format a escape=xml x;", "KG021"},
      {"log_format combined x;", "KG024"},
      {"log_format a x; log_format a y;", "KG024"},
      {"log_format a $nope;", "KG022"},
      {"access_log x none; server { listen 127.0.0.1:1; }", "KG023: unknown log format 'none'"},
      {"access_log syslog:server=x;", "KG018"},
      {"access_log x combined if=; server { listen 127.0.0.1:1; }", "KG021"},
      {"access_log x combined if=$nope; server { listen 127.0.0.1:1; }", "KG022"},
      {"log_format a $1;", "KG022"},
      {"geo $x { default a; } map $a $x { }", "KG024"},
      {"geo $host { default a; }", "KG024"},
      {"geo $x { 10.0.0.0/8; }", "KG015"},
      {"geo $x { 10.0.0.0/8 a; ranges; }", "KG015: invalid number of the geo parameters"},
      {"geo $x { ranges; 10.0.0.9-10.0.0.1 a; }", "KG020"},
      {"geo $x { proxy 10.0.0.0/8; }", "KG018"},
      {"split_clients $uri $x { 101% a; }", "KG020"},
      {"split_clients $uri $x { 60% a; 40.01% b; }", "KG020: percent total is greater than 100%"},
      {"split_clients $uri $x { * a; 1% b; }", "KG020: percent total is greater than 100%"},
      {"access_log off x;", "KG021"},
      {"trust_domain \"a b\";", "KG020"},
      {"trust_domain a; trust_domain b;", "KG016"},
      {"auth_jwt_cache 5;", "KG021"},
      {"identity_headers Host;", "KG020"},
      {"identity_headers \"a b\";", "KG020"},
      {"location / { }", "KG014"},
      {"return 200;", "KG014"},
      {"policy gone.yaml;", "KG042"},
      {"policy p.cedar;", "KG018"},
  };
  for (const Refusal& one : cases) {
    const Loaded loaded = check_http(one.text);
    EXPECT_EQ(loaded.snapshot, nullptr) << one.text;
    EXPECT_TRUE(loaded.says(cat("error ", one.complaint))) << one.text << "\n" << loaded.complaints();
  }
}

TEST(Directives, server_level_refusals) {
  const Refusal cases[] = {
      {"listen 127.0.0.1:8080;", "KG016: a duplicate listen 127.0.0.1:8080"},
      {"listen 0;", "KG020"},
      {"listen 65536;", "KG020"},
      {"listen 999.0.0.1:80;", "KG020"},
      {"listen [::1;", "KG020"},
      {"listen ::1:80;", "KG020"},
      {"listen unix:;", "KG020"},
      {"listen 81 sll;", "KG021"},
      {"listen 81 quic;", "KG018"},
      {"listen 81 backlog=0;", "KG020"},
      {"listen 81 ssl;", "KG046"},
      {"listen 81 ssl; ssl_certificate a.pem;", "KG046"},
      {"ssl_protocols SSLv3;", "KG018"},
      {"ssl_certificate $x;", "KG018"},
      {"server_name *.*.x;", "KG020"},
      {"server_name ~(;", "KG025"},
      {"error_page 404;", "KG015"},
      {"error_page 200 /x;", "KG020"},
      {"error_page 600 /x;", "KG020"},
      {"error_page 499 /x;", "KG020"},
      {"error_page =200 /x;", "KG021"},
      {"error_page 404 =abc /x;", "KG020"},
      {"return abc;", "KG020: invalid return code 'abc'"},
      {"return 1000;", "KG020"},
      {"return /x;", "KG020"},
      {"return 200 a b;", "KG015"},
      {"return 200 $nope;", "KG022"},
      {"add_header \"a b\" c;", "KG020"},
      {"add_header a \"b\\nc\";", "KG020"},
      {"add_header a b sometimes;", "KG021"},
      {"client_max_body_size 1x;", "KG020"},
      {"client_body_timeout 1y;", "KG020"},
      {"large_client_header_buffers 0 8k;", "KG020"},
      {"large_client_header_buffers 4 1g;", "KG020"},
      {"ignore_invalid_headers off;", "KG018"},
      {"limit_req burst=1;", "KG021"},
      {"limit_req zone=a burst=0;", "KG020"},
      {"limit_req zone=a delay=-1;", "KG020"},
      {"limit_req zone=a zone_=b;", "KG021"},
      {"limit_req zone=a; limit_req zone=a;", "KG016"},
      {"limit_req_status 200;", "KG020"},
      {"limit_req_log_level debug;", "KG020"},
      {"auth_jwt a token=x;", "KG021"},
      {"auth_jwt a; auth_jwt b;", "KG016"},
      {"auth_jwt off token=cookie;", "KG021"},
      {"auth_jwt_type nested; auth_jwt_type nested;", "KG016"},
      {"auth_require x;", "KG020"},
      {"auth_require error=403;", "KG015"},
      {"auth_require $host error=302;", "KG021"},
      {"auth_require $host error=444;", "KG021"},
      {"auth_require error=403 $host;", "KG021"},
      {"auth_delay x;", "KG020"},
      {"auth_dpop_scheme ftp;", "KG020"},
      {"auth_dpop_scheme http; auth_dpop_scheme https;", "KG016"},
      {"auth_jwt_type odd;", "KG020"},
      {"auth_jwt_key_file $x;", "KG018"},
      {"auth_jwt_leeway 1ms;", "KG020"},
      {"auth_jwt_leeway 601s;", "KG020"},
      {"auth_jwt_require x;", "KG020"},
      {"auth_jwt_require error=401;", "KG015"},
      {"auth_jwt_require $host error=402;", "KG021"},
      {"auth_jwt_require $jwt_claim_sub;", "KG041"},
      {"authorize maybe;", "KG020"},
      {"authorize off; authorize on;", "KG016"},
      {"service \"a b\";", "KG020"},
      {"auth_identity host;", "KG020"},
      {"auth_identity $nope;", "KG022"},
      {"auth_identity $host$uri;", "KG022"},
      {"identity_claims a=b;", "KG021"},
      {"identity_claims client=;", "KG021"},
      {"transaction_token maybe;", "KG020"},
      {"transaction_token off ttl=3s;", "KG021"},
      {"transaction_token issue ttl=0;", "KG021"},
      {"transaction_token issue ttl=1h;", "KG021"},
      {"transaction_token issue bind=request;", "KG021"},
      {"transaction_token issue claims=host;", "KG021"},
      {"transaction_token issue claims=$host:path;", "KG021"},
      {"transaction_token require ttl=3s;", "KG021"},
      {"transaction_token require bind=body;", "KG021"},
      {"transaction_token issue;", "KG109"},
      {"transaction_token require;", "KG109"},
      {"decision_log x format=xml;", "KG021"},
      {"proxy_http_version 1.0;", "KG018"},
      {"proxy_http_version 3;", "KG020"},
      {"proxy_set_header Transfer-Encoding chunked;", "KG018"},
      {"proxy_ssl_protocols TLSv1;", "KG020"},
      {"proxy_pass http://127.0.0.1:1;", "KG014"},
      {"internal;", "KG014"},
      {"types { a { } }", "KG017"},
      {"proxy_set_header X $nope;", "KG022"},
      {"send_timeout 1s; send_timeout 2s;", "KG016"},
  };
  for (const Refusal& one : cases) {
    const Loaded loaded = check_server(one.text);
    EXPECT_EQ(loaded.snapshot, nullptr) << one.text;
    EXPECT_TRUE(loaded.says(cat("error ", one.complaint))) << one.text << "\n" << loaded.complaints();
  }
}

TEST(Directives, location_refusals) {
  const Refusal cases[] = {
      {"location { }", "KG015"},
      {"location a b c { }", "KG015"},
      {"location / ;", "KG017"},
      {"location x / { }", "KG030: invalid location modifier 'x'"},
      {"location = { }", "KG030: a location needs a pattern"},
      {"location ~ ( { }", "KG025"},
      {"location / { } location / { }", "KG030: duplicate location"},
      {"location /a { location /b { } }", "KG030"},
      {"location = /a { location /a/b { } }", "KG030"},
      {"location /a { location @b { } }", "KG030"},
      {"location / { proxy_pass 127.0.0.1; }", "KG020: invalid URL prefix"},
      {"location / { proxy_pass http://; }", "KG020"},
      {"location / { proxy_pass http://a:b; }", "KG020"},
      {"location / { proxy_pass http://user@a; }", "KG020"},
      {"location / { proxy_pass http://1.2.3.400; }", "KG020"},
      {"location / { proxy_pass http://127.0.0.1:1/#a; }", "KG020"},
      {"location / { proxy_pass http://unix:$host; }", "KG018"},
      {"location / { proxy_pass http://127.0.0.1:1; proxy_pass http://127.0.0.1:2; }", "KG016"},
      {"location ~ a { proxy_pass http://127.0.0.1:1/x; }", "KG020: 'proxy_pass' cannot have a URI part"},
      {"location @a { proxy_pass http://127.0.0.1:1/x; }", "KG020"},
      {"location / { proxy_pass http://unix:/a:b; }", "KG020"},
      {"location / { proxy_set_header X $nope; proxy_pass http://127.0.0.1:1; }", "KG022"},
      {"location / { internal; internal; }", "KG016"},
      {"location / { listen 80; }", "KG014"},
      {"location / { try_files $uri /x; }", "KG018"},
  };
  for (const Refusal& one : cases) {
    const Loaded loaded = check_server(one.text);
    EXPECT_EQ(loaded.snapshot, nullptr) << one.text;
    EXPECT_TRUE(loaded.says(cat("error ", one.complaint))) << one.text << "\n" << loaded.complaints();
  }
}

TEST(Directives, refusals_of_rewriting_and_of_inner_levels) {
  const Refusal cases[] = {
      {"set x 1;", "KG022: invalid variable name 'x'"},
      {"set $host 1;", "KG024: the variable '$host' is already defined"},
      {"set $limit_rate 1k;", "KG018"},
      {"set $a $nope;", "KG022"},
      {"rewrite ( /x;", "KG025"},
      {"rewrite ^ /x sometimes;", "KG021"},
      {"rewrite ^ '';", "KG020"},
      {"if ($a == b) { return 204; }", "KG020: invalid condition"},
      {"if () { return 204; }", "KG020: invalid condition"},
      {"if $host { return 204; }", "KG020: invalid condition"},
      {"if ($host ~ '(') { return 204; }", "KG025"},
      {"if ($nope) { return 204; }", "KG022"},
      {"if (-f $uri) { return 204; }", "KG018: condition '-f'"},
      {"if ($host) { deny all; }", "KG014"},
      {"if ($host) { add_header A b; }", "KG014"},
      {"if ($host) { if ($uri) { return 204; } }", "KG014"},
      {"set $a 1; location ~ '^/(?<uri>.)$' { }", "KG024"},
      {"location / { limit_except GETS { deny all; } }", "KG020: invalid method 'GETS'"},
      {"location / { limit_except GET { deny all; } limit_except PUT { } }", "KG016"},
      {"location / { limit_except GET { return 403; } }", "KG014"},
      {"location / { limit_except GET { authorize off; } }", "KG014"},
      {"location / { if ($host) { allow all; } }", "KG014"},
      {"location / { if ($host) { auth_jwt off; } }", "KG014"},
      {"location / { if ($host) { proxy_pass http://127.0.0.1:1/x; } }", "KG020: 'proxy_pass' cannot have a URI part"},
      {"location / { stub_status; proxy_pass http://127.0.0.1:1; }", "KG020"},
      {"location / { chunked_transfer_encoding off; }", "KG018"},
      {"http2 maybe;", "KG020"},
  };
  for (const Refusal& one : cases) {
    const Loaded loaded = check_server(one.text);
    EXPECT_EQ(loaded.snapshot, nullptr) << one.text;
    EXPECT_TRUE(loaded.says(cat("error ", one.complaint))) << one.text << "\n" << loaded.complaints();
  }
}

TEST(Directives, an_upstream_s_name_takes_no_port) {
  EXPECT_TRUE(check_http("upstream a { server 127.0.0.1:1; } server { listen 127.0.0.1:1; location / { proxy_pass "
                         "http://a:80; } }")
                  .says("error KG020: upstream 'a' may not have port 80"));
}

TEST(Directives, two_default_servers_are_refused) {
  const Loaded loaded = check_http(
      "server { listen 127.0.0.1:1 default_server; server_name a; } server { listen 127.0.0.1:1 default_server; "
      "server_name b; }");
  EXPECT_TRUE(loaded.says("error KG031: a duplicate default server for 127.0.0.1:1")) << loaded.complaints();
}

TEST(Directives, a_name_belongs_to_the_first_server) {
  const Loaded loaded =
      check_http("server { listen 127.0.0.1:1; server_name a; } server { listen 127.0.0.1:1; server_name A; }");
  EXPECT_NE(loaded.snapshot, nullptr);
  EXPECT_TRUE(loaded.says("warning KG032: conflicting server name 'A' on 127.0.0.1:1, ignored")) << loaded.complaints();
}

TEST(Directives, more_limits_than_can_be_held_are_refused) {
  std::string zones, limits;
  for (int i = 0; i < 17; ++i) {
    append(zones, "limit_req_zone $host zone=z", i, ":32k; ");
    append(limits, "limit_req zone=z", i, "; ");
  }
  EXPECT_TRUE(check_http(cat(zones, limits, "server { listen 127.0.0.1:1; }")).says("error KG003"));
}

TEST(Directives, all_complaints_come_at_once_with_their_places) {
  const TempFolder folder;
  folder.write("inner.conf", "lisen 80;\n");
  const Loaded loaded = check(folder,
                              "worker_processes many;\nhttp {\n  server {\n    include inner.conf;\n"
                              "    client_max_body_size lots;\n    proxy_pas x;\n  }\n}\n");
  ASSERT_EQ(loaded.diagnostics.all().size(), 4U) << loaded.complaints();
  const auto& all = loaded.diagnostics.all();
  EXPECT_EQ(all[0].place.line, 1U);
  EXPECT_EQ(all[0].place.column, 18U);
  EXPECT_EQ(all[1].place.file, folder.path("inner.conf"));
  EXPECT_EQ(all[1].help, "did you mean 'listen'?");
  EXPECT_EQ(all[2].place.line, 5U);
  EXPECT_EQ(all[3].place.column, 5U);
}

TEST(Directives, a_complaint_shows_the_line_and_a_caret) {
  const TempFolder folder;
  const Loaded loaded = check(folder, "http {\n    server {\n        proxy_pas http://a;\n    }\n}\n");
  EXPECT_EQ(loaded.diagnostics.render_text(),
            cat("error[KG012]: unknown directive 'proxy_pas'\n  --> ", folder.path("keepgate.conf"),
                ":3:9\n   |\n 3 |         proxy_pas http://a;\n"
                "   |         ^^^^^^^^^\n  help: did you mean 'proxy_pass'?\n"));
}

TEST(Directives, a_line_that_is_no_text_does_not_reach_the_terminal) {
  const Loaded loaded = check("http { x\xff\xfe\xc3; }");
  EXPECT_EQ(loaded.diagnostics.render_text().find('\xff'), std::string::npos);
  EXPECT_EQ(loaded.snapshot, nullptr);
}

}  // namespace
}  // namespace keepgate::conf
