"""An authorization server that may be killed, starved and stepped in time; and how its clients and people ask it.

What is lost on the way is `Gone`: nobody knows then whether it was done.
"""
import base64
import http.client
import json
import secrets
import sqlite3
import subprocess
import time
import urllib.parse

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from .gate import Gate, binary
from .jose import b64
from .oauth import hash_of
from .people import PASSWORD, VERIFIER, Browser, authorize

PAGES = 8000  # The port of the clients' own pages. Nobody listens there, and nobody connects.
WEB, GATEWAY = "the secret of the client web, of some length", "the secret of the gateway, of some length"
CONSENTS_MAX = 400
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"

CONF = """daemon off;
worker_processes @workers@;
pid keepgate.pid;
error_log error.log notice;
events { worker_connections 512; }
authorization_server {
    issuer http://127.0.0.1:@issuer_port@; listen 127.0.0.1:@as@; store @store@; key_file @key@; refresh_token_grace @grace@; title "The tests";
    client web { secret_file web.secret; redirect_uri http://127.0.0.1:@app@/cb; consent off; scopes openid orders:read; audience orders;
                 grants authorization_code refresh_token client_credentials; }
    client robot { jwks_file robot.jwks; grants client_credentials; scopes orders:read; audience orders; }
    client tv { public; grants device_code refresh_token; scopes openid orders:read; audience orders; }
    client gateway { secret_file gateway.secret; introspects *; revocations on; }
    user alice { password_hash_file user.hash; }
    @more@
}
"""
ASKS = ("client asks{} {{ secret_file web.secret; redirect_uri http://127.0.0.1:@app@/cb; "
        "grants authorization_code; scopes openid orders:read; audience orders; }}\n")


class Gone(OSError):
    """The server was gone before it had answered."""


class Refused(Exception):
    """503 of a server that is about to stop."""


class Answer:
    def __init__(self, answer, body):
        self.status, self.head, self.body = answer.status, answer.headers, body

    def get(self, name):
        return self.head.get(name)

    def all(self, name):
        return self.head.get_all(name) or []

    @property
    def json(self):
        return json.loads(self.body) if self.body else {}

    @property
    def error(self):
        return self.json.get("error")

    @property
    def words(self):
        return self.status, self.body[:300]


