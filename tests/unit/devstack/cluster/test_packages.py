from __future__ import annotations

import pytest
from streamwarden_devstack.cluster.errors import MissingPackagesError
from streamwarden_devstack.cluster.packages import IMAGES, NODE, missing_packages, require


def test_missing_packages_are_named_with_the_command_that_installs_them() -> None:
    there = {"runc", "ip", "unshare", "setsid", "nsenter", "mount"}

    with pytest.raises(MissingPackagesError) as raised:
        require(NODE, there.__contains__)

    assert str(raised.value).endswith("apt-get install --no-install-recommends containernetworking-plugins iptables")


def test_a_package_with_several_programs_is_named_once() -> None:
    assert missing_packages({"a": "one", "b": "one", "c": "two"}, lambda _: False) == ["one", "two"]


def test_with_everything_there_nothing_is_said() -> None:
    require({**NODE, **IMAGES}, lambda _: True)
