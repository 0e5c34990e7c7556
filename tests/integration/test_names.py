"""Names that are resolved while running: proxy_pass with variables, `server … resolve`, and name servers that misbehave."""
import socket
import threading

import pytest

from harness.dns import A, REFUSED, SERVER_FAILURE
from harness.gate import run_cli
from harness.origin import answer_bytes
from harness.ports import free_port, wait_until


class Neighbours:
    """Origins that share a port on 127.0.0.2, .3, …: what several addresses of one name look like."""

    def __init__(self, *hosts):
        self.hosts = hosts
        self.seen = {host: [] for host in hosts}
        self.listeners = {}
        self.port = free_port()
        for host in hosts:
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, self.port))
            sock.listen(64)
            self.listeners[host] = sock
        for host, sock in self.listeners.items():
            threading.Thread(target=self.accept, args=(host, sock), daemon=True).start()

    def accept(self, host, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(host, sock), daemon=True).start()

    def serve(self, host, sock):
        data = b""
        with sock:
            sock.settimeout(30)
            try:
                while True:
                    while b"\r\n\r\n" not in data:
                        piece = sock.recv(65536)
                        if not piece:
                            return
                        data += piece
                    head, data = data.split(b"\r\n\r\n", 1)
                    self.seen[host].append(head.decode("latin-1"))
                    sock.sendall(answer_bytes(body=host.encode()))
            except OSError:
                return

    def close(self):
        for sock in self.listeners.values():
            sock.close()


@pytest.fixture
def neighbours():
    made = []

    def make(*hosts):
        made.append(Neighbours(*hosts))
        return made[-1]

    yield make
    for one in made:
        one.close()


def dynamic(keepgate, dns, pass_to, extra="", **options):
    http = "resolver %s valid=1s; resolver_timeout 3s; %s server { listen 127.0.0.1:@gate@; location / { proxy_pass %s; } }"
    return keepgate(http % (dns.address, extra, pass_to), **options)


# proxy_pass with variables


def test_the_host_of_a_request_is_resolved_and_asked(keepgate, dns_server, neighbours):
    dns, backends = dns_server(), neighbours("127.0.0.2", "127.0.0.3")
    dns.set("a.test", "127.0.0.2")
    dns.set("b.test", "127.0.0.3")
    gate = dynamic(keepgate, dns, f"http://$arg_to:{backends.port}")
    assert gate.get("/x?to=a.test").body == b"127.0.0.2"
    assert gate.get("/x?to=b.test").body == b"127.0.0.3"
    head = backends.seen["127.0.0.3"][0]
    assert head.startswith("GET /x?to=b.test HTTP/1.1\r\n")
    assert f"Host: b.test:{backends.port}" in head


def test_an_answer_is_remembered_and_the_connection_kept(keepgate, dns_server, origin):
    dns, backend = dns_server(), origin()
    dns.set("a.test", "127.0.0.1", ttl=300)
    http = "resolver %s ipv6=off; server { listen 127.0.0.1:@gate@; location / { proxy_pass http://$arg_to:%s; } }"
    gate = keepgate(http % (dns.address, backend.port))
    for _ in range(20):
        assert gate.get("/?to=A.test").status == 200
    assert len(dns.asked("a.test") + dns.asked("A.test")) == 1
    assert len(backend.connections) == 1


def test_a_name_of_an_upstream_block_needs_no_name_server(keepgate, origin):
    one, two = origin(lambda request: answer_bytes(body=b"one")), origin(lambda request: answer_bytes(body=b"two"))
    gate = keepgate("""upstream blue { server @one@; } upstream green { server @two@; }
        map $http_x_color $backend { default blue; g green; }
        server { listen 127.0.0.1:@gate@; location / { proxy_pass http://$backend; } }""",
                    values={"one": one.address, "two": two.address})
    assert gate.get("/a%20b?c").body == b"one"
    assert one.last.target == "/a%20b?c"
    assert one.last.get("Host") == "blue"
    assert gate.get("/", [("X-Color", "g")]).body == b"two"


