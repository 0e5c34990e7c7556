"""Certificates of clients (mTLS): who is let in, what variables say, what one server's verification is worth to another,
who is named, and what services are told. What nginx has, nginx says."""
import base64
import hashlib
import socket
import ssl
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness import nginx
from harness.certificates import Signer
from harness.gate import run_cli
from harness.jose import b64, claims
from harness.wire import Client, Truncated

VARIABLES = ["verify", "s_dn", "i_dn", "serial", "fingerprint", "v_start", "v_end", "v_remain", "escaped_cert"]
SHOWN = "|".join(f"$ssl_client_{name}" for name in VARIABLES)


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    return Signer(tmp_path_factory.mktemp("clients"))


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("a.example", "b.example", "c.example", "www.a.example", label="mtls")


def context_for(authority, certificate=None, version=None, intermediates=None):
    context = authority.client_context()
    context.check_hostname = False
    if version:
        context.minimum_version = context.maximum_version = version
    if certificate:
        context.load_cert_chain(certificate.file, certificate.key)
    return context


def server(pair, directives, name="a.example", location=f"return 200 '{SHOWN}';", listen="@gate@"):
    return (
        f"server {{ listen 127.0.0.1:{listen} ssl; server_name {name}; ssl_certificate {pair[0]}; ssl_certificate_key {pair[1]};\n"
        f"{directives}\nlocation / {{ {location} }} }}\n"
    )


def ask(address, context, host="a.example", server_name="a.example", **options):
    with Client(address, tls=context, server_name=server_name) as client:
        return client.request("GET", options.pop("target", "/"), host=host, **options)


def check(gate):
    return run_cli("-t", "-c", gate.path("keepgate.conf"), cwd=gate.folder)


def resident_bytes(gate):
    with open(f"/proc/{gate.process.pid}/status", encoding="utf-8") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) * 1024


# Who is let in

