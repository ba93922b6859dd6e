"""The link between host and node: a bridge on the host that stays, a veth pair that comes and goes with the node."""

from __future__ import annotations

from pathlib import Path

from streamwarden_devstack.cluster import addresses as at
from streamwarden_devstack.cluster.errors import ClusterError, CommandFailedError
from streamwarden_devstack.cluster.execute import run

_HARDWARE_ADDRESS = "02:53:57:4b:00:01"
"""Fixed, or it would change with the ports, and neighbours would have to learn it again."""
_DEVICES = Path("/sys/class/net")


def make_bridge() -> None:
    """Give the host its address and the routes to pods and Services.

    Raises:
        ClusterError: The machine has one of these networks already.
    """
    commands = (
        f"link add {at.BRIDGE} address {_HARDWARE_ADDRESS} type bridge",
        f"addr add {at.HOST_ADDRESS}/{at.LINK_BITS} dev {at.BRIDGE}",
        f"link set {at.BRIDGE} up",
        f"route add {at.POD_RANGE} via {at.NODE_ADDRESS} dev {at.BRIDGE}",
        f"route add {at.SERVICE_RANGE} via {at.NODE_ADDRESS} dev {at.BRIDGE}",
    )
    for command in commands:
        try:
            run(["ip", *command.split()])
        except CommandFailedError as error:
            remove_bridge()
            raise ClusterError(
                f"{error}\nThe cluster needs {at.HOST_ADDRESS}/{at.LINK_BITS}, {at.POD_RANGE} and {at.SERVICE_RANGE} "
                f"for itself; does something else on this machine use one of them?"
            ) from error


def join(pid: int) -> None:
    """Connect the network namespace of a process, which is the node's, with the bridge."""
    if (_DEVICES / at.HOST_END).exists():
        # Of a node that has just ended: the kernel takes its time.
        run(["ip", "link", "del", at.HOST_END])
    _ip(f"link add {at.HOST_END} type veth peer name {at.NODE_END} netns {pid}")
    _ip(f"link set {at.HOST_END} master {at.BRIDGE} up")
    inside = ("nsenter", "-t", str(pid), "-n", "--", "ip")
    for command in (
        "link set lo up",
        f"addr add {at.NODE_ADDRESS}/{at.LINK_BITS} dev {at.NODE_END}",
        f"link set {at.NODE_END} up",
        f"route add default via {at.HOST_ADDRESS}",
    ):
        run([*inside, *command.split()])


def remove_bridge() -> bool:
    """Take bridge, address and routes away; whether they were there."""
    if not (_DEVICES / at.BRIDGE).exists():
        return False
    run(["ip", "link", "del", at.BRIDGE])
    return True


def _ip(command: str) -> None:
    run(["ip", *command.split()])