def test_an_address_needs_no_name_server(keepgate, origin):
    backend = origin()
    gate = keepgate("server { listen 127.0.0.1:@gate@; location / { proxy_pass http://127.0.0.1:$arg_port; } }")
    assert gate.get(f"/?port={backend.port}").status == 200
    assert gate.get("/?port=99999").status == 500
    assert gate.get("/?port=").status == 500


def test_without_a_resolver_a_name_is_502_and_logged(keepgate):
    gate = keepgate("server { listen 127.0.0.1:@gate@; location / { proxy_pass http://$arg_to; } }")
    assert gate.get("/?to=a.test").status == 502
    wait_until(lambda: "no resolver defined to resolve a.test" in gate.read("error.log"))


@pytest.mark.parametrize("host", ["user@127.0.0.1", "127.0.0.1:80:80", "a%00b", "a..b", "[::1", "unix:/tmp/x",
                                  "127.0.0.1%23", "127.0.0.1%3f@x", "a b", "%0d%0a", "a\\b", ".a", "a:0", "a:065536", "-"])
def test_what_is_no_host_goes_nowhere(keepgate, dns_server, origin, host):
    dns, backend = dns_server(), origin()
    dns.set("a.test", "127.0.0.1")
    gate = dynamic(keepgate, dns, "http://$http_x_to")
    answer = gate.get("/", [("X-To", host)])
    assert answer.status in (400, 500, 502), host
    assert not backend.connections
    assert all(name == host for name, _, _ in dns.questions)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://127.0.0.1/", "//127.0.0.1/", "127.0.0.1", "", "http:/x",
                                 "ftp://127.0.0.1/", "http://", "https://127.0.0.1/", "javascript:http://127.0.0.1/"])
def test_a_scheme_other_than_http_is_never_followed(keepgate, url):
    gate = keepgate("server { listen 127.0.0.1:@gate@; location / { proxy_pass http://x$http_x_nothing; } "
                    "location /u { proxy_pass $http_x_url; } }")
    assert gate.get("/u", [("X-Url", url)]).status in (500, 502)


def test_a_whole_url_may_come_from_a_map(keepgate, origin):
    backend = origin()
    gate = keepgate("""map $arg_v $target { default http://127.0.0.1:@port@/v1; 2 http://127.0.0.1:@port@/v2?x=1; n http://127.0.0.1:@port@; }
        server { listen 127.0.0.1:@gate@; location / { proxy_pass $target; } location /u/ { proxy_pass $target$request_uri; } }""",
                    values={"port": backend.port})
    assert gate.get("/a?v=1").status == 200 and backend.last.target == "/v1"
    assert gate.get("/a?v=2").status == 200 and backend.last.target == "/v2?x=1"
    assert gate.get("/a?v=n").status == 200 and backend.last.target == "/a?v=n"
    assert gate.get("/u/%41?v=1").status == 200 and backend.last.target == "/v1/u/%41?v=1"


@pytest.mark.parametrize("uri,path,received", [
    ("$request_uri", "/a%20%41/../b?q=%20", "/a%20%41/../b?q=%20"),
    ("$uri$is_args$args", "/a%20%41?q=1", "/a%20A?q=1"),
    ("$uri", "/a%0d%0aX:%20y?q=1", "/a%0D%0AX:%20y"),
    ("/fixed", "/a?q=1", "/fixed"),
    ("/v2$uri$is_args$args", "/a%3fb?q=1", "/v2/a%3Fb?q=1"),
    ("/find?what=$arg_w", "/a?w=1%202", "/find?what=1%202"),
    ("?q=$arg_w", "/a?w=1", "/?q=1"),
    ("", "/a%20b?c", "/a%20b?c"),
])
def test_a_uri_with_variables_is_given_as_it_is(keepgate, origin, uri, path, received):
    backend = origin()
    gate = keepgate("server { listen 127.0.0.1:@gate@; location / { proxy_pass http://127.0.0.1:${arg_none}@port@%s; } }" % uri,
                    values={"port": backend.port})
    assert gate.get(path).status == 200
    assert backend.last.target == received
    assert len(backend.connections) == 1 and len(backend.requests) == 1


