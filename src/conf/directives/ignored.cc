// nginx's tuning directives that change no answer: accepted without effect, so that a configuration need not be edited.
// INVARIANT: nothing that protects, restricts or hides belongs here. Such a directive is built or refused.
#include "base/bytes.h"
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

constexpr std::uint32_t outer = in_http | in_server;
constexpr std::string_view sized = "No effect: sizes itself.";
constexpr std::string_view no_files = "No effect: Keepgate serves no files.";
constexpr std::string_view no_files_here =
    "No effect: Keepgate serves no files; a location with nothing else answers 404.";

constexpr DirectiveRow row(std::string_view name, std::uint32_t contexts, std::uint8_t least, std::uint8_t most,
                           std::string_view summary) {
  return {name, contexts, {least, most}, Support::ignored, nullptr, "", summary};
}

void say_without_effect(Reader& reader, const Scope&, const Directive& directive) {
  if (directive.arguments[0].text == "off") return;
  reader.warning(code::no_effect, cat("'", directive.name.text, "' has no effect here"), directive.name.at);
}

// Its writer may count on it: that it does nothing is told.
constexpr DirectiveRow told(std::string_view name, std::uint32_t contexts, std::uint8_t least, std::uint8_t most,
                            std::string_view summary) {
  return {name, contexts, {least, most}, Support::ignored, say_without_effect, "", summary};
}

constexpr std::string_view no_compression = "No effect: answers are passed on as upstreams send them.";
constexpr std::string_view no_http2 = "No effect: HTTP/2 is not spoken.";
constexpr std::string_view no_stapling = "No effect: no OCSP answers are stapled.";

void refuse_off(Reader& reader, const Scope&, const Directive& directive) {
  const auto value = reader.flag(directive);
  if (value && !*value) reader.not_built(directive.name, cat("'", directive.name.text, " off'"));
}

