"""Certificates as PayPal signs its webhooks by: a root, what is between, a leaf; and such as must not be taken."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

OWNER = "messageverificationcerts.sandbox.paypal.com"


@dataclass(frozen=True)
class Signer:
    """A key and what vouches for it, the leaf first."""

    key: rsa.RSAPrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def pem(self) -> bytes:
        return b"".join(each.public_bytes(Encoding.PEM) for each in self.chain)


@dataclass(frozen=True)
class Authority:
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @classmethod
    def root(cls, name: str) -> "Authority":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return cls(key, _certificate(name, key, name, key, is_authority=True))

    def below(self, name: str) -> "Authority":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return Authority(key, _certificate(name, key, _name(self.certificate), self.key, is_authority=True))

    def leaf(self, host: str, *, days: int = 90, bits: int = 2048) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
        key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        return key, _certificate(host, key, _name(self.certificate), self.key, is_authority=False, days=days)


class Signers:
    """The good one, and others by what is wrong with them; the names are the ends of their addresses."""

    def __init__(self) -> None:
        self.root = Authority.root("Test Root")
        between, foreign = self.root.below("Test Between"), Authority.root("Foreign Root")
        self.by_name = {
            "good": _signer(between, OWNER, between.certificate),
            "alone": _signer(between, OWNER),
            "foreign": _signer(foreign, OWNER, foreign.certificate),
            "expired": _signer(between, OWNER, between.certificate, days=-1),
            "name": _signer(between, "paypal.com.evil.example", between.certificate),
            "likeness": _signer(between, "notpaypal.com", between.certificate),
            "weak": _signer(between, OWNER, between.certificate, bits=1024),
            "self": _self_signed(),
        }

    def pem(self, name: str) -> bytes | None:
        found = self.by_name.get(name)
        return found.pem if found else None


def _signer(by: Authority, host: str, *above: x509.Certificate, days: int = 90, bits: int = 2048) -> Signer:
    key, leaf = by.leaf(host, days=days, bits=bits)
    return Signer(key, (leaf, *above))


def _self_signed() -> Signer:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return Signer(key, (_certificate(OWNER, key, OWNER, key, is_authority=False),))


def _certificate(
    name: str, key: rsa.RSAPrivateKey, issuer: str, signer: rsa.RSAPrivateKey, *, is_authority: bool, days: int = 90
) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("content_commitment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=100))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_encipherment=not is_authority,
                key_cert_sign=is_authority,
                crl_sign=is_authority,
                **usage,
            ),
            critical=True,
        )
    )
    if not is_authority:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return made.sign(signer, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
