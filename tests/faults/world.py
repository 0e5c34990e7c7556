"""A program whose calls can be made to fail, and the questions it must never answer wrongly."""
import json
import re
import signal
import time

from faults import Faults
from harness.gate import Gate
from harness.jose import b64, claims, hmac_token
from harness.origin import answer_bytes
from harness.ports import wait_until
from harness.wire import Client, Truncated, request_bytes

SECRET = b"0123456789abcdef0123456789abcdef"
KEYS = json.dumps({"keys": [{"kty": "oct", "k": b64(SECRET), "alg": "HS256", "kid": "k", "use": "sig"}]})
POLICY = "policies:\n  - { identity: client1, permissions: GET/PUT, on: /orders/ }\n"
CONF = """
policy policy.yaml;
decision_log decisions.log;
access_log access.log;
limit_req_zone $binary_remote_addr zone=z:1m rate=100000r/s;
client_body_temp_path bodies;
upstream pool { zone u 64k; server @origin@; keepalive 4; }
server {
    listen 127.0.0.1:@gate@;
    listen 127.0.0.1:@secure@ ssl;
    ssl_certificate @certificate@;
    ssl_certificate_key @key@;
    location /version { authorize off; return 200 "%s"; }
    location /open/ { authorize off; limit_req zone=z burst=1000; proxy_pass http://pool; proxy_max_temp_file_size 0; client_body_buffer_size 4k; }
    location /orders/ {
        auth_jwt "x"; auth_jwt_key_file keys.json; service orders;
        proxy_pass http://pool;
    }
}
"""
ANSWER = b"0123456789" * 3000  # More than a buffer.


def token(name="client1"):
    return {"Authorization": "Bearer " + hmac_token({"alg": "HS256", "kid": "k", "typ": "JWT"}, claims() | {"client_id": name}, SECRET)}


def answer(request):
    if request.target.startswith("/open/echo"):
        return answer_bytes(body=request.body)
    if request.target.startswith("/open/chunked"):
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
            b"%x\r\n%s\r\n" % (len(ANSWER), ANSWER) for _ in range(3)) + b"0\r\n\r\n"
    return answer_bytes(body=ANSWER)


class Faulty(Gate):
    """A gate under faults: `self.faults` says what fails."""

    def __init__(self, backend, certificate, key):
        super().__init__(CONF, files={"policy.yaml": POLICY, "keys.json": KEYS}, start=False,
                         values={"origin": backend.address, "certificate": certificate, "key": key})
        self.template = self.text.replace("access_log off;\n", "")
        self.configure(self.template % "one")
        self.faults = Faults(self.folder)

    def spawn(self, **options):
        return super().spawn(env=self.faults.environment(), **options)

    def close(self):
        self.faults.disarm()
        if self.exited():  # As a test wanted it, and judged it.
            self.process = None
        super().close()
        self.faults.close()


def version_of(gate):
    """Of the configuration that answers; None: there is no answer."""
    try:
        with gate.connect("gate", timeout=1) as client:
            response = client.request("GET", "/version")
            return response.text if response.status == 200 else None
    except (OSError, Truncated):
        return None


def start(gate):
    """Until it serves or has ended. A listening socket is not enough: there must be somebody who accepts."""
    for name in ("stderr", "error.log"):
        gate.write(name, "")
    gate.spawn()
    wait_until(lambda: gate.exited() or version_of(gate), 20, gate.words)


def survived_or_said_why(gate, call):
    """True: it runs. A program without memory ends with SIGABRT and says so; before main() the C++ library says it, and where
    OpenSSL has none to compute with, an assertion of the room that owns it."""
    wait_until(lambda: gate.exited() or version_of(gate), 10, gate.words)  # It may just be ending.
    if not gate.exited():
        return True
    code, words = gate.process.wait(), gate.words()
    if call == "malloc" and code == -signal.SIGABRT:
        assert re.search(r"out of memory|std::bad_alloc|broken invariant: .*src/crypto/", words, re.DOTALL), words
    else:
        assert code == 1 and words.strip(), f"ended with {code}: {words}"
    return False


# What is asked. Each gives "whole", "refused" (an honest status), "closed" (no answer, or one that is visibly cut), or
# fails the test: an answer that looks complete and is not what it must be.


def judge(response, body, status=200):
    if not response.complete:
        assert response.status != status or body is None or body.startswith(response.body), response
        return "closed"
    if response.status == status:
        assert body is None or response.body == body, f"{response.status} with {len(response.body)} of {len(body)} bytes"
        return "whole"
    assert response.status in (400, 408, 500, 502, 503, 504), response
    return "refused"


def ask(client, target, fields=(), body=b"", expected=None, status=200, method="GET"):
    try:
        client.send(request_bytes(method, target, fields, body))
        return judge(client.read_response(method), expected, status)
    except (Truncated, ConnectionError, BrokenPipeError):
        return "closed"


def plain(gate):
    with gate.connect("gate") as client:
        first = ask(client, "/open/plain", expected=ANSWER)
        return [first, ask(client, "/open/again", expected=ANSWER)] if first == "whole" else [first]


def upload(gate):
    body = b"u" * 50_000
    with gate.connect("gate") as client:
        return [ask(client, "/open/echo", body=body, expected=body, method="PUT")]


def chunked(gate):
    with gate.connect("gate") as client:
        return [ask(client, "/open/chunked", expected=ANSWER * 3)]


def identity(gate):
    """Whatever fails: without a token, with a false one, and for whom the policy names nothing, no service is reached."""
    with gate.connect("gate") as client:
        good = ask(client, "/orders/1", token(), expected=ANSWER)
    for fields, status in (((), 401), ({"Authorization": token()["Authorization"][:-4] + "AAAA"}, 401), (token("other"), 403)):
        with gate.connect("gate") as client:
            ask(client, "/orders/1", fields, status=status)
    return [good]


def secure(gate, context):
    try:
        with Client(gate.address("secure"), tls=context, server_name="a.example") as client:
            return [ask(client, "/open/tls", expected=ANSWER)]
    except OSError:
        return ["closed"]


def serves_rightly(gate, context, keys_may_be_missing=False):
    """After a fault everything works again, at once. A key set that could not be read closes its location, and that is said."""
    assert not gate.exited(), gate.words()
    deadline = time.monotonic() + 10  # Room for a connection of the pool that the fault has broken.
    while True:
        results = plain(gate) + upload(gate) + chunked(gate) + identity(gate) + secure(gate, context)
        if set(results) == {"whole"}:
            return True
        if keys_may_be_missing and "keys_unavailable" in gate.read("error.log"):
            return identity(gate) == ["refused"]
        assert time.monotonic() < deadline, (results, gate.words())


QUESTIONS = {"plain": plain, "upload": upload, "chunked": chunked, "identity": identity, "secure": secure}