@pytest.fixture(scope="module")
def kinds(signer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    other = Signer(folder, "Other CA")
    middle = Signer(folder, "Middle CA", parent=signer)
    second = Signer(folder, "Second CA", parent=middle)
    fenced = Signer(folder, "Fenced CA", parent=signer, extensions=[(x509.NameConstraints([x509.DNSName("shop.example")], None), True)])
    past = Signer(folder, "Past CA", parent=signer, days=(-30, -1))
    return {
        "none": None,
        "good": signer.issue("Good"),
        "self_signed": Signer(folder, "Alone").as_client(),
        "another_authority": other.issue("Other"),
        "expired": signer.issue("Expired", days=(-30, -1)),
        "not_yet": signer.issue("NotYet", days=(2, 30)),
        "for_servers": signer.issue("ForServers", usage=ExtendedKeyUsageOID.SERVER_AUTH),
        "no_usage": signer.issue("NoUsage", usage=None),
        "through_one": middle.issue("ThroughOne", chain=[middle]),
        "link_missing": middle.issue("LinkMissing"),
        "through_two": second.issue("ThroughTwo", chain=[second, middle]),
        "inside_the_fence": fenced.issue("Inside", dns=["a.shop.example"], chain=[fenced]),
        "outside_the_fence": fenced.issue("Outside", dns=["evil.example"], chain=[fenced]),
        "past_authority": past.issue("PastAuthority", chain=[past]),
        "other_and_expired": other.issue("OtherExpired", days=(-30, -1)),
        "odd": signer.issue("Odd, \"quoted\" + \\ <#> ", dns=["x.example"], uris=["spiffe://shop/x"]),
        "revoked": signer.issue("Revoked"),
        "authority_itself": signer.as_client(),
    }


@pytest.mark.skipif(not nginx.installed(), reason="nginx is not installed")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("mode", ["on", "optional", "optional_no_ca", "off", "on depth", "on crl", "on trusted", "optional pages"])
def test_clients_are_let_in_and_described_as_by_nginx(keepgate, authority, signer, pair, kinds, mode, version):
    more = f"ssl_client_certificate {signer.file};"
    if "depth" in mode:
        more += "ssl_verify_depth 2;"
    if "crl" in mode:
        more += f"ssl_crl {signer.revocations(kinds['revoked'])};"
    if "trusted" in mode:
        more = f"ssl_client_certificate {authority.file}; ssl_trusted_certificate {signer.file};"
    if "pages" in mode:
        more += "error_page 495 496 = @why; location @why { return 403 \"$ssl_client_verify\"; }"
    http = server(pair, f"ssl_protocols TLSv1.2 TLSv1.3; ssl_verify_client {mode.split()[0]}; {more}")
    gate = keepgate(http)
    peer = nginx.Nginx(http)
    wrong = {}
    try:
        for name, certificate in kinds.items():
            answers = [ask(address, context_for(authority, certificate, version)) for address in (gate.address(), peer.address)]
            ours, theirs = [(answer.status, answer.text.replace("<center>keepgate", "<center>nginx").split("<hr>")[0]) for answer in answers]
            # One thing is told otherwise: what is wrong beside a missing authority is not hidden behind it.
            if name == "other_and_expired" and mode == "optional_no_ca":
                assert ours[0] == 400
                continue
            if ours != theirs:
                wrong[name] = (ours, theirs)
    finally:
        peer.close()
    assert not wrong


def test_an_unverified_certificate_that_is_out_of_date_is_refused_whoever_vouches(keepgate, authority, signer, pair, kinds):
    gate = keepgate(server(pair, "ssl_verify_client optional_no_ca;"))
    assert ask(gate.address(), context_for(authority, kinds["another_authority"])).text.startswith("FAILED:")
    assert ask(gate.address(), context_for(authority, kinds["other_and_expired"])).status == 400


def test_lists_that_are_out_of_date_refuse(keepgate, authority, signer, pair, kinds):
    verify = f"ssl_verify_client on; ssl_client_certificate {signer.file};"
    fresh = keepgate(server(pair, verify + f"ssl_crl {signer.revocations()};"))
    stale = keepgate(server(pair, verify + f"ssl_crl {signer.revocations(days=(-30, -1))};"))
    assert ask(fresh.address(), context_for(authority, kinds["good"])).status == 200
    assert ask(stale.address(), context_for(authority, kinds["good"])).status == 400


def test_a_huge_chain_ends_the_handshake_and_costs_little(keepgate, authority, signer, pair, tmp_path):
    gate = keepgate(server(pair, f"ssl_verify_client optional; ssl_client_certificate {signer.file};"))
    chain = [Signer(tmp_path, f"Filler {number}") for number in range(150)]
    huge = signer.issue("Huge", chain=chain)
    assert ask(gate.address(), context_for(authority, signer.issue("Warm"))).status == 200
    before = resident_bytes(gate)
    for _ in range(30):
        with pytest.raises((Truncated, OSError)):
            ask(gate.address(), context_for(authority, huge))
    assert resident_bytes(gate) - before < 16 << 20
    assert ask(gate.address(), context_for(authority, signer.issue("After"))).status == 200


def test_curl_shows_its_certificate(keepgate, authority, signer, pair):
    gate = keepgate(server(pair, f"ssl_verify_client on; ssl_client_certificate {signer.file};", location="return 200 \"$ssl_client_s_dn $ssl_protocol\";"))
    good = signer.issue("curl")
    command = ["curl", "-sS", "--cacert", authority.file, "--resolve", f"a.example:{gate.port('gate')}:127.0.0.1", f"https://a.example:{gate.port('gate')}/"]
    with_it = subprocess.run([*command, "--cert", good.file, "--key", good.key], capture_output=True, text=True, timeout=20)
    assert with_it.stdout == "CN=curl,O=K\\C3\\A4ufer \\+ S\\C3\\B6hne TLSv1.3", with_it.stderr
    without = subprocess.run([*command, "-w", "%{http_code}"], capture_output=True, text=True, timeout=20)
    assert "No required SSL certificate was sent" in without.stdout and without.stdout.endswith("400")


# What one server's verification is worth to another

def two_servers(pair, signer, other):
    return (
        server(pair, f"ssl_verify_client on; ssl_client_certificate {signer.file};", "a.example www.a.example")
        + server(pair, f"ssl_verify_client on; ssl_client_certificate {other.file};", "b.example")
        + server(pair, "", "c.example")
    )


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return Signer(tmp_path_factory.mktemp("other"), "Other Client CA")


@pytest.fixture(scope="module")
def three(module_keepgate, pair, signer, other):
    return module_keepgate(two_servers(pair, signer, other))


@pytest.mark.parametrize("name, host, status", [
    ("a.example", "a.example", 200),
    ("a.example", "A.Example.", 200),
    ("a.example", "a.example:443", 200),
    ("a.example", "b.example", 421),
    ("b.example", "a.example", 421),
    ("a.example", "www.a.example", 421),
    ("c.example", "a.example", 421),
    ("unknown.example", "a.example", 421),
    ("a.example", "unknown.example", 421),
    (None, "a.example", 200),
    (None, "b.example", 421),
    (None, "c.example", 200),
    ("a.example", "c.example", 200),
])
def test_a_certificate_counts_where_it_was_asked_for(three, authority, signer, name, host, status):
    answer = ask(three.address(), context_for(authority, signer.issue("Mover")), host=host, server_name=name)
    assert answer.status == status
    if host.startswith("c."):
        assert answer.text.startswith("NONE|"), "the other server's verification says nothing here"


def test_the_name_is_looked_at_for_each_request(three, authority, signer):
    with Client(three.address(), tls=context_for(authority, signer.issue("Mover")), server_name="a.example") as client:
        for host, status in (("a.example", 200), ("b.example", 421), ("a.example", 200)):
            assert client.request("GET", "/", host=host).status == status


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("first, second, resumes", [
    ("a.example", "a.example", True), ("c.example", "a.example", False), ("a.example", "b.example", False), ("a.example", "c.example", False),
])
def test_sessions_are_resumed_within_one_server_only(three, authority, signer, version, first, second, resumes):
    context = context_for(authority, signer.issue("Again"), version)
    with Client(three.address(), tls=context, server_name=first) as client:
        before = client.request("GET", "/", host=first)
        session = client.socket.session
    # The same context and another name: the client offers its session, whoever it was made with.
    with context.wrap_socket(socket.create_connection(three.address(), 10), server_hostname=second, session=session) as sock:
        assert sock.session_reused == resumes
        sock.sendall(f"GET / HTTP/1.1\r\nHost: {second}\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while piece := sock.recv(65536):
            data += piece
    if resumes:
        assert data.split(b"\r\n\r\n", 1)[1].decode() == before.text, "as if it had been shown again"
    if second == "b.example":
        assert data.startswith(b"HTTP/1.1 400"), "a certificate of another server's authority"


def test_a_reload_trusts_no_connection_that_was_verified_before(keepgate, authority, signer, other, pair):
    location = "return 200 $ssl_client_verify;"
    gate = keepgate(server(pair, f"ssl_verify_client on; ssl_client_certificate {signer.file};", location=location))
    with Client(gate.address(), tls=context_for(authority, signer.issue("Kept")), server_name="a.example") as client:
        assert client.request("GET", "/", host="a.example").text == "SUCCESS"
        gate.configure(gate.text.replace(signer.file, other.file))
        gate.reload()
        try:
            assert client.request("GET", "/", host="a.example").status != 200 or client.closed_by_peer()
        except (Truncated, OSError):
            pass  # It was closed, as idle connections are.
    assert ask(gate.address(), context_for(authority, signer.issue("New"))).status == 400
    assert ask(gate.address(), context_for(authority, other.issue("New"))).text == "SUCCESS"


# Who it is

SIGNS_OTHERS = x509.KeyUsage(True, False, False, False, False, True, False, False, False)


def identity_gate(keepgate, origin, pair, signer, name="", location="", mode="optional", values=None, http=""):
    backend = origin()
    gate = keepgate(
        http + server(
            pair, f"ssl_verify_client {mode}; ssl_client_certificate {signer.file}; auth_client_certificate on {name};",
            location=f"proxy_pass http://@origin@; proxy_set_header X-Who \"$identity_method/$client_id\"; {location}",
        ),
        values={"origin": backend.address, **(values or {})},
    )
    return gate, backend


@pytest.mark.parametrize("name, options, who", [
    ("", {"uris": ["spiffe://shop/orders"]}, "spiffe://shop/orders"),
    ("", {"uris": ["spiffe://shop/orders"], "dns": ["x.example", "y.example"]}, "spiffe://shop/orders"),
    ("", {"uris": ["https://shop.example/clients/7"]}, "https://shop.example/clients/7"),
    ("", {"uris": ["spiffe://shop/orders", "spiffe://shop/other"]}, None),
    ("", {"uris": ["spiffe://shop/orders", "https://x"]}, None),
    ("", {"uris": ["spiffe://SHOP/orders"]}, None),
    ("", {"uris": ["spiffe://shop/../orders"]}, None),
    ("", {"uris": ["spiffe://shop"]}, None),
    ("", {"uris": ["SPIFFE://shop/orders"]}, None),
    ("", {"dns": ["orders.example"]}, None),
    ("", {}, None),
    ("", {"uris": ["spiffe://shop/orders"], "extensions": [(SIGNS_OTHERS, True)]}, None),
    ("name=san_uri", {"uris": ["spiffe://shop/orders"]}, "spiffe://shop/orders"),
    ("name=san_dns", {"dns": ["Orders.example"]}, "orders.example"),
    ("name=san_dns", {"dns": ["*.example"]}, None),
    ("name=san_dns", {"dns": ["a.example", "b.example"]}, None),
    ("name=san_dns", {"uris": ["spiffe://shop/orders"]}, None),
    ("name=san_dns", {"names": [x509.RFC822Name("orders.example")]}, None),
    ("name=cn", {}, "Client 1"),
    ("name=cn", {"days": (-30, -1)}, 400),
    ("name=cn", {"usage": ExtendedKeyUsageOID.SERVER_AUTH}, 400),
])
def test_the_one_name_of_the_certificate_is_who_calls(keepgate, origin, authority, signer, pair, name, options, who):
    gate, backend = identity_gate(keepgate, origin, pair, signer, name)
    answer = ask(gate.address(), context_for(authority, signer.issue("Client 1", **options)))
    if who is None or who == 400:
        assert answer.status == (who or 401) and not backend.requests
        if who is None:
            assert answer.get("WWW-Authenticate", "").startswith("ClientCertificate realm=")
    else:
        assert answer.status == 200
        assert backend.last.get("X-Who") == f"client-certificate/{who}"


def test_no_certificate_is_nobody(keepgate, origin, authority, signer, pair):
    gate, backend = identity_gate(keepgate, origin, pair, signer)
    answer = ask(gate.address(), context_for(authority))
    assert answer.status == 401 and 'error=' not in answer.get("WWW-Authenticate")
    assert not backend.requests


def test_a_certificate_that_nobody_vouches_for_is_nobody(keepgate, origin, authority, signer, other, pair):
    gate, backend = identity_gate(keepgate, origin, pair, signer, mode="optional_no_ca")
    stranger = other.issue("Stranger", uris=["spiffe://shop/orders"])
    assert ask(gate.address(), context_for(authority, stranger)).status == 401
    assert not backend.requests
    known = signer.issue("Known", uris=["spiffe://shop/orders"])
    assert ask(gate.address(), context_for(authority, known)).status == 200


@pytest.mark.parametrize("name", [b"good.example\x00.evil.example", b"a b.example", b"", "gö.example".encode()])
def test_names_that_programs_may_read_differently_name_nobody(keepgate, origin, authority, signer, pair, name):
    der = bytes([0x82, len(name)]) + name
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), bytes([0x30, len(der)]) + der)
    gate, backend = identity_gate(keepgate, origin, pair, signer, "name=cn")
    assert ask(gate.address(), context_for(authority, signer.issue("Odd", extensions=[(odd, False)]))).status in (400, 401)
    assert not backend.requests
    assert ask(gate.address(), context_for(authority, signer.issue("Even"))).status == 200


