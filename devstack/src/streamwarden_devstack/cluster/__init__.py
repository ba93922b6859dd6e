"""A Kubernetes cluster for tests and the demo: one the user names, kind, or an embedded node without Docker.

ClusterError
├── ContextError           the kubeconfig lacks the context that was named, or cannot be read
├── NoProviderError        no way to a cluster here; says what each of the three lacks
├── MissingPackagesError   programs of Debian packages are missing; says how to install them
├── CommandFailedError     a program failed; carries its last lines
└── NotReadyError          something did not come about in its time
"""

from streamwarden_devstack.cluster.choosing import Wanted
from streamwarden_devstack.cluster.errors import (
    ClusterError,
    CommandFailedError,
    ContextError,
    MissingPackagesError,
    NoProviderError,
    NotReadyError,
)
from streamwarden_devstack.cluster.reporting import ConsoleReporter, QuietReporter, Reporter
from streamwarden_devstack.cluster.running import Cluster, open_cluster

__all__ = [
    "Cluster",
    "ClusterError",
    "CommandFailedError",
    "ConsoleReporter",
    "ContextError",
    "MissingPackagesError",
    "NoProviderError",
    "NotReadyError",
    "QuietReporter",
    "Reporter",
    "Wanted",
    "open_cluster",
]
