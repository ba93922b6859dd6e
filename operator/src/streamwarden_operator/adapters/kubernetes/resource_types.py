"""The Kubernetes resources that the operator speaks of: where they are served, and what they are called."""

from dataclasses import dataclass
from urllib.parse import quote

from streamwarden_contract.models import AgentDeployment, Policy, TopicContract
from streamwarden_contract.models.base import API_VERSION, Kind

from streamwarden_operator.desired.names import DATA_SELECTOR, MANAGED_BY_LABEL, MANAGER
from streamwarden_operator.keys import Key
from streamwarden_operator.ports import Manifest

FIELD_MANAGER = MANAGER
"""Owns in server-side apply what the operator says."""
SCALE_MANAGER = "streamwarden-scaler"
"""Owns the number of replicas alone, so that an apply of the rest leaves it."""

OWN_SELECTOR = f"{MANAGED_BY_LABEL}={MANAGER}"
"""Selects, on the server, what the operator has made."""


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A namespaced resource of the API."""

    api_version: str
    kind: str
    plural: str
    url: str = ""
    """Its path, where it is no resource."""

    @property
    def group(self) -> str:
        """The API group; empty for the core one."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version within the group."""
        return self.api_version.rpartition("/")[2]

    @property
    def described(self) -> str:
        """As RBAC and ``kubectl`` name it: ``deployments.apps``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """Return the URL's path; without a namespace that of the whole cluster."""
        if self.url:
            return self.url
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        where = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        parts = "".join(f"/{quote(part, safe='')}" for part in (name, subresource) if part)
        return f"{root}{where}/{self.plural}{parts}"


CONFIG_MAP = ResourceType("v1", "ConfigMap", "configmaps")
DEPLOYMENT = ResourceType("apps/v1", "Deployment", "deployments")
DISRUPTION_BUDGET = ResourceType("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
EVENT = ResourceType("v1", "Event", "events")
LEASE = ResourceType("coordination.k8s.io/v1", "Lease", "leases")
NAMESPACE = ResourceType("v1", "Namespace", "namespaces")
NETWORK_POLICY = ResourceType("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
POD = ResourceType("v1", "Pod", "pods")
SECRET = ResourceType("v1", "Secret", "secrets")
SERVICE_ACCOUNT = ResourceType("v1", "ServiceAccount", "serviceaccounts")
SERVER_VERSION = ResourceType("", "", "version", "/version")
"""What the server says of itself."""

KINDS: dict[ResourceType, type[Kind]] = {
    ResourceType(API_VERSION, kind.__name__, kind.plural): kind for kind in (TopicContract, Policy, AgentDeployment)
}
"""The three kinds."""

OWNED = (DEPLOYMENT, POD, CONFIG_MAP, SERVICE_ACCOUNT, DISRUPTION_BUDGET, NETWORK_POLICY)
"""What an agent has; Secrets are never watched."""

_BY_NAME = {(known.api_version, known.kind): known for known in (*KINDS, *OWNED, SECRET, EVENT)}
_BY_KIND = {kind: known for known, kind in KINDS.items()}
_BY_KEY = {known.kind: known for known in KINDS}


def selector_of(resource: ResourceType) -> str:
    """Return the label selector by which a type is listed and watched, so that the server sends no others.

    One that selects our ConfigMaps and those with data beside rules: both have its label.
    """
    if resource in KINDS:
        return ""
    return DATA_SELECTOR if resource == CONFIG_MAP else OWN_SELECTOR


def type_of(manifest: Manifest) -> ResourceType:
    """Return the type of an object that says ``apiVersion`` and ``kind``.

    Raises:
        KeyError: not a type that the operator knows.
    """
    return _BY_NAME[manifest["apiVersion"], manifest["kind"]]


def type_of_kind(kind: type[Kind]) -> ResourceType:
    """Return the type of one of the three kinds."""
    return _BY_KIND[kind]


def type_of_key(key: Key) -> ResourceType:
    """Return the type of one of the three kinds.

    Raises:
        KeyError: no object stands for keys of this kind.
    """
    return _BY_KEY[key.kind]
