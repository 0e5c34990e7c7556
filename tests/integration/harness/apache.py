"""Apache with mod_auth_openidc: a relying party as others run it. Its private page says who the person is in header fields."""
import os
import shutil
import subprocess
import tempfile

from .ports import free_port, wait_until

MODULES = "/usr/lib/apache2/modules"
CONF = """
ServerRoot "{folder}"
ServerName 127.0.0.1
PidFile {folder}/apache.pid
Mutex file:{folder} default
ErrorLog {folder}/error.log
LogLevel notice
Listen 127.0.0.1:{port}
User www-data
Group www-data
{modules}
TypesConfig /etc/mime.types
DocumentRoot {folder}/htdocs
KeepAlive On
OIDCProviderMetadataURL {server}/.well-known/openid-configuration
OIDCClientID {client}
OIDCClientSecret "{secret}"
OIDCRedirectURI http://127.0.0.1:{port}/redirect_uri
OIDCCryptoPassphrase a-passphrase-of-the-tests
OIDCResponseType code
OIDCScope "openid email"
OIDCPKCEMethod S256
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCIDTokenSignedResponseAlg ES256
OIDCRemoteUserClaim sub
OIDCSessionType server-cache
OIDCCookieSameSite On
OIDCHTMLErrorTemplate {folder}/error.html
<Directory {folder}/htdocs>
    Require all granted
    DirectoryIndex index.html
</Directory>
<Location /private/>
    AuthType openid-connect
    Require valid-user
    Header always set Cache-Control no-store
    Header always set X-Sub "expr=%{{REMOTE_USER}}"
    Header always set X-Email "%{{OIDC_CLAIM_email}}e"
    Header always set X-Token "%{{OIDC_access_token}}e"
</Location>
<Location /redirect_uri>
    AuthType openid-connect
    Require valid-user
</Location>
"""
NEEDED = ["mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc", "dir", "headers", "mime"]


def is_installed():
    return os.path.exists("/usr/sbin/apache2") and os.path.exists(f"{MODULES}/mod_auth_openidc.so")


class RelyingParty:
    """It needs to know the server and the server its address: so the port is chosen first, and `start` comes later."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="kg-rp-")
        os.chmod(self.folder, 0o755)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def client(self, secret):
        """Itself, as a client of the server."""
        return {
            "auth": "client_secret_basic", "secret": secret, "grants": ["authorization_code", "refresh_token"],
            "scopes": ["openid", "profile", "email"], "audiences": [], "redirect_uris": [f"{self.url}/redirect_uri"],
            "post_logout_redirect_uris": [f"{self.url}/goodbye"],
        }

    def start(self, server, client, secret):
        for name, text in (("htdocs/private/index.html", "the private page"), ("htdocs/goodbye", "goodbye"), ("error.html", "<p>refused %s %s</p>")):
            path = os.path.join(self.folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        built_in = subprocess.run(["/usr/sbin/apache2", "-l"], capture_output=True, text=True, check=True).stdout
        modules = [f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in NEEDED if f"mod_{name}.c" not in built_in]
        conf = os.path.join(self.folder, "apache.conf")
        with open(conf, "w", encoding="utf-8") as file:
            file.write(CONF.format(folder=self.folder, port=self.port, modules="\n".join(modules), server=server, client=client, secret=secret))
        self.process = subprocess.Popen(["/usr/sbin/apache2", "-DFOREGROUND", "-f", conf], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: self.process.poll() is not None or "resuming normal operations" in self.words(), 15, self.words)
        assert self.process.poll() is None, self.words()

    def words(self):
        try:
            with open(os.path.join(self.folder, "error.log"), encoding="utf-8", errors="replace") as file:
                return file.read()[-3000:]
        except FileNotFoundError:
            return "Apache wrote no error log"

    def close(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(15)
        shutil.rmtree(self.folder, ignore_errors=True)
