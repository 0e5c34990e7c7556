"""A small certificate authority for the TLS tests, made anew for each run."""
import datetime
import ipaddress
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def _pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Authority:
    def __init__(self, folder, name="Test CA"):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self.name, self.key.public_key(), authority=True)
        self.file = self._write(f"{name.replace(' ', '_')}.pem", self.certificate.public_bytes(serialization.Encoding.PEM))

    def _write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        path.chmod(0o600)
        return str(path)

    def _sign(self, subject, public_key, names=(), authority=False, days=(-1, 30)):
        now = datetime.datetime.utcnow()
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, *names, days=(-1, 30), label=None):
        """(certificate file, key file) for these DNS names or addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = []
        for name in names:
            try:
                alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                alternatives.append(x509.DNSName(name))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        certificate = self._sign(subject, key.public_key(), alternatives, days=days)
        label = label or names[0].replace("*", "star")
        return (
            self._write(f"{label}.crt", certificate.public_bytes(serialization.Encoding.PEM)),
            self._write(f"{label}.key", _pem(key)),
        )

    def client_context(self):
        return ssl.create_default_context(cafile=self.file)


def server_context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


class Signer:
    """An authority whose certificates can be anything: for clients, and for what must be refused."""

    def __init__(self, folder, name="Client CA", parent=None, days=(-1, 30), extensions=()):
        self.folder, self.parent = folder, parent
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Shop, Inc."), x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer = parent or self
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self.certificate = signer.sign(self.name, self.key.public_key(), days, [(x509.BasicConstraints(True, None), True), (usage, True), *extensions])
        self.file = self.write(f"{name.replace(' ', '_')}.pem", self.certificate.public_bytes(serialization.Encoding.PEM))

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        path.chmod(0o600)
        return str(path)

    def sign(self, subject, public_key, days, extensions):
        now = datetime.datetime.utcnow()
        builder = x509.CertificateBuilder(issuer_name=self.name, subject_name=subject, public_key=public_key, serial_number=x509.random_serial_number())
        builder = builder.not_valid_before(now + datetime.timedelta(days=days[0])).not_valid_after(now + datetime.timedelta(days=days[1]))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256())

    def as_client(self):
        """This authority's own certificate, shown by a client."""
        return ClientCertificate(self.certificate, self.file, self.write(f"{self.certificate.serial_number % 10**9}.key", _pem(self.key)))

    def issue(self, name="client", uris=(), dns=(), usage=ExtendedKeyUsageOID.CLIENT_AUTH, days=(-1, 30.5), extensions=(), label=None, names=(), chain=()):
        """A ClientCertificate; `names`: more of subjectAltName, `chain`: authorities whose certificates are sent too.

        Half a day more: what counts whole days must not change between two looks.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = [*(x509.UniformResourceIdentifier(uri) for uri in uris), *(x509.DNSName(one) for one in dns), *names]
        all_extensions = [(x509.BasicConstraints(False, None), True), *extensions]
        if alternatives:
            all_extensions.append((x509.SubjectAlternativeName(alternatives), False))
        if usage:
            all_extensions.append((x509.ExtendedKeyUsage([usage]), False))
        subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Käufer + Söhne"), x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self.sign(subject, key.public_key(), days, all_extensions)
        pem = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in [certificate, *(authority.certificate for authority in chain)])
        label = label or f"{name}-{certificate.serial_number % 10**9}"
        return ClientCertificate(certificate, self.write(f"{label}.crt", pem), self.write(f"{label}.key", _pem(key)))

    def revocations(self, *certificates, days=(-1, 30)):
        """A file with this authority's list of revoked certificates, and the empty lists of those above it."""
        now = datetime.datetime.utcnow()
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(now + datetime.timedelta(days=days[0])).next_update(now + datetime.timedelta(days=days[1]))
        for one in certificates:
            revoked = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number).revocation_date(now)
            builder = builder.add_revoked_certificate(revoked.build())
        pem = builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        if self.parent:
            with open(self.parent.revocations(days=days), "rb") as file:
                pem += file.read()
        return self.write(f"crl-{x509.random_serial_number() % 10**9}.pem", pem)


class ClientCertificate:
    def __init__(self, certificate, file, key):
        self.certificate, self.file, self.key = certificate, file, key

    @property
    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)