class Key:
    """A key of a client, and what it signs."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        point = self.key.public_key().public_numbers()
        self.jwk = {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k1",
                    "x": b64(point.x.to_bytes(32, "big")), "y": b64(point.y.to_bytes(32, "big"))}

    def sign(self, payload, header=None):
        text = f"{b64(json.dumps(header or {'alg': 'ES256', 'kid': 'k1'}))}.{b64(json.dumps(payload))}"
        r, s = decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


class Asker:
    """One connection, of one thread. What a browser of harness.people needs of a gate, too."""

    def __init__(self, issuer, seconds=30):
        self.issuer, self.seconds, self.values, self.connection = issuer, seconds, issuer.values, None
        self.may_refuse, self.source = False, None

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def request(self, method, target, fields=(), body=b"", **_):
        """Asks once: what was sent must not be sent again by itself. So each has a connection of its own, that nobody closes meanwhile."""
        self.connection = http.client.HTTPConnection("127.0.0.1", self.issuer.port("as"), timeout=self.seconds, source_address=self.source)
        try:
            self.connection.request(method, target, body or None, dict(fields))
            answer = self.connection.getresponse()
            body = answer.read()
            if self.may_refuse and (answer.status == 503 or body.startswith(b"<html>")):  # Or 400: not judged here.
                raise Refused
            return Answer(answer, body)
        except (OSError, http.client.HTTPException) as error:
            raise Gone(str(error)) from error
        finally:
            self.close()

    def post(self, path, client=None, **form):
        fields = {"Content-Type": "application/x-www-form-urlencoded"}
        if client:
            secret = {"web": WEB, "gateway": GATEWAY}[client]
            fields["Authorization"] = "Basic " + base64.b64encode(f"{client}:{urllib.parse.quote_plus(secret)}".encode()).decode()
        return self.request("POST", path, fields, urllib.parse.urlencode(form).encode())

    def redeem(self, code):
        form = {"code": code, "redirect_uri": f"http://127.0.0.1:{PAGES}/cb", "code_verifier": VERIFIER}
        return self.post("/token", "web", grant_type="authorization_code", **form)

    def refresh(self, token):
        return self.post("/token", "web", grant_type="refresh_token", refresh_token=token)

    def credentials(self):
        return self.post("/token", "web", grant_type="client_credentials")

    def revoke(self, token):
        return self.post("/revoke", "web", token=token)

    def introspect(self, token):
        return self.post("/introspect", "gateway", token=token)

    def is_active(self, token):
        answer = self.introspect(token)
        assert answer.status == 200, answer.words
        return answer.json["active"]

    def assert_itself(self, assertion):
        return self.post("/token", grant_type="client_credentials", client_assertion_type=ASSERTION, client_assertion=assertion)

    def device(self):
        return self.post("/device_authorization", client_id="tv", scope="openid orders:read")

    def poll(self, device_code):
        return self.post("/token", grant_type=DEVICE, client_id="tv", device_code=device_code)

    def push(self):
        query = authorize(self).partition("?")[2]
        return self.post("/par", "web", **{name: value for name, value in urllib.parse.parse_qsl(query) if name != "client_id"})

    def ask_feed(self, after=0, wait=0, epoch=""):
        credentials = base64.b64encode(f"gateway:{urllib.parse.quote_plus(GATEWAY)}".encode()).decode()
        return self.request("GET", f"/revocations?after={after}&wait={wait}{epoch and '&epoch=' + epoch}", {"Authorization": f"Basic {credentials}", "Accept": "text/plain"})

    def feed(self):
        """What is revoked."""
        answer = self.ask_feed()
        assert answer.status == 200, answer.words
        return [json.loads(line) for line in answer.body.decode().splitlines()]

    def feed_head(self):
        """(epoch, version) of the list."""
        answer = self.ask_feed()
        return answer.get("Revocation-Epoch"), int(answer.get("Revocation-Version"))

    def browser(self):
        """Of alice, who has signed in."""
        browser = Browser(self)
        browser.cookies = dict(self.issuer.cookies)
        return browser

    def code(self, client="web"):
        """A code, by the session that there is: nobody is asked anything."""
        browser = self.browser()
        answer = browser.get(authorize(self, client))
        assert answer.status == 303, answer.words
        return browser.location()[1]["code"]

    def tokens(self):
        answer = self.redeem(self.code())
        assert answer.status == 200, answer.words
        return answer.json

    def allow_device(self, user_code):
        browser = self.browser()
        browser.get("/device?user_code=" + user_code)
        if "user_code" in browser.page().fields and browser.page().inputs["user_code"].get("type") != "hidden":
            browser.submit({"user_code": user_code})
        answer = browser.decide()
        assert answer.status == 200, answer.words


class Issuer(Gate):
    """`prefix` runs the program inside of another; `beside` another one it has its issuer, store and key.

    `values` may be other ones than usual: store ("sqlite:FILE" or a quoted URI), key, grace, workers, more.
    """

    def __init__(self, prefix=(), environment=None, start=True, files=None, beside=None, **values):
        self.prefix, self.environment, self.cookies, self.key = list(prefix), environment, {}, Key()
        if beside:
            self.key = beside.key
            store = beside.values["store"]
            store = store if store.startswith('"') else "sqlite:" + beside.path(store.removeprefix("sqlite:"))
            values = {"issuer_port": beside.port("as"), "store": store, "key": beside.path("as.key"), "grace": beside.values["grace"], **values}
        files = {"web.secret": WEB + "\n", "gateway.secret": GATEWAY + "\n", "user.hash": hash_of(PASSWORD) + "\n",
                 "robot.jwks": json.dumps({"keys": [self.key.jwk]}), **(files or {})}
        if beside:  # Another salt would be another password.
            files["user.hash"] = beside.read("user.hash")
        values = {"app": PAGES, "store": "sqlite:as.db", "key": "as.key", "grace": "0s", "workers": 1, "more": "", **values}
        text = CONF.replace("@more@", values.pop("more"))
        if "issuer_port" not in values:
            text = text.replace("@issuer_port@", "@as@")
        super().__init__(text=text, files=files, values=values, start=start)

    def spawn(self, **options):
        with open(self.path("stdout"), "ab") as out, open(self.path("stderr"), "ab") as error:
            self.process = subprocess.Popen(
                [*self.prefix, binary(), "-c", self.path("keepgate.conf"), *self.arguments], stdout=out, stderr=error,
                stdin=subprocess.DEVNULL, cwd=self.folder, env=self.environment, **options,
            )
        return self.process

    def sign_in(self):
        """alice has a session from now on."""
        asker = Asker(self)
        browser = Browser(asker)
        assert browser.get(authorize(asker)).status == 200
        browser.sign_in()
        assert browser.answer.status == 303, browser.answer.words
        self.cookies = dict(browser.cookies)
        return asker

    def assertion(self, jti=None, lifetime=200, now=None):
        now = int(time.time() if now is None else now)
        issuer = f"http://127.0.0.1:{self.values.get('issuer_port') or self.port('as')}"
        return self.key.sign({"iss": "robot", "sub": "robot", "aud": issuer, "iat": now, "exp": now + lifetime, "jti": jti or secrets.token_hex(16)})

    def die(self):
        """kill -9, and everybody is gone."""
        self.process.kill()
        self.process.wait(30)

    def start_again(self):
        self.write("keepgate.pid", "")
        self.start()

    def change(self, statement, *values):
        """Another process changes the store while the server runs."""
        database = sqlite3.connect(self.path("as.db"), timeout=20)
        try:
            database.execute(statement, values)
            database.commit()
        finally:
            database.close()

    def rows(self, statement, *values):
        database = sqlite3.connect(f"file:{self.path('as.db')}?mode=ro", uri=True)
        try:
            return database.execute(statement, values).fetchall()
        finally:
            database.close()