constexpr DirectiveRow ignored_table[] = {
    {"chunked_transfer_encoding",
     in_levels,
     {1, 1},
     Support::ignored,
     refuse_off,
     "on",
     "No effect: an answer of unknown length goes out in chunks; `off` is refused."},
    told("root", in_levels | in_if, 1, 1, no_files_here),
    told("alias", in_location, 1, 1, no_files_here),
    told("gzip", in_levels | in_if, 1, 1, no_compression),
    row("gzip_types", in_levels, 1, many, no_compression),
    row("gzip_min_length", in_levels, 1, 1, no_compression),
    row("gzip_comp_level", in_levels, 1, 1, no_compression),
    told("gzip_vary", in_levels, 1, 1, no_compression),
    row("gzip_proxied", in_levels, 1, many, no_compression),
    row("gzip_disable", in_levels, 1, many, no_compression),
    row("gzip_buffers", in_levels, 2, 2, no_compression),
    row("gzip_http_version", in_levels, 1, 1, no_compression),
    told("proxy_cache_bypass", in_levels, 1, many, "No effect: nothing is cached."),
    told("proxy_no_cache", in_levels, 1, many, "No effect: nothing is cached."),
    told("ssl_dhparam", outer, 1, 1, "No effect: OpenSSL chooses the groups."),
    told("ssl_ecdh_curve", outer, 1, 1, "No effect: OpenSSL's own groups are used, all of them strong."),
    told("ssl_stapling", outer, 1, 1, no_stapling),
    told("ssl_stapling_verify", outer, 1, 1, no_stapling),
    told("ssl_stapling_file", outer, 1, 1, no_stapling),
    told("ssl_stapling_responder", outer, 1, 1, no_stapling),
    row("http2_max_concurrent_streams", outer, 1, 1, no_http2),
    row("http2_body_preread_size", outer, 1, 1, no_http2),
    row("http2_chunk_size", in_levels, 1, 1, no_http2),
    row("http2_recv_buffer_size", in_http, 1, 1, no_http2),
    row("rewrite_log", in_levels | in_if | in_server_if, 1, 1, "No effect: rewrites are not logged."),
    row("uninitialized_variable_warn", in_levels | in_if | in_server_if, 1, 1,
        "No effect: a variable without a value is empty."),
    row("worker_rlimit_core", in_main, 1, 1, "No effect: set the limit where the program is started."),
    row("working_directory", in_main, 1, 1, "No effect: paths are seen from the configuration's folder."),
    row("lock_file", in_main, 1, 1, "No effect: there is no accept mutex."),
    row("pcre_jit", in_main, 1, 1, "No effect: regexes are always compiled."),
    row("thread_pool", in_main, 2, many, no_files),
    row("timer_resolution", in_main, 1, 1, "No effect: timers are exact."),
    row("env", in_main, 1, 1, "No effect: nothing reads the environment."),
    row("multi_accept", in_events, 1, 1, "No effect: a worker accepts what is there."),
    row("use", in_events, 1, 1, "No effect: epoll is used."),
    row("accept_mutex", in_events, 1, 1, "No effect: every worker has its own listener."),
    row("accept_mutex_delay", in_events, 1, 1, "No effect: every worker has its own listener."),
    row("worker_aio_requests", in_events, 1, 1, no_files),
    row("sendfile", in_levels | in_if, 1, 1, no_files),
    row("sendfile_max_chunk", in_levels, 1, 1, no_files),
    row("tcp_nopush", in_levels, 1, 1, "No effect: answers are written in whole pieces."),
    row("aio", in_levels, 1, 1, no_files),
    row("aio_write", in_levels, 1, 1, no_files),
    row("directio", in_levels, 1, 1, no_files),
    row("output_buffers", in_levels, 2, 2, no_files),
    row("open_file_cache", in_levels, 1, 2, no_files),
    row("open_file_cache_valid", in_levels, 1, 1, no_files),
    row("open_file_cache_min_uses", in_levels, 1, 1, no_files),
    row("open_file_cache_errors", in_levels, 1, 1, no_files),
    row("types_hash_max_size", in_levels, 1, 1, sized),
    row("types_hash_bucket_size", in_levels, 1, 1, sized),
    row("variables_hash_max_size", in_http, 1, 1, sized),
    row("variables_hash_bucket_size", in_http, 1, 1, sized),
    row("server_names_hash_max_size", in_http, 1, 1, sized),
    row("server_names_hash_bucket_size", in_http, 1, 1, sized),
    row("proxy_headers_hash_max_size", in_levels, 1, 1, sized),
    row("proxy_headers_hash_bucket_size", in_levels, 1, 1, sized),
    row("connection_pool_size", outer, 1, 1, sized),
    row("request_pool_size", outer, 1, 1, sized),
    row("postpone_output", in_levels, 1, 1, sized),
    row("server_tokens", in_levels, 1, 1, "No effect: answers never show a version."),
    row("keepalive_disable", in_levels, 1, many, "No effect: it is about browsers of another time."),
    row("log_not_found", in_levels, 1, 1, no_files),
    row("log_subrequest", in_levels, 1, 1, "No effect: there are no subrequests."),
    row("msie_padding", in_levels, 1, 1, "No effect: it is about browsers of another time."),
    row("etag", in_levels, 1, 1, no_files),
    row("if_modified_since", in_levels, 1, 1, no_files),
    row("index", in_levels, 1, many, no_files),
    row("port_in_redirect", in_levels, 1, 1, "No effect: redirects keep the port that the client used."),
    row("server_name_in_redirect", in_levels, 1, 1, "No effect: redirects keep the host that the client used."),
    row("proxy_ssl_session_reuse", in_levels, 1, 1, "No effect: the program decides."),
    row("status_zone", in_server | in_location, 1, 1, "No effect: figures are kept by server and location."),
};

}  // namespace

std::span<const DirectiveRow> ignored_rows() { return ignored_table; }

}  // namespace keepgate::conf
