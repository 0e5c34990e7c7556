"""What people see of the authorization server: its configuration for tests, and a browser without scripts that keeps cookies."""
import base64
import hashlib
import hmac
import html.parser
import struct
import urllib.parse

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PASSWORD = "hunter2"
# Small parameters: `argon2 SALT -id -m 13 -t 2 -p 1 -l 32 -e`.
HASH = "$argon2id$v=19$m=8192,t=2,p=1$YWJjZGVmZ2hpamtsbW5vcA$gliY8CKwZ29p1+LqM43PYsTc2lj9gHwlWeXdHnRs9as"
TOTP_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

SERVER = """
authorization_server {
    issuer http://127.0.0.1:@as@; listen 127.0.0.1:@as@; store sqlite:as.db; key_file as.key; title "Shop accounts";
    access_log access.log; scope orders:read "See your orders";
    client web { client_name "Web shop"; redirect_uri http://127.0.0.1:@app@/cb; post_logout_redirect_uri http://127.0.0.1:@app@/bye;
                 secret_file web.secret; grants authorization_code refresh_token; scopes openid email orders:read orders:write; audience orders; }
    client own { redirect_uri http://127.0.0.1:@app@/own; secret_file web.secret; grants authorization_code; scopes openid; audience orders; consent off; }
    client spa { public; redirect_uri http://127.0.0.1/cb; grants authorization_code; scopes openid orders:read; audience orders; }
    client tv { client_name "Living room TV"; public; grants device_code; scopes openid orders:read; audience orders; }
    user alice { password_hash_file user.hash; claim email alice@example.com; }
    user bob { password_hash_file user.hash; totp_secret_file totp; }
    user carol { password_hash_file user.hash; }
    user nopass { roles nobody; }
    %s
}
"""
FILES = {"web.secret": "a secret of thirty-two characters and more\n", "user.hash": HASH + "\n", "totp": TOTP_SECRET + "\n"}


def totp(now, steps=0):
    """RFC 6238, told by its own words rather than by our code."""
    key = base64.b32decode(TOTP_SECRET)
    digest = hmac.new(key, struct.pack(">Q", int(now) // 30 + steps), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


class Page(html.parser.HTMLParser):
    """The form and the words of a page."""

    def __init__(self, text):
        super().__init__()
        self.action, self.fields, self.buttons, self.alert, self.title = None, {}, [], "", ""
        self.inputs, self._inside = {}, None
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        if tag == "form":
            assert known["method"] == "post", known
            self.action = known["action"]
        if tag == "input":
            self.inputs[known["name"]] = known
            self.fields[known["name"]] = known.get("value", "")
        if tag == "button":
            self.buttons.append((known.get("name"), known.get("value")))
        if tag in ("h1", "p", "title"):
            self._inside = "alert" if known.get("role") == "alert" else tag

    def handle_endtag(self, tag):
        if tag in ("h1", "p", "title"):
            self._inside = None

    def handle_data(self, data):
        self.text += data
        if self._inside == "alert":
            self.alert += data
        if self._inside == "h1":
            self.title += data


class Browser:
    """Keeps cookies, follows nothing by itself, submits forms."""

    def __init__(self, gate, name="as"):
        self.gate, self.name, self.cookies, self.answer = gate, name, {}, None

    def copy(self):
        other = Browser(self.gate, self.name)
        other.cookies = dict(self.cookies)
        return other

    def request(self, method, target, form=None, fields=()):
        fields = list(fields)
        if self.cookies:
            fields.append(("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())))
        body = b""
        if form is not None:
            body = urllib.parse.urlencode(form).encode()
            fields.append(("Content-Type", "application/x-www-form-urlencoded"))
        self.answer = self.gate.request(method, target, fields, body, name=self.name)
        for line in self.answer.all("Set-Cookie"):
            pair, *attributes = line.split("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return self.answer

    def get(self, target, fields=()):
        return self.request("GET", target, None, fields)

    def page(self):
        return Page(self.answer.body.decode())

    def submit(self, values, fields=(), page=None):
        page = page or self.page()
        assert page.action, self.answer.body
        return self.request("POST", page.action, {**page.fields, **values}, fields)

    def sign_in(self, user="alice", password=PASSWORD):
        return self.submit({"username": user, "password": password})

    def decide(self, decision="allow"):
        return self.submit({"decision": decision})

    def location(self):
        """Where the answer leads, and with which parameters."""
        assert self.answer.status == 303, (self.answer.status, self.answer.body)
        url = urllib.parse.urlsplit(self.answer.get("Location"))
        return f"{url.scheme}://{url.netloc}{url.path}", dict(urllib.parse.parse_qsl(url.query))


def authorize(gate, client="web", **parameters):
    """The target of an authorization request. A parameter that is None is left out."""
    app = gate.values["app"]
    query = {"response_type": "code", "client_id": client, "redirect_uri": f"http://127.0.0.1:{app}/{'own' if client == 'own' else 'cb'}",
             "scope": "openid orders:read", "state": "st", "code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    if client == "own":
        query["scope"] = "openid"
    query.update(parameters)
    return "/authorize?" + urllib.parse.urlencode({name: value for name, value in query.items() if value is not None})
