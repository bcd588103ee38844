"""Certificates as a mesh's authority makes them: of nobody's host name, but of an identity."""

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

HOUR = datetime.timedelta(hours=1)
EKU = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


class Identities:
    """An authority, and a certificate with a SPIFFE ID for whoever is asked for (X.509-SVID)."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name(
            [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "tests of the mesh")]
        )
        basic = x509.BasicConstraints(ca=True, path_length=0)
        certificate = (
            self._builder(self._name, self._key)
            .add_extension(basic, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self._write(self.authority(), certificate)

    def authority(self) -> Path:
        return self._directory / "authority.pem"

    def chain(self, identity: str) -> Path:
        """The certificate's file, made when it is asked for the first time."""
        path = self._path(identity, "pem")
        if not path.exists():
            self._issue(identity)
        return path

    def key(self, identity: str) -> Path:
        return self._path(identity, "key")

    def _path(self, identity: str, ending: str) -> Path:
        return self._directory / f"{identity.removeprefix('spiffe://').replace('/', '_')}.{ending}"

    def _issue(self, identity: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)])
        certificate = (
            self._builder(x509.Name([]), key)
            .add_extension(names, critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(EKU), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self._write(self._path(identity, "pem"), certificate)
        self.key(identity).write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - HOUR)
            .not_valid_after(now + 24 * HOUR)
        )

    def _write(self, path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
