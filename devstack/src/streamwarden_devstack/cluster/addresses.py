"""Names and addresses of the embedded cluster. One cluster a machine: they are fixed."""

from __future__ import annotations

from pathlib import Path

CONTEXT = "streamwarden"
"""Of the kubeconfig."""
NODE_NAME = "node1"

HOST_ADDRESS = "10.250.0.1"
"""The host's, on a bridge of its own: it stays while the node is restarted."""
NODE_ADDRESS = "10.250.0.2"
LINK_BITS = 30
POD_RANGE = "10.244.0.0/16"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
"""Nobody answers there: pods that look names up get none."""

BRIDGE = "swk0"
HOST_END = "swk1"
NODE_END = "swk2"

CGROUP = "/streamwarden"
"""Parent of all pods, in every hierarchy."""

STATE_FOLDER = Path("/var/lib/streamwarden/cluster")
"""Everything a running cluster writes. Not in anybody's home: the cluster is the machine's."""
LOCK = Path("/run/streamwarden-cluster.lock")
"""Held by the command that changes the cluster."""

PAUSE_IMAGE = "localhost/streamwarden/pause:1"
