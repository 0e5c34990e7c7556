#include "http/field.h"

#include <gtest/gtest.h>

#include <string>

#include "http/head.h"

namespace keepgate::http {
namespace {

constexpr std::pair<std::string_view, Field> names[] = {
    {"Connection", Field::connection},
    {"Content-Length", Field::content_length},
    {"Expect", Field::expect},
    {"Host", Field::host},
    {"HTTP2-Settings", Field::http2_settings},
    {"Keep-Alive", Field::keep_alive},
    {"Proxy-Authenticate", Field::proxy_authenticate},
    {"Proxy-Authentication-Info", Field::proxy_authentication_info},
    {"Proxy-Authorization", Field::proxy_authorization},
    {"Proxy-Connection", Field::proxy_connection},
    {"TE", Field::te},
    {"Trailer", Field::trailer},
    {"Transfer-Encoding", Field::transfer_encoding},
    {"Upgrade", Field::upgrade},
    {"Accept", Field::accept},
    {"Authorization", Field::authorization},
    {"Content-Type", Field::content_type},
    {"Cookie", Field::cookie},
    {"Date", Field::date},
    {"Forwarded", Field::forwarded},
    {"Location", Field::location},
    {"Server", Field::server},
    {"Txn-Token", Field::txn_token},
    {"User-Agent", Field::user_agent},
    {"WWW-Authenticate", Field::www_authenticate},
    {"X-Accel-Redirect", Field::x_accel},
    {"X-Accel-Charset", Field::x_accel},  // As long as X-Forwarded-For.
    {"X-Accel-", Field::x_accel},
    {"X-Accel-Something-That-Nobody-Knows-Yet", Field::x_accel},
    {"X-Forwarded-For", Field::x_forwarded_for},
    {"X-Pad", Field::x_pad},
};

TEST(FieldOf, knows_its_names_in_any_case) {
  for (const auto& [name, field] : names) {
    std::string upper(name), lower(name);
    for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    EXPECT_EQ(field_of(name), field) << name;
    EXPECT_EQ(field_of(upper), field) << upper;
    EXPECT_EQ(field_of(lower), field) << lower;
  }
}

TEST(FieldOf, takes_no_other_byte_for_a_letter) {
  for (const auto& [name, field] : names) {
    const std::size_t fixed = field == Field::x_accel ? 8 : name.size();
    for (std::size_t at = 0; at < fixed; ++at) {
      for (int c = 0; c < 256; ++c) {
        std::string changed(name);
        const bool same_letter = (c | 0x20) == (name[at] | 0x20) && ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (c == name[at] || same_letter) continue;
        changed[at] = static_cast<char>(c);
        ASSERT_EQ(field_of(changed), Field::other) << changed;
      }
    }
  }
}

TEST(FieldOf, knows_no_longer_and_no_shorter_name) {
  for (const auto& [name, field] : names) {
    if (field == Field::x_accel) continue;
    EXPECT_EQ(field_of(name.substr(1)), Field::other);
    EXPECT_EQ(field_of(name.substr(0, name.size() - 1)), Field::other);
    EXPECT_EQ(field_of(std::string(name) + "s"), Field::other);
  }
  for (const std::string_view other : {"", "x", "X-Accel", "Content_Length", "X-Forwarded-Fox"}) {
    EXPECT_EQ(field_of(other), Field::other) << other;
  }
}

TEST(FieldOf, marks_fields_of_one_connection) {
  EXPECT_TRUE(is_hop_by_hop(Field::te));
  EXPECT_TRUE(is_hop_by_hop(Field::proxy_connection));
  EXPECT_FALSE(is_hop_by_hop(Field::authorization));
  EXPECT_FALSE(is_hop_by_hop(Field::other));
}

TEST(IsToken, takes_tchar_only) {
  EXPECT_TRUE(is_token("aZ09!#$%&'*+-.^_`|~"));
  for (const std::string_view bad : {"", "a b", "a:", "a\t", "\x80", "(a)", "a/", "\"a\"", "a,b", "{a}", "a@"}) {
    EXPECT_FALSE(is_token(bad)) << bad;
  }
}

TEST(IsFieldValue, takes_no_control_byte_but_tab) {
  EXPECT_TRUE(is_field_value(""));
  EXPECT_TRUE(is_field_value("a b\tc\x80\xff"));
  for (int c = 0; c < 256; ++c) {
    for (const std::size_t pad : {0U, 16U, 40U, 100U}) {
      const std::string text = std::string(pad, 'a') + static_cast<char>(c) + std::string(pad, 'b');
      EXPECT_EQ(is_field_value(text), c == '\t' || (c >= 0x20 && c != 0x7f)) << c;
    }
  }
}

TEST(MethodOf, is_case_sensitive) {
  const std::pair<std::string_view, Method> methods[] = {
      {"GET", Method::get},        {"HEAD", Method::head},       {"POST", Method::post},       {"PUT", Method::put},
      {"DELETE", Method::delete_}, {"CONNECT", Method::connect}, {"OPTIONS", Method::options}, {"TRACE", Method::trace},
      {"PATCH", Method::patch},    {"get", Method::other},       {"GETS", Method::other},      {"", Method::other},
      {"PURGE", Method::other},    {"DELETES", Method::other},   {"PROPFIND", Method::other},
  };
  for (const auto& [text, method] : methods) EXPECT_EQ(method_of(text), method) << text;
}

TEST(IsIdempotent, lets_only_safe_repeats_through) {
  for (const Method yes : {Method::get, Method::head, Method::put, Method::delete_, Method::options, Method::trace}) {
    EXPECT_TRUE(is_idempotent(yes, ""));
  }
  for (const std::string_view yes : {"ACL", "MKCOL", "PROPFIND", "REPORT", "VERSION-CONTROL"}) {
    EXPECT_TRUE(is_idempotent(Method::other, yes)) << yes;
  }
  for (const Method no : {Method::post, Method::patch, Method::connect, Method::other}) {
    EXPECT_FALSE(is_idempotent(no, "POST"));
  }
  for (const std::string_view no : {"", "LOCK", "PURGE", "propfind", "PROPFINDS"}) {
    EXPECT_FALSE(is_idempotent(Method::other, no)) << no;
  }
}

}  // namespace
}  // namespace keepgate::http