@pytest.mark.parametrize("value", [":80@evil.test/", "evil.test", "@evil.test", ".evil.test", "\\evil", "#x"])
def test_a_uri_that_does_not_begin_with_a_slash_cannot_become_a_host(keepgate, dns_server, origin, value):
    dns, backend = dns_server(), origin()
    dns.set("evil.test", "127.0.0.1")
    http = "resolver %s; server { listen 127.0.0.1:@gate@; location / { proxy_pass http://127.0.0.1:%s$http_x_more; } }"
    gate = keepgate(http % (dns.address, backend.port))
    assert gate.get("/", [("X-More", value)]).status in (400, 500, 502)
    assert not backend.requests and not dns.questions


@pytest.mark.parametrize("value", ["/a\x01b", "/a\x7fb", "/a#b"])
def test_control_bytes_do_not_get_into_the_uri(keepgate, origin, value):
    backend = origin()
    gate = keepgate("server { listen 127.0.0.1:@gate@; location / { proxy_pass http://127.0.0.1:%s/x$cookie_c; } }" % backend.port)
    answer = gate.raw(f"GET / HTTP/1.1\r\nHost: x\r\nCookie: c={value}\r\n\r\n".encode("latin-1"))
    assert answer.status == 400
    assert not backend.requests


POLICY = """
policies:
  - id: reader
    allow: client:c1
    on: { service: s, methods: [GET], paths: ["/ok/**"] }
"""


def test_a_policy_and_a_uri_of_variables_do_not_go_together(keepgate, origin):
    backend = origin()
    base = """http { policy p.yaml; server { listen 127.0.0.1:1; service s; auth_jwt off;
        location / { proxy_pass http://127.0.0.1:%s; } } }"""
    for target, refused in [("$request_uri", False), ("$uri$is_args$args", False), ("$uri", False), ("", False),
                            ("/x$uri", True), ("/x", True), ("/$arg_a", True), ("$request_uri$arg_a", True)]:
        gate = keepgate(text=base % ("${arg_n}%s%s" % (backend.port, target)), files={"p.yaml": POLICY}, start=False)
        result = run_cli("-t", "-c", gate.path("keepgate.conf"))
        assert ("KG113" in result.stderr) == refused, (target, result.stderr)


@pytest.mark.parametrize("target", ["", "$request_uri", "$uri$is_args$args"])
def test_what_a_policy_decided_on_is_what_is_sent(keepgate, origin, target):
    backend = origin()
    gate = keepgate("""policy p.yaml; map $arg_evil $backend { default "127.0.0.1:%s"; 1 "127.0.0.1:%s/other"; }
        map $http_x_id $who { default ""; one c1; }
        server { listen 127.0.0.1:@gate@; service s; auth_identity $who; location / { proxy_pass http://$backend%s; } }"""
                    % (backend.port, backend.port, target), files={"p.yaml": POLICY})
    one = [("X-Id", "one")]
    assert gate.get("/ok/x/../%41?q=1", one).status == 200
    assert backend.last.target == "/ok/A?q=1"
    assert gate.get("/ok/..;/x", one).status == 400
    assert gate.get("/ok/../no", one).status == 403
    assert gate.get("/ok/A").status == 401
    assert gate.get("/ok/x?evil=1", one).status == 500
    assert len(backend.requests) == 1


def test_under_strict_a_client_does_not_choose_the_host(keepgate):
    for target, refused in [("http://$host", True), ("http://$arg_x.test/", True), ("http://a.test:$http_port", True),
                            ("$cookie_u", True), ("http://$chosen", False), ("http://$passed", True),
                            ("http://127.0.0.1$request_uri", False), ("http://$server_name", False)]:
        text = """strict on; http { map $arg_x $chosen { default 127.0.0.1; b 127.0.0.2; } map $arg_x $passed { default $arg_x; }
            server { listen 127.0.0.1:1; server_name n; location / { authorize off; proxy_pass %s; } } }""" % target
        gate = keepgate(text=text, start=False)
        result = run_cli("-t", "-c", gate.path("keepgate.conf"))
        assert ("error[KG112]" in result.stderr) == refused, (target, result.stderr)
        relaxed = keepgate(text=text.replace("strict on;", ""), start=False)
        result = run_cli("-t", "-c", relaxed.path("keepgate.conf"))
        assert ("warning[KG112]" in result.stderr) == refused, (target, result.stderr)


