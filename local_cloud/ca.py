"""The instance's own certificate authority, made once."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


class Authority:
    """Key and certificate live in ``folder`` as ca.key and ca.crt; they are made when missing."""

    def __init__(self, folder: Path, name: str) -> None:
        self.certificate_path = folder / "ca.crt"
        self.key_path = folder / "ca.key"
        if not self.certificate_path.exists():
            self._make(name)
        self._certificate = x509.load_pem_x509_certificate(self.certificate_path.read_bytes())
        key = serialization.load_pem_private_key(self.key_path.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key

    @property
    def pem(self) -> str:
        """The authority's certificate."""
        return self.certificate_path.read_text()

    def issue(self, names: list[str], days: int = 397) -> tuple[str, str]:
        """Certificate chain and key (PEM) of a server with these DNS names or addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(names[0], self._certificate.subject, key, days)
        builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(n) for n in names]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        certificate = self._signed(builder)
        return certificate.public_bytes(serialization.Encoding.PEM).decode() + self.pem, _pem(key)

    def certificate_of(self, subject: x509.Name, key: rsa.RSAPublicKey, days: int = 3650) -> str:
        """A certificate (PEM) for someone else's key."""
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._certificate.subject)
        builder = builder.public_key(key).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - DAY).not_valid_after(now + days * DAY)
        return self._signed(builder).public_bytes(serialization.Encoding.PEM).decode()

    def _signed(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Signed, and naming the authority's key, as strict verification demands."""
        named = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return builder.add_extension(named, critical=False).sign(self._key, hashes.SHA256())

    def _make(self, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(name, subject, key, 3650)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        certificate = builder.sign(key, hashes.SHA256())
        self.key_path.touch(mode=0o600)
        self.key_path.write_text(_pem(key))
        self.certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _builder(name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + days * DAY)
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
