"""The cluster's certificates and kubeconfigs, made anew for each cluster and thrown away with it.

The authority is ``trustme``'s. What it signs is made here: a certificate's organisation is a group to Kubernetes, and
``trustme`` names one in each; and it gives those without addresses an empty list of them, which Go does not take.
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from streamwarden_kafka.private_files import private_folder, write_private

from streamwarden_devstack.cluster.addresses import API_SERVICE, CONTEXT, NODE_ADDRESS, NODE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_VALID = dt.timedelta(days=365)
_SKEW = dt.timedelta(minutes=5)
_CLIENTS = ("admin", "controller-manager", "scheduler", "proxy", "kubelet")
"""Who gets a kubeconfig."""


_SIGNS = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is for."""

    name: str
    """Of the files."""
    common_name: str
    group: str = ""
    addresses: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


SUBJECTS = (
    Subject(
        "apiserver",
        "kube-apiserver",
        addresses=("127.0.0.1", NODE_ADDRESS, API_SERVICE),
        hosts=(
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ),
    ),
    Subject("apiserver-kubelet", "kube-apiserver-kubelet-client", "system:masters"),
    Subject("admin", "admin", "system:masters"),
    Subject("controller-manager", "system:kube-controller-manager"),
    Subject("scheduler", "system:kube-scheduler"),
    Subject("proxy", "system:kube-proxy"),
    Subject("kubelet", f"system:node:{NODE_NAME}", "system:nodes", addresses=(NODE_ADDRESS,), hosts=(NODE_NAME,)),
)


def write_pki(folder: Path) -> None:
    """Write keys, certificates and kubeconfigs of a new cluster into the folder (all 0600)."""
    private_folder(folder)
    for name, text in build_pki(dt.datetime.now(dt.UTC)).items():
        write_private(folder / name, text)


def build_pki(now: dt.datetime) -> dict[str, str]:
    """Make all files: ``<subject>.key``, ``<subject>.crt`` and ``<client>.conf``, and ``sa.key`` for tokens."""
    authority = trustme.CA(organization_name="streamwarden", organization_unit_name="cluster")
    files = {"ca.key": authority.private_key_pem.bytes().decode(), "ca.crt": authority.cert_pem.bytes().decode()}
    for subject in SUBJECTS:
        key = ec.generate_private_key(ec.SECP256R1())
        files[f"{subject.name}.key"] = _key_pem(key)
        files[f"{subject.name}.crt"] = _certificate_pem(_issue(subject, key, authority, now))
    for client in _CLIENTS:
        files[f"{client}.conf"] = _kubeconfig(files["ca.crt"], files[f"{client}.crt"], files[f"{client}.key"])
    files["sa.key"] = _key_pem(ec.generate_private_key(ec.SECP256R1()))
    return files


def _issue(
    subject: Subject, key: ec.EllipticCurvePrivateKey, authority: trustme.CA, now: dt.datetime
) -> x509.Certificate:
    certificate = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    authority_key = load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(authority_key, ec.EllipticCurvePrivateKey)  # noqa: S101  # trustme's default
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject.common_name, subject.group))
        .issuer_name(certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_SIGNS, critical=True)
        # Python 3.13 and later refuse a certificate that does not name its authority's key.
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
    )
    if names := list(_alternative_names(subject)):
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(authority_key, hashes.SHA256())


def _alternative_names(subject: Subject) -> Iterator[x509.GeneralName]:
    yield from (x509.IPAddress(ipaddress.ip_address(address)) for address in subject.addresses)
    yield from (x509.DNSName(host) for host in subject.hosts)


def _name(common_name: str, group: str = "") -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    # Not PKCS8: the API server takes the key for its tokens in this form only.
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def _certificate_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _kubeconfig(authority: str, certificate: str, key: str) -> str:
    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    server = {"server": f"https://{NODE_ADDRESS}:6443", "certificate-authority-data": encoded(authority)}
    user = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": server}],
        "users": [{"name": CONTEXT, "user": user}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
        "current-context": CONTEXT,
    }
    return yaml.safe_dump(config, sort_keys=False)
