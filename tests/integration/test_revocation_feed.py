"""revocations https://…: a server's list is followed; nothing that it took back is forgotten while it cannot be asked."""
import json
import os
import re
import stat
import time
import uuid

import pytest

from harness.certificates import server_context
from harness.feed import RevocationServer
from harness.gate import run_cli
from harness.jose import claims
from harness.origin import Close, Pieces, answer_bytes
from harness.ports import wait_until

SECRET = "s+cr:t 1"
ISSUER = "https://as.example"
CONF = """
@before@
revocations @url@ client_id=gateway client_secret_file=secret @options@;
server {
    listen 127.0.0.1:@http@; decision_log decisions.log;
    location / { auth_jwt x; auth_jwt_key_file clients.json; proxy_pass http://@origin@; }
    location /basic/ { auth_basic x; auth_basic_user_file users; proxy_pass http://@origin@; }
    location /open/ { proxy_pass http://@origin@; }
}
"""


@pytest.fixture
def feed(authority):
    servers = []

    def build(**options):
        tls = server_context(*authority.issue("127.0.0.1", label="feed")) if options.pop("tls", True) else None
        servers.append(RevocationServer(tls=tls, **options))
        return servers[-1]

    yield build
    for server in servers:
        server.close()


@pytest.fixture
def setup(keepgate, origin, authority, jose):
    backend = origin()

    def build(url, options="ca=ca.pem allow_private", before="", conf=CONF, files=None, workers=2, **more):
        with open(authority.file, "rb") as file:
            pem = file.read()
        files = {"ca.pem": pem, "secret": SECRET + "\n", "users": "alice:{PLAIN}a\n", "clients.json": jose.set_of(jose.key("HS256")), **(files or {})}
        return keepgate(conf, files=files, values={"origin": backend.address, "url": url, "options": options, "before": before}, workers=workers, **more)

    return build


def token(jose, **more):
    values = {**claims(), "iss": ISSUER, "jti": str(uuid.uuid4()), **more}
    return {"Authorization": "Bearer " + jose.sign("HS256", values)}


def statuses(gate, fields, target="/", times=10):
    return {gate.get(target, fields).status for _ in range(times)}


def becomes(gate, fields, status, target="/", seconds=15):
    """Within a second, as promised; a loaded machine is given more. Then it stays so, on every worker."""
    wait_until(lambda: gate.get(target, fields).status == status, seconds, lambda: f"it stays {gate.get(target, fields).status}: {gate.words()}")
    time.sleep(0.1)  # The workers look at what is published with their next request; nothing tells that all have.
    assert statuses(gate, fields, target) == {status}


def says(gate, text, seconds=15):
    wait_until(lambda: text in gate.read("error.log"), seconds, lambda: f"'{text}' is not in the log: {gate.words()}")


def test_what_the_server_takes_back_is_refused_by_every_worker(feed, setup, jose):
    server = feed()
    server.set("sub before")
    gate = setup(server.url, workers=3)
    before, mallory, alice = token(jose, sub="before"), token(jose, sub="mallory"), token(jose, sub="alice")
    assert statuses(gate, before) == {401}, "the list was there before the first request"
    assert statuses(gate, mallory) == statuses(gate, alice) == {200}
    with gate.connect() as kept:  # Of whatever snapshot, on whatever worker.
        assert kept.request("GET", "/", mallory).status == 200
        server.add("sub mallory")
        becomes(gate, mallory, 401)
        assert kept.request("GET", "/", mallory).status == 401
    assert statuses(gate, alice) == {200}
    for line, one, sibling in (
        ("grant family-1", token(jose, grant_id="family-1"), token(jose, grant_id="family-2")),
        (f"grant family-3 iss={ISSUER}", token(jose, grant_id="family-3"), token(jose, grant_id="family-3", iss="https://other.example")),
        ("client stolen", token(jose, client_id="stolen"), token(jose, client_id="kept")),
        ("jti t-1", token(jose, jti="t-1"), token(jose, jti="t-2")),
    ):
        assert statuses(gate, one) == statuses(gate, sibling) == {200}, line
        server.add(line)
        becomes(gate, one, 401)
        assert statuses(gate, sibling) == {200}, line
    says(gate, f"line 2 of {server.url}")
    server.set("sub nobody")
    becomes(gate, mallory, 200)
    assert server.most_under_way == 1, "one question at a time"
    assert server.asked[0] == (0, 0) and all(wait == 30 for _, wait in server.asked[1:]), server.asked
    assert SECRET not in gate.words() and "Basic " not in gate.words()


