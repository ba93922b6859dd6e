"""The rights of an operator that is no super user, as the page "Sharing a Kafka" has them."""

from __future__ import annotations

import argparse
import re
import shlex
from typing import TYPE_CHECKING

from streamwarden_operator.ports import Acl
from support.governed import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = ROOT / "docs" / "sharing-a-kafka.md"
RESOURCES = ("topic", "group", "transactional-id")


def rights_on_the_page(installation: str, *namespaces: str, principal: str, quotas: bool = False) -> frozenset[Acl]:
    """Read the ACLs that the page gives the operator, as Kafka's own tool would make them.

    Args:
        installation: its name.
        namespaces: with agents or contracts.
        principal: who gets them.
        quotas: whether its agents have quotas.
    """
    page = PAGE.read_text()
    (block,) = re.findall(r"```bash\n(acl\(\) .*?)```", page, re.DOTALL)
    assert "--resource-pattern-type prefixed" in block
    lines = re.findall(r"^acl (--.*)$", block, re.MULTILINE)
    if quotas:
        lines += re.findall(r"`acl (--cluster [^`]*)`", page)
    names = (installation, *namespaces)
    return frozenset(acl for line in lines for acl in _acls(line, *names, principal=principal))


def _acls(line: str, installation: str, *namespaces: str, principal: str) -> Iterator[Acl]:
    """Read one line: of the installation, or the same for each namespace."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cluster", action="store_true")
    parser.add_argument("--operation", action="append", required=True)
    for resource in RESOURCES:
        parser.add_argument(f"--{resource}")
    said = vars(parser.parse_args(shlex.split(line)))
    for operation in (re.sub(r"(?<=[a-z])(?=[A-Z])", "_", each).upper() for each in said["operation"]):
        if said["cluster"]:
            yield Acl(principal, "CLUSTER", "kafka-cluster", operation)
            continue
        (kind,) = (each for each in RESOURCES if said[each.replace("-", "_")])
        name = said[kind.replace("-", "_")]
        if name.startswith("risk."):
            named = {name.replace("risk.", f"{each}.", 1) for each in namespaces}
        else:
            named = {name.replace("streamwarden.", f"{installation}.", 1)}
        for each in named:
            yield Acl(principal, kind.replace("-", "_").upper(), each, operation, "PREFIXED")