def test_a_server_that_asks_for_no_certificate_cannot_name_by_one(keepgate, pair):
    gate = keepgate(server(pair, "auth_client_certificate on;"), start=False)
    result = check(gate)
    assert result.returncode == 1 and "ssl_verify_client" in result.stderr


def test_on_without_authorities_is_refused(keepgate, pair):
    result = check(keepgate(server(pair, "ssl_verify_client on;"), start=False))
    assert result.returncode == 1 and "no 'ssl_client_certificate' for 'ssl_verify_client'" in result.stderr


def test_a_broken_list_or_authority_is_refused(keepgate, pair, signer, tmp_path):
    bad = tmp_path / "bad.pem"
    for text in ("", "x", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        bad.write_text(text)
        good = f"ssl_client_certificate {signer.file};"
        for directive in (f"ssl_client_certificate {bad};", f"{good} ssl_crl {bad};", f"{good} ssl_trusted_certificate {bad};"):
            result = check(keepgate(server(pair, "ssl_verify_client on;" + directive), start=False))
            assert result.returncode == 1, (text, directive)


# What services are told

def test_services_get_the_verified_certificate_and_never_a_claimed_one(keepgate, origin, authority, signer, other, pair, tmp_path):
    backend = origin()
    http = server(
        pair, f"ssl_verify_client optional_no_ca; ssl_client_certificate {signer.file}; ssl_verify_depth 2;",
        location="proxy_pass http://@origin@; proxy_client_cert %s; proxy_set_header X-Seen \"$http_client_cert\";",
    )
    middle = Signer(tmp_path, "Middle CA", parent=signer)
    good, stranger = middle.issue("Good", chain=[middle]), other.issue("Stranger")
    forged = [("Client-Cert", ":QUFB:"), ("client_cert", ":QUFB:"), ("Client-Cert-Chain", ":QUFB:"), ("CLIENT-CERT", ":QUFB:")]
    for setting in ("off", "on", "chain"):
        gate = keepgate("underscores_in_headers on;" + http % setting, values={"origin": backend.address})
        for certificate, verified in ((good, True), (stranger, False), (None, False)):
            for repeat in range(2):
                context = context_for(authority, certificate)
                assert ask(gate.address(), context, fields=forged).status == 200
                names = [name for name in backend.last.names() if name.replace("_", "-").startswith("client-cert")]
                expected = [] if setting == "off" or not verified else ["client-cert"] + (["client-cert-chain"] if setting == "chain" else [])
                assert names == expected, (setting, verified, repeat)
                assert backend.last.get("X-Seen") is None
                if expected:
                    assert backend.last.get("Client-Cert") == f":{base64.b64encode(certificate.der).decode()}:"
                if "client-cert-chain" in expected:
                    der = middle.certificate.public_bytes(Encoding.DER)
                    assert backend.last.get("Client-Cert-Chain") == f":{base64.b64encode(der).decode()}:"


def test_the_chain_is_told_on_every_connection(keepgate, origin, authority, signer, pair, tmp_path):
    backend = origin()
    middle = Signer(tmp_path, "Middle CA", parent=signer)
    gate = keepgate(
        server(pair, f"ssl_verify_client on; ssl_client_certificate {signer.file};", location="proxy_pass http://@origin@; proxy_client_cert chain;"),
        values={"origin": backend.address},
    )
    context = context_for(authority, middle.issue("Chained", chain=[middle]), ssl.TLSVersion.TLSv1_2)
    session = None
    for _ in range(3):
        sock = context.wrap_socket(socket.create_connection(gate.address(), 10), server_hostname="a.example", session=session)
        with sock:
            session = sock.session
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
            while sock.recv(65536):
                pass
            assert not sock.session_reused
        assert backend.last.get("Client-Cert-Chain")


# Tokens that are bound to a certificate (RFC 8705)

def thumbprint(certificate):
    return b64(hashlib.sha256(certificate.der).digest())


@pytest.fixture(scope="module")
def bound(module_keepgate, module_origin, jose, signer, pair):
    backend = module_origin()
    http = server(
        pair, f"ssl_verify_client optional_no_ca; ssl_client_certificate {signer.file}; auth_jwt x; auth_jwt_key_file clients.json;",
        location="proxy_pass http://@origin@;",
    ) + "server { listen 127.0.0.1:@clear@; auth_jwt x; auth_jwt_key_file clients.json; location / { proxy_pass http://@origin@; } }"
    return module_keepgate(http, files={"clients.json": jose.set_of(jose.key("ES256"))}, values={"origin": backend.address}), backend


def bearer(jose, **more):
    return [("Authorization", "Bearer " + jose.sign("ES256", claims(**more)))]


def test_a_bound_token_is_good_with_its_certificate_only(bound, authority, signer, other, jose):
    gate, backend = bound
    own, stranger, unknown = signer.issue("Own"), signer.issue("Stranger"), other.issue("SelfMade")
    fields = bearer(jose, cnf={"x5t#S256": thumbprint(own)})
    for certificate, status in ((own, 200), (stranger, 401), (None, 401), (own, 200), (unknown, 401)):  # Also from the cache.
        backend.forget()
        answer = ask(gate.address(), context_for(authority, certificate), fields=fields)
        assert answer.status == status and len(backend.requests) == (status == 200)
        if status == 401:
            assert 'error="invalid_token"' in answer.get("WWW-Authenticate")
    assert gate.get("/", fields, name="clear").status == 401, "nobody shows a certificate in clear text"
    # RFC 8705 §2.2: whoever vouches for it, the client has proved to have its key.
    assert ask(gate.address(), context_for(authority, unknown), fields=bearer(jose, cnf={"x5t#S256": thumbprint(unknown)})).status == 200


@pytest.mark.parametrize("cnf", [
    {"x5t#S256": ""}, {"x5t#S256": None}, {"x5t#S256": 1}, {"x5t#S256": []}, {"x5t#S256": "@padded@"}, {"x5t#S256": "@hex@"},
    {"x5t#S256": "@short@"}, "text", None, [], 1, True,
])
def test_what_may_have_been_meant_to_bind_refuses(bound, authority, signer, jose, cnf):
    gate, backend = bound
    own = signer.issue("Own")
    backend.forget()
    if isinstance(cnf, dict) and isinstance(cnf["x5t#S256"], str):
        digest = hashlib.sha256(own.der)
        cnf = {"x5t#S256": cnf["x5t#S256"].replace("@padded@", thumbprint(own) + "=").replace("@hex@", digest.hexdigest()).replace("@short@", thumbprint(own)[:-1])}
    assert ask(gate.address(), context_for(authority, own), fields=bearer(jose, cnf=cnf)).status == 401
    assert not backend.requests


def test_a_token_that_is_not_bound_needs_no_certificate(bound, authority, signer, jose):
    gate, _ = bound
    assert ask(gate.address(), context_for(authority), fields=bearer(jose)).status == 200
    assert ask(gate.address(), context_for(authority, signer.issue("Any")), fields=bearer(jose)).status == 200
