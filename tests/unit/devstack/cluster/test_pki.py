from __future__ import annotations

import base64
import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID
from streamwarden_devstack.cluster.pki import build_pki, write_pki

if TYPE_CHECKING:
    from pathlib import Path

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def pki() -> dict[str, str]:
    return build_pki(NOW)


def certificate(pki: dict[str, str], name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pki[f"{name}.crt"].encode())


def attribute(found: x509.Certificate, which: x509.ObjectIdentifier) -> list[str | bytes]:
    return [one.value for one in found.subject.get_attributes_for_oid(which)]


@pytest.mark.parametrize(
    ("name", "user", "groups"),
    [
        ("admin", "admin", ["system:masters"]),
        ("apiserver-kubelet", "kube-apiserver-kubelet-client", ["system:masters"]),
        ("controller-manager", "system:kube-controller-manager", []),
        ("scheduler", "system:kube-scheduler", []),
        ("proxy", "system:kube-proxy", []),
        ("kubelet", "system:node:node1", ["system:nodes"]),
    ],
)
def test_each_client_has_the_user_and_groups_that_kubernetes_knows(
    pki: dict[str, str], name: str, user: str, groups: list[str]
) -> None:
    found = certificate(pki, name)

    found.verify_directly_issued_by(certificate(pki, "ca"))
    assert attribute(found, NameOID.COMMON_NAME) == [user]
    assert attribute(found, NameOID.ORGANIZATION_NAME) == groups


def test_the_api_server_answers_to_its_service_its_node_and_this_machine(pki: dict[str, str]) -> None:
    names = certificate(pki, "apiserver").extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert {str(address) for address in names.get_values_for_type(x509.IPAddress)} == {
        "127.0.0.1",
        "10.250.0.2",
        "10.96.0.1",
    }
    assert "kubernetes.default.svc" in names.get_values_for_type(x509.DNSName)


def test_certificates_hold_now_and_for_a_year(pki: dict[str, str]) -> None:
    found = certificate(pki, "admin")

    assert found.not_valid_before_utc < NOW
    assert found.not_valid_after_utc == NOW + dt.timedelta(days=365)


def test_a_kubeconfig_has_one_context_and_the_matching_key(pki: dict[str, str]) -> None:
    config: dict[str, Any] = yaml.safe_load(pki["admin.conf"])
    user = config["users"][0]["user"]
    key = load_pem_private_key(base64.b64decode(user["client-key-data"]), None)

    assert config["current-context"] == "streamwarden"
    assert [context["name"] for context in config["contexts"]] == ["streamwarden"]
    assert config["clusters"][0]["cluster"]["server"] == "https://10.250.0.2:6443"
    assert key.public_key() == certificate(pki, "admin").public_key()


def test_nobody_else_can_read_the_files(tmp_path: Path) -> None:
    write_pki(tmp_path / "pki")

    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "pki").iterdir()} == {0o600}
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700


def test_each_certificate_names_its_authority_s_key_as_strict_clients_demand(pki: dict[str, str]) -> None:
    authority = certificate(pki, "ca").extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    for name in ("apiserver", "admin", "kubelet"):
        found = certificate(pki, name).extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        assert found.key_identifier == authority.digest