def test_a_long_question_ends_in_304_and_is_asked_again(feed, setup, jose):
    server = feed()
    server.set("sub a")
    gate = setup(server.url, options="ca=ca.pem allow_private wait=1s")
    wait_until(lambda: server.asked.count((1, 1)) >= 3, 15, lambda: server.asked)
    server.set("sub b")
    becomes(gate, token(jose, sub="b"), 401)
    assert gate.get("/", token(jose, sub="a")).status == 200


def test_no_credential_is_good_before_the_first_list(feed, setup, jose):
    server = feed()
    server.behave = lambda request: answer_bytes(503, b"")
    gate = setup(server.url)
    good = token(jose)
    basic = {"Authorization": "Basic YWxpY2U6YQ=="}
    assert statuses(gate, good) == statuses(gate, basic, "/basic/") == {503}
    answer = gate.get("/", good)
    assert b"revocation" not in answer.body.lower()
    assert gate.get("/").status == 401 and gate.get("/", {"Authorization": "Bearer x"}).status == 401
    assert gate.get("/open/").status == 200, "nobody asks for a credential here"
    says(gate, "it answers 503; nothing of it is known: credentials are answered 503")
    says(gate, "revocations are not known")
    server.behave = None
    becomes(gate, good, 200)
    becomes(gate, basic, 200, "/basic/")
    says(gate, "it answers again")


def test_an_optional_server_may_be_missing(feed, setup, jose):
    server = feed()
    server.behave = lambda request: Close()
    gate = setup(server.url, options="ca=ca.pem allow_private optional")
    assert statuses(gate, token(jose)) == {200}
    says(gate, "nothing of it counts (optional)")
    server.set("sub a")
    server.behave = None
    becomes(gate, token(jose, sub="a"), 401)
    server.behave = lambda request: Close()
    server.set("sub a", "sub b")
    says(gate, "the last list stays in force")
    assert statuses(gate, token(jose, sub="a")) == {401}


LATER = 1_000_000


