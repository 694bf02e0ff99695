"""Throw-away certificates: one good world and every way to be wrong in it."""
import datetime
import hashlib
import ipaddress
import ssl
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.utcnow()
MX = "mx.example.net"  # what the upstreams of the tests are called
GW = "gw.example.net"  # what Sallyport is called


def new_key(kind):
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, int(kind[3:]))


def pem(*certs):
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certs)


def key_pem(key, password=None):
    cipher = (serialization.BestAvailableEncryption(password) if password
          else serialization.NoEncryption())
    return key.private_bytes(serialization.Encoding.PEM,
                 serialization.PrivateFormat.PKCS8, cipher)


def san(names):
    def one(name):
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)
    return x509.SubjectAlternativeName([one(n) for n in names])


def make(cn, issuer=None, key="ec", names=(), ca=False, start=-1, days=90, usage=None, ocsp=None):
    """A certificate and its key. `issuer`: another pair; None: itself. `start`: days from now. `ocsp`: the URL of its
    responder."""
    key = new_key(key) if isinstance(key, str) else key
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])
    signer, by = (issuer[1], issuer[0].subject) if issuer else (key, subject)
    b = (x509.CertificateBuilder().subject_name(subject).issuer_name(by)
         .public_key(key.public_key()).serial_number(x509.random_serial_number())
         .not_valid_before(NOW + start * DAY).not_valid_after(NOW + (start + days) * DAY)
         .add_extension(x509.BasicConstraints(ca, None), True)
         .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
         .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
                False))
    if names:
        b = b.add_extension(san(names), False)
    if usage:
        b = b.add_extension(x509.ExtendedKeyUsage([usage]), False)
    if ocsp:
        b = b.add_extension(x509.AuthorityInformationAccess([x509.AccessDescription(
            AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp))]), False)
    return b.sign(signer, hashes.SHA256()), key


def revocation_list(issuer, *revoked):
    """The issuer's CRL, with these certificates on it."""
    b = (x509.CertificateRevocationListBuilder().issuer_name(issuer[0].subject)
         .last_update(NOW - DAY).next_update(NOW + 30 * DAY))
    for cert in revoked:
        b = b.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(cert.serial_number)
                                      .revocation_date(NOW - DAY).build())
    return b.sign(issuer[1], hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Cert(NamedTuple):
    chain: str
    key: str
    sha256: str

    def context(self, **options):
        """A server's TLS that shows this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for name, value in options.items():
            if name == "ciphers":
                context.set_ciphers(value)
            else:
                setattr(context, name, value)
        context.load_cert_chain(self.chain, self.key)
        return context


class PKI:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.leaves = 0
        self.root = make("Test Root", ca=True, days=900)
        self.inter = make("Test Intermediate", self.root, ca=True, days=400)
        self.foreign = make("Foreign Root", ca=True, days=900)
        self.ca = self.write("ca.pem", pem(self.root[0]))
        self.foreign_ca = self.write("foreign.pem", pem(self.foreign[0]))
        revoked = make(MX, self.inter, names=(MX,))
        self.revoked = self.save("revoked", revoked, self.inter)
        self.crl = self.write("crl.pem", revocation_list(self.root) + revocation_list(self.inter, revoked[0]))

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    def save(self, name, pair, *chain):
        digest = hashlib.sha256(pair[0].public_bytes(serialization.Encoding.DER)).hexdigest()
        return Cert(self.write(name + ".pem", pem(pair[0], *(c[0] for c in chain))),
                self.write(name + ".key", key_pem(pair[1])), digest)

    @lru_cache(None)
    def leaf(self, name, key="ec", **options):
        """A good leaf for `name` under the intermediate."""
        options.setdefault("names", (name,))
        self.leaves += 1
        return self.save(f"leaf{self.leaves}", make(name, self.inter, key, **options), self.inter)

    @lru_cache(None)
    def bad(self, what):
        """A certificate for MX with one thing wrong with it."""
        if what == "expired":
            return self.leaf(MX, start=-100, days=50)
        if what == "not yet valid":
            return self.leaf(MX, start=10)
        if what == "wrong name":
            return self.leaf("other.example.org")
        if what == "name in CN alone":
            return self.leaf(MX, names=())
        if what == "wildcard over two labels":
            return self.leaf("*.net", names=("*.net",))
        if what == "for clients only":
            return self.leaf(MX, usage=ExtendedKeyUsageOID.CLIENT_AUTH)
        if what == "self-signed":
            return self.save("bad-self", make(MX, names=(MX,)))
        if what == "unknown CA":
            return self.save("bad-ca", make(MX, self.foreign, names=(MX,)))
        if what == "missing intermediate":
            return self.save("bad-chain", make(MX, self.inter, names=(MX,)))
        if what == "issued by a leaf":
            middle = make("leaf.example.net", self.inter, names=("leaf.example.net",))
            return self.save("bad-constraint", make(MX, middle, names=(MX,)), middle,
                     self.inter)
        if what == "weak key":
            return self.leaf(MX, key="rsa1024")
        raise KeyError(what)


# What is wrong with a certificate, and what the text of the refusal must speak of.
BAD_CERTS = {
    "expired": r"expired",
    "not yet valid": r"not yet valid",
    "wrong name": r"certificate is for .*, not for|(?i:hostname|no DNS name)",
    "name in CN alone": r"certificate is for .*, not for|(?i:hostname|no DNS name)",
    "wildcard over two labels": r"certificate is for .*, not for|(?i:hostname|no DNS name)",
    "for clients only": r"(?i)purpose|usage",
    "self-signed": r"(?i)self.signed",
    "unknown CA": r"(?i)issuer|unable to get|trust",
    "missing intermediate": r"(?i)issuer|unable to (get|verify)",
    "issued by a leaf": r"(?i)CA|invalid|issuer|constraint",
}
