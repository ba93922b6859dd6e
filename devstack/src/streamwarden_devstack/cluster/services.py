"""What the node runs, and with which configuration: values only, nothing is started here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from streamwarden_devstack.cluster import addresses as at

if TYPE_CHECKING:
    from pathlib import Path

_CNI_PLUGINS = "/usr/lib/cni"
"""Where Debian's package puts them."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PRIVATE_FOLDERS = ("/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/log", "/etc/cni/net.d")
"""Well-known folders that the tools write to: in the node's own mount namespace they are the state's."""
_MODULES = ("overlay", "br_netfilter", "nf_conntrack")
"""Of the kernel: nothing else loads the second, and kube-proxy ends without the third."""
_SYSCTLS = {"net/ipv4/ip_forward": "1", "net/bridge/bridge-nf-call-iptables": "1"}
_READY_TAKES = 120.0


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is."""

    state: Path
    programs: Path
    """The folder with the binaries."""
    snapshotter: str = "overlayfs"

    @property
    def pki(self) -> Path:
        """Keys, certificates and kubeconfigs."""
        return self.state / "pki"

    @property
    def logs(self) -> Path:
        """A log for each program."""
        return self.state / "log"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.pki / "admin.conf"


def build_plan(layout: Layout) -> dict[str, Any]:
    """Say what the node's first process has to do (:mod:`streamwarden_devstack.cluster.init`)."""
    binds = [(str(layout.state / "root" / folder.lstrip("/")), folder) for folder in PRIVATE_FOLDERS]
    return {
        "state": str(layout.state / "node.json"),
        "logs": str(layout.logs),
        "path": f"{layout.programs}:{_PATH}",
        "cgroup": at.CGROUP,
        "binds": [*binds, (_CNI_PLUGINS, "/opt/cni/bin")],
        "load_modules": ["modprobe", "-a", "-q", *_MODULES],
        "sysctls": _SYSCTLS,
        "steps": [
            _run("etcd", _etcd(layout)),
            _run("containerd", ["containerd", "--config", str(layout.state / "containerd.toml")]),
            _run("kube-apiserver", _apiserver(layout)),
            {
                "until": ["kubectl", f"--kubeconfig={layout.kubeconfig}", "get", "--raw", "/readyz"],
                "within_s": _READY_TAKES,
            },
            _run("kube-controller-manager", _controller_manager(layout)),
            _run("kube-scheduler", _scheduler(layout)),
            _run("kubelet", _kubelet(layout)),
            _run("kube-proxy", _proxy(layout)),
        ],
    }


def build_files(layout: Layout) -> dict[Path, str]:
    """Give the configuration files and their content."""
    return {
        layout.state / "containerd.toml": _containerd_toml(layout),
        layout.state / "kubelet.yaml": yaml.safe_dump(_kubelet_configuration(layout), sort_keys=False),
        layout.state / "resolv.conf": f"nameserver {at.HOST_ADDRESS}\n",
        layout.state / "root/etc/cni/net.d/10-bridge.conflist": json.dumps(_pod_network(), indent=2),
    }


def _run(name: str, command: list[str]) -> dict[str, Any]:
    return {"run": name, "command": command}


def _etcd(layout: Layout) -> list[str]:
    # What a crash of the machine would lose is a test's cluster, and each start begins with an empty one.
    return [
        "etcd",
        f"--data-dir={layout.state}/etcd",
        "--unsafe-no-fsync",
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--logger=zap",
    ]


def _apiserver(layout: Layout) -> list[str]:
    pki = layout.pki
    return [
        "kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        "--bind-address=0.0.0.0",
        "--secure-port=6443",
        f"--advertise-address={at.NODE_ADDRESS}",
        f"--service-cluster-ip-range={at.SERVICE_RANGE}",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--service-account-key-file={pki}/sa.key",
        f"--service-account-signing-key-file={pki}/sa.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--authorization-mode=Node,RBAC",
        # Pod security and validating admission policies are on by default.
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
    ]


def _controller_manager(layout: Layout) -> list[str]:
    pki = layout.pki
    return [
        "kube-controller-manager",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        f"--kubeconfig={pki}/controller-manager.conf",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--service-account-private-key-file={pki}/sa.key",
        f"--root-ca-file={pki}/ca.crt",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
    ]


def _scheduler(layout: Layout) -> list[str]:
    return [
        "kube-scheduler",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        f"--kubeconfig={layout.pki}/scheduler.conf",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
    ]


def _kubelet(layout: Layout) -> list[str]:
    return [
        "kubelet",
        f"--config={layout.state}/kubelet.yaml",
        f"--kubeconfig={layout.pki}/kubelet.conf",
        f"--node-ip={at.NODE_ADDRESS}",
        f"--hostname-override={at.NODE_NAME}",
    ]


def _proxy(layout: Layout) -> list[str]:
    return [
        "kube-proxy",
        f"--kubeconfig={layout.pki}/proxy.conf",
        f"--hostname-override={at.NODE_NAME}",
        f"--cluster-cidr={at.POD_RANGE}",
        "--proxy-mode=iptables",
        "--conntrack-max-per-core=0",
    ]


def _pod_network() -> dict[str, Any]:
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": at.POD_RANGE}]], "routes": [{"dst": "0.0.0.0/0"}]},
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "streamwarden", "plugins": [bridge, ports]}


def _containerd_toml(layout: Layout) -> str:
    # restrict_oom_score_adj: where CAP_SYS_RESOURCE is missing, lowering it is refused, and no sandbox starts.
    return f"""\
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "/run/containerd/containerd.sock"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "{layout.snapshotter}"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{at.PAUSE_IMAGE}"

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


def _kubelet_configuration(layout: Layout) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": at.CGROUP,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "address": at.NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{layout.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{layout.pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{layout.pki}/kubelet.key",
        "clusterDomain": "cluster.local",
        "clusterDNS": [at.DNS_SERVICE],
        "resolvConf": f"{layout.state}/resolv.conf",
        "failSwapOn": False,
        # Images come from nowhere else: none is ever collected, and nobody is evicted on a full disk of a laptop.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
            "nodefs.inodesFree": "1%",
        },
        # Tests kill containers: the second restart must not wait ten seconds, nor the fifth for minutes.
        "crashLoopBackOff": {"maxContainerRestartPeriod": "1s"},
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "nodeStatusUpdateFrequency": "5s",
        "syncFrequency": "10s",
    }