# Name servers that misbehave


@pytest.mark.parametrize("mode,status", [("silent", 502), ("garbage", 502), ("wrong_id", 502), ("wrong_name", 502),
                                         ("loop", 502), ("empty", 502), ("truncated", 200), (None, 200)])
def test_a_first_answer_that_is_none_is_502(keepgate, dns_server, origin, mode, status):
    dns, backend = dns_server(), origin()
    dns.set("a.test", "127.0.0.1")
    dns.mode = mode
    http = "resolver %s ipv6=off; resolver_timeout 1s; server { listen 127.0.0.1:@gate@; location / { proxy_pass http://$arg_to:%s; } }"
    gate = keepgate(http % (dns.address, backend.port))
    assert gate.get("/?to=a.test").status == status
    assert bool(backend.requests) == (status == 200)
    if status != 200:
        wait_until(lambda: "a.test could not be resolved" in gate.read("error.log"))
    if mode == "truncated":
        assert dns.asked("a.test", A, "tcp")


@pytest.mark.parametrize("mode", ["silent", "loop", "empty"])
def test_the_last_good_answer_is_kept_through_an_outage(keepgate, dns_server, neighbours, mode):
    dns, backends = dns_server(), neighbours("127.0.0.2", "127.0.0.3")
    dns.set("a.test", "127.0.0.2")
    gate = dynamic(keepgate, dns, f"http://$arg_to:{backends.port}")
    assert gate.get("/?to=a.test").body == b"127.0.0.2"
    dns.mode = mode
    asked = len(dns.questions)
    wait_until(lambda: gate.get("/?to=a.test").body == b"127.0.0.2" and len(dns.questions) > asked + 1)
    dns.mode = None
    dns.set("a.test", "127.0.0.3")
    wait_until(lambda: gate.get("/?to=a.test").body == b"127.0.0.3")


@pytest.mark.parametrize("code", [SERVER_FAILURE, REFUSED])
def test_a_name_server_that_refuses_is_told_in_the_log(keepgate, dns_server, code):
    dns = dns_server()
    dns.fail("a.test", code)
    gate = dynamic(keepgate, dns, "http://$arg_to")
    assert gate.get("/?to=a.test").status == 502
    wait_until(lambda: f"a.test could not be resolved ({code}: " in gate.read("error.log"))


def test_a_name_that_does_not_exist_is_502_and_is_not_asked_for_each_time(keepgate, dns_server):
    dns = dns_server()
    dns.negative_ttl = 60
    gate = dynamic(keepgate, dns, "http://$arg_to")
    for _ in range(5):
        assert gate.get("/?to=no.test").status == 502
    wait_until(lambda: "no.test could not be resolved (3: Host not found)" in gate.read("error.log"))
    assert len(dns.asked("no.test", A)) == 1


def test_another_name_server_is_asked_when_the_first_is_silent(keepgate, dns_server, origin):
    dead, alive, backend = dns_server(), dns_server(), origin()
    dead.mode = "silent"
    alive.set("a.test", "127.0.0.1")
    http = "resolver %s %s ipv6=off; server { listen 127.0.0.1:@gate@; location / { proxy_pass http://$arg_to:%s; } }"
    gate = keepgate(http % (dead.address, alive.address, backend.port))
    assert gate.get("/?to=a.test").status == 200


def test_aliases_are_followed(keepgate, dns_server, origin):
    dns, backend = dns_server(), origin()
    dns.alias("a.test", "b.test")
    dns.alias("b.test", "c.test")
    dns.set("c.test", "127.0.0.1")
    gate = dynamic(keepgate, dns, f"http://$arg_to:{backend.port}")
    assert gate.get("/?to=a.test").status == 200