def bad_answers(server):
    garbage = b"\xff\x00 sub x\n"
    return {
        "401": answer_bytes(401, b"", {"Revocation-Version": LATER}),
        "403": answer_bytes(403, b"", {"Revocation-Version": LATER}),
        "500": answer_bytes(500, b""),
        "a redirect": answer_bytes(302, b"", {"Location": "/other", "Revocation-Version": LATER}),
        "a page": server.list_answer(b"<html></html>\n", LATER, "text/html"),
        "no version": answer_bytes(200, b"", {"Content-Type": "text/plain"}),
        "garbage": server.list_answer(garbage, LATER),
        "half a list": server.list_answer(b"sub other\nsub", LATER),
        "an encoded one": server.list_answer(b"sub other\n", LATER, **{"Content-Encoding": "gzip"}),
        "an older one": server.list_answer(b"", 1),
        "304 of another version": answer_bytes(304, b"", {"Revocation-Version": LATER}, length=False),
        "a huge one": server.list_answer(b"#" * 1000 + b"\n", LATER).replace(b"Content-Length: 1001", b"Content-Length: 67108865"),
        "one that ends early": Close(server.list_answer(b"sub other\nsub else\n", LATER)[:-9]),
        "one without an end": Close(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nRevocation-Version: 1000000\r\n\r\nsub other\n"),
        "no HTTP": Close(b"hello\r\n\r\n"),
        "nothing": Close(),
    }


def test_nothing_that_was_taken_back_is_forgotten_whatever_the_server_answers(feed, setup, jose):
    server = feed()
    server.set("sub mallory")
    gate = setup(server.url)
    mallory, other = token(jose, sub="mallory"), token(jose, sub="other")
    assert statuses(gate, mallory) == {401} and statuses(gate, other) == {200}
    for name, answer in bad_answers(server).items():
        seen = len(server.asked)
        server.behave = lambda request, answer=answer: answer
        server.set("sub mallory")  # What is held back is answered, and asked anew.
        # Two questions: the first answer was taken, whatever became of it.
        wait_until(lambda: len(server.asked) >= seen + 2, 60, lambda: f"{name}: not asked again: {gate.words()}")
        assert statuses(gate, mallory, times=4) == {401} and statuses(gate, other, times=4) == {200}, name
        server.behave = None
        held = (server.version, 30)
        wait_until(lambda: server.under_way == 1 and server.asked[-1] == held, 60, lambda: f"{name}: {server.asked[-3:]}")
    server.set("sub other")
    becomes(gate, other, 401)
    becomes(gate, mallory, 200)
    says(gate, "it does not take our credentials")


def test_a_huge_list_is_taken_and_one_beyond_the_bound_is_not(feed, setup, jose):
    server = feed()
    lines = [f"jti {number:032x}" for number in range(200_000)]
    server.set(*lines, "sub last")
    gate = setup(server.url)
    becomes(gate, token(jose, sub="last"), 401, seconds=60)
    assert gate.get("/", token(jose, jti=f"{199_999:032x}")).status == 401
    assert gate.get("/", token(jose)).status == 200
    server.set(*(f"jti {number:x}" for number in range(1_000_001)))
    says(gate, "more than 1000000 entries; the last list stays in force", 60)
    assert gate.get("/", token(jose, sub="last")).status == 401


def test_a_slow_list_counts_when_it_is_whole(feed, setup, jose):
    server = feed()
    server.set("sub a")
    gate = setup(server.url)
    assert statuses(gate, token(jose, sub="a")) == {401}
    whole = server.list_answer(b"sub b\nsub c\n", 2)
    server.behave = lambda request: Pieces([whole[i : i + 1] for i in range(len(whole))], pause=0.004) if "after=1" in request.target else None
    server.set("sub b", "sub c")
    becomes(gate, token(jose, sub="c"), 401)
    assert statuses(gate, token(jose, sub="a")) == {200} and statuses(gate, token(jose, sub="b")) == {401}


def test_a_server_that_begins_anew_replaces_the_list(feed, setup, jose):
    server = feed()
    server.set("sub a", version=1000)
    gate = setup(server.url, options="ca=ca.pem allow_private wait=1s")
    assert statuses(gate, token(jose, sub="a")) == {401}
    server.set("sub b", version=3, epoch="second")
    becomes(gate, token(jose, sub="b"), 401)
    becomes(gate, token(jose, sub="a"), 200)
    server.set("sub c", version=4)
    becomes(gate, token(jose, sub="c"), 401)
    says(gate, "of a server that began anew")


@pytest.mark.parametrize("cached", [True, False])
def test_a_restart_during_an_outage_knows_what_was_taken_back_if_it_has_a_copy(feed, setup, jose, cached):
    server = feed()
    server.set("sub mallory")
    gate = setup(server.url, options="ca=ca.pem allow_private" + (" cache=copy" if cached else ""))
    mallory, alice = token(jose, sub="mallory"), token(jose, sub="alice")
    becomes(gate, mallory, 401)
    if cached:
        wait_until(lambda: "sub mallory\n" in gate.read("copy"), 15, "the copy is written")
        assert stat.S_IMODE(os.stat(gate.path("copy")).st_mode) == 0o600
        assert sorted(name for name in os.listdir(gate.folder) if "copy" in name) == ["copy"]
        assert SECRET not in gate.read("copy")
    assert gate.stop() == 0
    server.behave = lambda request: Close()
    gate.start()
    assert statuses(gate, mallory) == ({401} if cached else {503})
    assert statuses(gate, alice) == ({200} if cached else {503})
    server.add("sub alice")
    server.behave = None
    becomes(gate, alice, 401)
    assert statuses(gate, mallory) == {401}


def test_a_copy_that_is_older_than_the_list_is_brought_up_to_date_before_the_first_request(feed, setup, jose):
    server = feed()
    server.set("sub a")
    gate = setup(server.url, options="ca=ca.pem allow_private cache=copy")
    wait_until(lambda: "sub a\n" in gate.read("copy"), 15, "the copy is written")
    gate.stop()
    server.add("sub b")
    gate.start()
    assert gate.get("/", token(jose, sub="b")).status == 401


def test_a_broken_copy_is_none(feed, setup, jose):
    server = feed()
    server.set("sub a")
    gate = setup(server.url, options="ca=ca.pem allow_private cache=copy")
    wait_until(lambda: "sub a\n" in gate.read("copy"), 15, "the copy is written")
    gate.stop()
    server.behave = lambda request: Close()
    gate.write("copy", gate.read("copy").replace("sub a", "sub b"))
    gate.start()
    assert statuses(gate, token(jose, sub="a")) == statuses(gate, token(jose, sub="c")) == {503}
    says(gate, "the copy on disk is not used")
    assert "is broken: its digest is another" in gate.read("error.log")
    server.behave = None
    becomes(gate, token(jose, sub="a"), 401)
    wait_until(lambda: "sub a\n" in gate.read("copy"), 15, "another copy is written")


def test_killed_it_keeps_what_it_was_told(feed, setup, jose):
    server = feed()
    server.set("sub first")
    gate = setup(server.url, options="ca=ca.pem allow_private cache=copy")
    for number in range(5):
        server.add(f"sub user{number}")
        becomes(gate, token(jose, sub=f"user{number}"), 401)
        wait_until(lambda: f"sub user{number}\n" in gate.read("copy"), 15, "the copy is written")
        gate.process.kill()
        gate.process.wait()
        server.behave = lambda request: Close()
        gate.start()
        assert {gate.get("/", token(jose, sub=f"user{n}")).status for n in range(number + 1)} == {401}
        server.behave = None


def test_a_reload_keeps_the_feed_and_its_list(feed, setup, jose):
    server = feed()
    server.set("sub a")
    gate = setup(server.url)
    a, b = token(jose, sub="a"), token(jose, sub="b")
    assert statuses(gate, a) == {401}
    wait_until(lambda: server.under_way == 1, 15, "it waits for news")
    asked = len(server.asked)
    for _ in range(3):
        gate.reload()
        assert statuses(gate, a) == {401} and statuses(gate, b) == {200}
    assert len(server.asked) == asked, "the question goes on"
    server.add("sub b")
    becomes(gate, b, 401)
    # Other options: another object, the same list, also while nobody is there.
    server.behave = lambda request: Close()
    gate.reload(gate.text.replace("ca=ca.pem", "wait=7s ca=ca.pem"))
    says(gate, "the last list stays in force")
    assert statuses(gate, a) == statuses(gate, b) == {401}
    assert statuses(gate, token(jose)) == {200}
    server.behave = None
    server.set("sub c")
    becomes(gate, token(jose, sub="c"), 401)
    wait_until(lambda: server.asked[-1][1] == 7, 15, lambda: server.asked)
    # Without it nothing is revoked.
    gate.reload(re.sub(r"revocations [^;]*;", "", gate.text))
    becomes(gate, token(jose, sub="c"), 200)


def test_a_file_and_two_servers_count_together(feed, setup, jose):
    one, other = feed(), feed(tls=False)
    one.set("sub one")
    other.set("sub other")
    before = f"revocations revoked; revocations {other.url} client_id=gateway client_secret_file=secret allow_private allow_http;"
    gate = setup(one.url, before=before, files={"revoked": "sub file\n"})
    for name in ("one", "other", "file"):
        assert statuses(gate, token(jose, sub=name)) == {401}, name
    assert statuses(gate, token(jose)) == {200}
    one.set()
    becomes(gate, token(jose, sub="one"), 200)
    for name in ("other", "file"):
        assert statuses(gate, token(jose, sub=name)) == {401}, name
    says(gate, 'revoked: sub "file" (line 1)')
    says(gate, f'revoked: sub "other" (line 1 of {other.url})')


def test_only_who_has_the_right_certificate_and_knows_us_is_believed(feed, setup, jose):
    server = feed()
    server.set()
    gate = setup(server.url, options="allow_private")
    assert statuses(gate, token(jose)) == {503}, "not vouched for by the system's authorities"
    assert not server.asked
    gate.write("secret", "another\n")
    gate.reload(gate.text.replace("allow_private", "allow_private ca=ca.pem"))
    says(gate, "it does not take our credentials")
    assert statuses(gate, token(jose)) == {503}
    gate.write("secret", SECRET + "\n")
    gate.reload()
    becomes(gate, token(jose), 200)
    gate.reload(gate.text.replace("allow_private ", ""))
    says(gate, "its address is not one that may be connected to")


GUARD = """
trust_domain shop.internal;
revocations @url@ client_id=gateway client_secret_file=secret @options@;
server { listen 127.0.0.1:@guard@; service orders; transaction_token require; transaction_token_key_file gateway.jwks.json;
         policy policy.yaml; location / { proxy_pass http://@origin@; } }
"""
POLICY = 'policies:\n  - id: orders\n    allow: "*"\n    on: { service: orders, methods: [GET], paths: ["/**"] }\n'


def test_a_guard_follows_the_same_list(feed, setup, jose):
    server = feed()
    server.set()
    gate = setup(server.url, conf=GUARD, files={"policy.yaml": POLICY, "gateway.jwks.json": jose.set_of(jose.key("ES256", "gateway"))})

    def transaction(**tctx):
        now = int(time.time())
        values = {"iat": now, "exp": now + 300, "aud": "shop.internal", "txn": str(uuid.uuid4()), "sub": "user:alice", "scope": "orders",
                  "req_wl": "gateway", "tctx": {"service": "orders", "client_id": "client1", **tctx}}
        return {"Txn-Token": jose.sign("ES256", values, name="gateway", header={"typ": "txntoken+jwt"})}

    one, sibling, foreign = transaction(grant_id="g-1", grant_iss=ISSUER), transaction(grant_id="g-2", grant_iss=ISSUER), transaction(grant_id="g-1", grant_iss="https://x")
    assert statuses(gate, one) == statuses(gate, sibling) == statuses(gate, foreign) == {200}
    server.add(f"grant g-1 iss={ISSUER}")
    becomes(gate, one, 401)
    assert statuses(gate, sibling) == statuses(gate, foreign) == {200}
    says(gate, 'transaction token: revoked: grant "g-1"')


CHAIN = """
trust_domain shop.internal;
server { listen 127.0.0.1:@http@; service orders; policy policy.yaml; auth_jwt x; auth_jwt_key_file clients.json;
         transaction_token_key gateway.jwk; transaction_token issue; location / { proxy_pass http://127.0.0.1:@inside@; } }
"""


def test_what_a_gateway_mints_is_taken_back_with_the_grant_of_its_client(feed, setup, keepgate, jose):
    """The gateway itself knows no list: the guard refuses by what the minted token carries."""
    server = feed()
    server.set()
    key = jose.key("ES256", "gateway")
    guard = setup(server.url, conf=GUARD, files={"policy.yaml": POLICY, "gateway.jwks.json": jose.set_of(key)})
    gateway = keepgate(CHAIN, files={"policy.yaml": POLICY, "clients.json": jose.set_of(jose.key("HS256")), "gateway.jwk": json.dumps(key["private"])},
                       values={"inside": guard.port("guard")})
    one, sibling, without = token(jose, grant_id="g-1"), token(jose, grant_id="g-2"), token(jose)
    assert [gateway.get("/", who).status for who in (one, sibling, without)] == [200] * 3, guard.words()
    server.add(f"grant g-1 iss={ISSUER}", "grant g-2 iss=https://other.example")
    becomes(gateway, one, 401)
    assert statuses(gateway, sibling) == statuses(gateway, without) == {200}
    server.add("grant g-2")
    becomes(gateway, sibling, 401)
    assert statuses(gateway, without) == {200}


def test_the_directive_says_what_is_wrong_with_it(tmp_path):
    (tmp_path / "secret").write_text("x\n", encoding="utf-8")
    os.chmod(tmp_path / "secret", 0o600)
    (tmp_path / "revoked").write_text("", encoding="utf-8")

    def check(http):
        (tmp_path / "keepgate.conf").write_text("events {} http { %s server { listen 127.0.0.1:1; location / { return 204; } } }" % http, encoding="utf-8")
        return run_cli("check", "-c", tmp_path / "keepgate.conf")

    url = "https://as.example/revocations"
    known = f"{url} client_id=g client_secret_file=secret"
    assert check(f"revocations {known} wait=300s cache=copy allow_private optional;").returncode == 0
    assert check(f"revocations revoked; revocations {known};").returncode == 0
    assert not (tmp_path / "copy").exists()
    for text in (f"revocations {url} odd;", f"revocations {url} client_id=g;", f"revocations {url} client_secret_file=secret;", "revocations http://as.example/r;",
                 "revocations https://u:p@as.example/r;", "revocations ftp://as.example/r;", f"revocations {known} wait=0s;", f"revocations {known} wait=301s;",
                 f"revocations {known} wait=x;", f"revocations {known} cache=;", f"revocations {known}; revocations {known};",
                 f"revocations {url} client_id=g client_secret_file=gone;", f"revocations {known} ca=gone;", "revocations revoked wait=1s;",
                 "revocations https://$host/r;", f"server {{ revocations {url}; }}"):
        result = check(text)
        assert result.returncode == 1, (text, result.stderr)
