"""Tokens by npm jose, through one long-running node process; and by hand, where jose would refuse to forge."""
import base64
import hashlib
import hmac
import json
import os
import subprocess
import threading
import time

HELPER = os.path.join(os.path.dirname(__file__), "jose_helper.mjs")
MODULES = os.path.join(os.path.dirname(__file__), "..", "..", "node_modules", "jose")


def b64(data):
    data = data if isinstance(data, bytes) else data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def payload_of(token):
    return json.loads(unb64(token.split(".")[1]))


def header_of(token):
    return json.loads(unb64(token.split(".")[0]))


def assemble(header, payload, signature=b""):
    """A token of any parts: objects become JSON, text and bytes stay as they are."""
    parts = [part if isinstance(part, (bytes, str)) else json.dumps(part) for part in (header, payload)]
    return ".".join([b64(parts[0]), b64(parts[1]), b64(signature)])


def hmac_token(header, payload, secret, digest=hashlib.sha256):
    signed = ".".join(assemble(header, payload).split(".")[:2])
    return signed + "." + b64(hmac.new(secret, signed.encode(), digest).digest())


def claims(lifetime=600, **more):
    now = int(time.time())
    return {"sub": "client1", "client_id": "client1", "iat": now, "exp": now + lifetime, **more}


class Jose:
    def __init__(self):
        assert os.path.isdir(MODULES), "npm jose is missing: npm ci --prefix tests"
        self.lock = threading.Lock()
        self.process = subprocess.Popen(["node", HELPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.keys = {}

    def ask(self, op, **arguments):
        with self.lock:
            self.process.stdin.write(json.dumps({"op": op, **arguments}) + "\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def key(self, algorithm, name="k1", **options):
        """A key pair, made once: {"private": JWK, "public": JWK}; its kid is "ALGORITHM-name"."""
        index = (algorithm, name)
        if index not in self.keys:
            self.keys[index] = self.ask("generate", alg=algorithm, kid=f"{algorithm}-{name}", options=options)
        return self.keys[index]

    def sign(self, algorithm, payload=None, name="k1", header=None, jwk=None):
        """A token. `payload`: claims, or text as it is. `header` adds fields; None as a value removes one."""
        jwk = jwk or self.key(algorithm, name)["private"]
        full = {"alg": algorithm, "typ": "JWT", "kid": jwk.get("kid"), **(header or {})}
        full = {name: value for name, value in full.items() if value is not None}
        return self.ask("sign", header=full, payload=claims() if payload is None else payload, jwk=jwk)

    def encrypt(self, algorithm, content, plaintext=None, name="k1", header=None, jwk=None):
        """An encrypted token; `algorithm` is that of the key, "dir" where it is the content encryption itself."""
        jwk = jwk or self.key(algorithm, name)["public"]
        management = "dir" if algorithm == content else algorithm
        full = {"alg": management, "enc": content, "kid": jwk.get("kid"), **(header or {})}
        full = {name: value for name, value in full.items() if value is not None}
        return self.ask("encrypt", header=full, plaintext=claims() if plaintext is None else plaintext, jwk=jwk)

    def decrypt(self, token, jwk, algorithm):
        return self.ask("decrypt", token=token, jwk=jwk, alg=algorithm)

    def verify(self, token, jwk, algorithm):
        return self.ask("verify", token=token, jwk=jwk, alg=algorithm)

    def set_of(self, *keys, private=False):
        return json.dumps({"keys": [key["private" if private else "public"] for key in keys]})

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