def test_a_thousand_addresses_are_bounded(keepgate, dns_server, origin):
    dns, backend = dns_server(), origin()
    dns.set("a.test", "127.0.0.1", *[f"127.9.{i // 250}.{i % 250}" for i in range(1, 1000)])
    gate = dynamic(keepgate, dns, f"http://$arg_to:{backend.port}")
    assert gate.get("/?to=a.test").status == 200
    assert dns.asked("a.test", A, "tcp")


def test_many_names_at_a_time_do_not_stop_the_worker(keepgate, dns_server, origin):
    dns, backend = dns_server(), origin()
    dns.mode = "silent"
    http = """resolver %s; resolver_timeout 2s; server { listen 127.0.0.1:@gate@;
        location / { proxy_pass http://$arg_to; } location /plain { proxy_pass http://%s; } }"""
    gate = keepgate(http % (dns.address, backend.address))
    clients = [gate.connect() for _ in range(100)]
    for number, client in enumerate(clients):
        client.send(f"GET /?to=n{number}.test HTTP/1.1\r\nHost: x\r\n\r\n")
    assert gate.get("/plain").status == 200
    for client in clients:
        assert client.read_response("GET").status == 502
        client.close()


# server … resolve


RESOLVE = """resolver @dns@ ipv6=off; upstream pool { zone pool 64k; %s }
server { listen 127.0.0.1:@gate@; location / { proxy_pass http://pool; } }"""


def pool(keepgate, dns, servers, **options):
    return keepgate(RESOLVE % servers, values={"dns": dns.address}, **options)


def bodies(gate, count=8):
    return {gate.get("/").body for _ in range(count)}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_servers_of_a_group_follow_their_name(keepgate, dns_server, neighbours, workers):
    dns, backends = dns_server(), neighbours("127.0.0.2", "127.0.0.3", "127.0.0.4")
    dns.set("pool.test", "127.0.0.2", "127.0.0.3")
    gate = pool(keepgate, dns, f"server pool.test:{backends.port} resolve;", workers=workers)
    wait_until(lambda: bodies(gate) == {b"127.0.0.2", b"127.0.0.3"})
    dns.set("pool.test", "127.0.0.3", "127.0.0.4")
    wait_until(lambda: bodies(gate) == {b"127.0.0.3", b"127.0.0.4"})
    dns.mode = "silent"
    asked = len(dns.questions)
    wait_until(lambda: len(dns.questions) > asked + 1)
    assert bodies(gate) == {b"127.0.0.3", b"127.0.0.4"}


def test_until_a_name_is_known_there_is_no_server(keepgate, dns_server, neighbours):
    dns, backends = dns_server(), neighbours("127.0.0.2")
    dns.fail("pool.test", SERVER_FAILURE)
    gate = pool(keepgate, dns, f"server pool.test:{backends.port} resolve;")
    assert gate.get("/").status == 502
    wait_until(lambda: "pool.test could not be resolved (2: Server failure)" in gate.read("error.log"))
    dns.set("pool.test", "127.0.0.2")
    wait_until(lambda: gate.get("/").status == 200)


def test_fixed_servers_stay_beside_named_ones(keepgate, dns_server, neighbours):
    dns, backends = dns_server(), neighbours("127.0.0.2", "127.0.0.3")
    dns.set("pool.test", "127.0.0.3")
    gate = pool(keepgate, dns, f"server 127.0.0.2:{backends.port}; server pool.test:{backends.port} resolve;")
    assert gate.get("/").status == 200
    wait_until(lambda: bodies(gate) == {b"127.0.0.2", b"127.0.0.3"})
    dns.remove("pool.test")
    assert bodies(gate) == {b"127.0.0.2", b"127.0.0.3"}


def test_services_have_ports_and_priorities(keepgate, dns_server, origin):
    first, second = origin(lambda request: answer_bytes(body=b"first")), origin(lambda request: answer_bytes(body=b"second"))
    dns = dns_server()
    dns.services("_http._tcp.svc.test", (10, 5, first.port, "one.test"), (20, 5, second.port, "one.test"))
    dns.set("one.test", "127.0.0.1")
    gate = pool(keepgate, dns, "server svc.test service=http resolve;")
    wait_until(lambda: bodies(gate, 4) == {b"first"})
    first.close()
    wait_until(lambda: bodies(gate, 4) == {b"second"})


