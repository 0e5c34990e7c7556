// nginx's tuning directives that change no answer: accepted without effect, so that a configuration need not be edited.
// INVARIANT: nothing that protects, restricts or hides belongs here. Such a directive is built or refused.
#include "conf/directives/row.h"

namespace keepgate::conf {

namespace {

constexpr std::uint32_t outer = in_http | in_server;
constexpr std::string_view sized = "No effect: sizes itself.";
constexpr std::string_view no_files = "No effect: Keepgate serves no files.";

constexpr DirectiveRow row(std::string_view name, std::uint32_t contexts, std::uint8_t least, std::uint8_t most,
                           std::string_view summary) {
  return {name, contexts, {least, most}, Support::ignored, nullptr, "", summary};
}

constexpr DirectiveRow ignored_table[] = {
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
    row("charset", in_levels | in_if, 1, 1,
        "No effect: Keepgate's own texts name their charset, others are passed on."),
    row("index", in_levels, 1, many, no_files),
    row("port_in_redirect", in_levels, 1, 1, "No effect: redirects keep the port that the client used."),
    row("server_name_in_redirect", in_levels, 1, 1, "No effect: redirects keep the host that the client used."),
    row("proxy_ssl_session_reuse", in_levels, 1, 1, "No effect: the program decides."),
    row("status_zone", in_server | in_location, 1, 1, "No effect: figures are kept by server and location."),
};

}  // namespace

std::span<const DirectiveRow> ignored_rows() { return ignored_table; }

}  // namespace keepgate::conf
