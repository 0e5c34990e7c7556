#include "http/status.h"

#include <gtest/gtest.h>

namespace keepgate::http {
namespace {

TEST(Status, knows_reasons) {
  EXPECT_EQ(reason_phrase(404), "Not Found");
  EXPECT_EQ(reason_phrase(413), "Content Too Large");
  EXPECT_EQ(reason_phrase(499), "Client Closed Request");
  EXPECT_EQ(reason_phrase(511), "Network Authentication Required");
  for (const int unknown : {0, 99, 418, 599, 600, 999, 65535}) {
    EXPECT_EQ(reason_phrase(static_cast<std::uint16_t>(unknown)), "");
  }
}

TEST(Status, writes_status_lines) {
  std::string scratch;
  EXPECT_EQ(status_line(200, scratch), "HTTP/1.1 200 OK\r\n");
  EXPECT_TRUE(scratch.empty());
  EXPECT_EQ(status_line(299, scratch), "HTTP/1.1 299 \r\n");
  EXPECT_EQ(status_line(999, scratch), "HTTP/1.1 999 \r\n");
}

TEST(Status, writes_the_page_of_nginx_with_our_name) {
  EXPECT_EQ(error_page_html(404),
            "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not "
            "Found</h1></center>\r\n<hr><center>keepgate</center>\r\n</body>\r\n</html>\r\n");
  EXPECT_NE(error_page_html(413).find("<title>413 Request Entity Too Large</title>"), std::string::npos);
  const std::string page = error_page_html(497);
  EXPECT_NE(page.find("<h1>400 Bad Request</h1></center>\r\n<center>The plain HTTP request was sent to HTTPS port<"),
            std::string::npos);
  EXPECT_NE(error_page_html(599).find("<h1>599</h1>"), std::string::npos);
}

TEST(Status, tells_which_answers_have_a_body) {
  EXPECT_TRUE(has_body(200));
  EXPECT_TRUE(has_body(404));
  for (const int none : {100, 103, 199, 204, 304}) EXPECT_FALSE(has_body(static_cast<std::uint16_t>(none)));
}

TEST(HttpDate, writes_imf_fixdate) {
  const auto date = [](std::int64_t wall_s) {
    char out[29];
    write_http_date(out, wall_s);
    return std::string(out, sizeof out);
  };
  EXPECT_EQ(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(date(784'111'777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(date(951'782'400), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(date(1'709'251'199), "Thu, 29 Feb 2024 23:59:59 GMT");
  EXPECT_EQ(date(4'107'542'400), "Mon, 01 Mar 2100 00:00:00 GMT");
  EXPECT_EQ(date(253'402'300'799), "Fri, 31 Dec 9999 23:59:59 GMT");
  EXPECT_EQ(date(253'402'300'800), "Fri, 31 Dec 9999 23:59:59 GMT");
  EXPECT_EQ(date(-1), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(HttpDate, agrees_with_the_c_library) {
  for (std::int64_t at = 0; at < 8'000'000'000; at += 7'654'321) {
    char ours[30] = {}, theirs[30] = {};
    write_http_date(reinterpret_cast<char(&)[29]>(ours), at);
    const std::time_t time = at;
    std::tm parts{};
    ::gmtime_r(&time, &parts);
    std::strftime(theirs, sizeof theirs, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    ASSERT_STREQ(ours, theirs);
  }
}

}  // namespace
}  // namespace keepgate::http