def test_a_reload_keeps_what_is_known_and_drops_what_is_gone(keepgate, dns_server, neighbours):
    dns, backends = dns_server(), neighbours("127.0.0.2")
    dns.set("pool.test", "127.0.0.2")
    gate = pool(keepgate, dns, f"server pool.test:{backends.port} resolve;")
    wait_until(lambda: gate.get("/").status == 200)
    dns.mode = "silent"
    gate.reload()
    assert gate.get("/").status == 200
    gate.reload(gate.text.replace("server pool.test", "server 127.0.0.2").replace(" resolve;", ";"))
    assert gate.get("/").status == 200
    asked = len(dns.questions)
    wait_until(lambda: gate.get("/").status == 200)
    assert len(dns.questions) <= asked + 2


@pytest.mark.parametrize("http,message", [
    ("resolver 127.0.0.1; upstream u { server a.test resolve; }", "requires upstream 'u' to be in shared memory"),
    ("upstream u { zone u 64k; server a.test resolve; }", "no resolver defined to resolve names at run time in upstream 'u'"),
    ("resolver 127.0.0.1; upstream u { zone u 64k; server a.test service=http; }", "requires 'resolve' parameter"),
    ("resolver 127.0.0.1; upstream u { zone u 64k; server a.test:80 service=http resolve; }", "may not have port"),
    ("resolver 127.0.0.1; upstream u { zone u 64k; server a.test service= resolve; }", "service is empty"),
    ("resolver 127.0.0.1 ipv4=off ipv6=off;", '"ipv4" and "ipv6" cannot both be "off"'),
    ("resolver valid=1s;", "no name servers defined"),
    ("resolver 127.0.0.1 ipv6=maybe;", "invalid parameter"),
    ("resolver 127.0.0.1 valid=x;", "a time is expected"),
    ("resolver 127.0.0.1:0;", "in resolver"),
    ("resolver 127.0.0.1; resolver 127.0.0.2;", "duplicate"),
    ("resolver_timeout x;", "a time is expected"),
])
def test_mistakes_about_names_are_told(keepgate, http, message):
    gate = keepgate(http, start=False)
    result = run_cli("-t", "-c", gate.path("keepgate.conf"))
    assert result.returncode == 1
    assert message in result.stderr


def test_a_resolver_may_stand_in_an_upstream(keepgate):
    gate = keepgate("upstream u { zone u 64k; resolver 127.0.0.1:5353 [::1] valid=30s; resolver_timeout 5s; server a.test resolve; }",
                    start=False)
    assert run_cli("-t", "-c", gate.path("keepgate.conf")).returncode == 0


# A URI with a query


@pytest.mark.parametrize("location,uri,path,received", [
    ("= /a", "/b?c=1", "/a", "/b?c=1"),
    ("= /a", "/b?c=1", "/a?d=2", "/b?c=1?d=2"),
    ("/find/", "/b?q=", "/find/x%20y%3fz%23", "/b?q=x%20y%3Fz%23"),
    ("/find/", "/b?", "/find/", "/b?"),
    ("= /a", "?c=1", "/a", "/?c=1"),
])
def test_a_query_in_proxy_pass_goes_before_the_rest(keepgate, origin, location, uri, path, received):
    backend = origin()
    gate = keepgate("server { listen 127.0.0.1:@gate@; location %s { proxy_pass http://%s%s; } }" % (location, backend.address, uri))
    assert gate.get(path).status == 200
    assert backend.last.target == received


def test_a_fragment_in_proxy_pass_is_refused(keepgate):
    gate = keepgate("server { listen 127.0.0.1:1; location / { proxy_pass http://127.0.0.1/a#b; } }", start=False)
    assert "fragments are not sent" in run_cli("-t", "-c", gate.path("keepgate.conf")).stderr
