"""Makes the reconcilers, and what runs beside them, over the cluster and the backends."""

import math
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from streamwarden_operator.adapters.signing import PublisherKeys
from streamwarden_operator.backends import Backends
from streamwarden_operator.desired.topics import Durability
from streamwarden_operator.keys import KeyKind
from streamwarden_operator.ports import Cluster, InventoryRequests, Quotas, SigningKeys
from streamwarden_operator.reconcilers.acl_watch import AclWatch
from streamwarden_operator.reconcilers.agents.access import AgentAccess
from streamwarden_operator.reconcilers.agents.login_tries import LoginTries
from streamwarden_operator.reconcilers.agents.looks import Looks
from streamwarden_operator.reconcilers.agents.quotas import AgentQuotas
from streamwarden_operator.reconcilers.agents.reconciler import AgentReconciler, PodSettings
from streamwarden_operator.reconcilers.agents.users import AgentUsers
from streamwarden_operator.reconcilers.contracts.reconciler import TopicContractReconciler
from streamwarden_operator.reconcilers.inventory import Inventory
from streamwarden_operator.reconcilers.inventory_requests import InventoryRequestReconciler
from streamwarden_operator.reconcilers.namespaces.reconciler import NamespaceReconciler
from streamwarden_operator.reconcilers.namespaces.shared_topics import SharedTopics
from streamwarden_operator.reconcilers.policies.live_acks import LiveAcks
from streamwarden_operator.reconcilers.policies.log import PolicyLogReconciler
from streamwarden_operator.reconcilers.policies.log_store import LogStore
from streamwarden_operator.reconcilers.policies.reconciler import OnRollout, PolicyReconciler
from streamwarden_operator.reconcilers.scaling.group_keeper import GroupKeeper, bound_at_zero
from streamwarden_operator.reconcilers.scaling.scaler import Scaler
from streamwarden_operator.reconcilers.scaling.scaling_store import ScalingStore
from streamwarden_operator.reconcilers.signing_key import SigningKeyReconciler
from streamwarden_operator.wiring.queue import Reconciler
from streamwarden_operator.wiring.waking import Waker


@dataclass(frozen=True, slots=True)
class PasswordCare:
    """What is done for passwords that are right."""

    longest: timedelta | None = None
    """Age at which they are replaced; None: whenever people ask for it."""
    try_again_s: float = math.inf
    """After so long one is tried again."""


@dataclass(frozen=True, slots=True)
class Factory:
    """Makes each part once; nothing runs before somebody runs it."""

    cluster: Cluster
    backends: Backends
    keys: PublisherKeys
    key_store: SigningKeys | None
    """Keeps the keys; None: nobody does, and none is replaced."""
    requests: InventoryRequests | None
    """What people order of the inventory; None: nobody can."""
    operator_namespace: str
    bootstrap_servers: str
    """As the pods reach Kafka."""
    agent_quotas: Quotas
    """Of every agent's user."""
    trusted: frozenset[str]
    """Principals whose rights are no way round a gate, the operator's own among them."""
    durability: Durability
    """Of the topics that agents share."""
    passwords: PasswordCare
    """Of agents and gates."""
    logs: LogStore
    scaling: ScalingStore
    waker: Waker
    inventory: Inventory
    covers: Callable[[str], bool]
    """Whether the operator watches a namespace."""
    resync_s: float
    """Seconds until what has not changed is compared again."""

    def create_reconcilers(self, on_rollout: OnRollout) -> Mapping[KeyKind, Reconciler]:
        """Return the reconciler of each kind of key."""
        acks, access = LiveAcks(self.backends.acks, self.cluster), self._create_access()
        reconcilers: dict[KeyKind, Reconciler] = {
            "TopicContract": self._create_contracts(acks),
            "Policy": PolicyReconciler(self.cluster, acks, self.logs, on_rollout=on_rollout),
            "AgentDeployment": self._create_agents(acks, access),
            "PolicyLog": self._create_log(acks),
            "Namespace": self._create_namespaces(access),
        }
        if self.key_store is not None:
            reconcilers["SigningKey"] = SigningKeyReconciler(
                self.cluster, self.key_store, acks, inventory=self.inventory, logs=self.logs, wake=self.waker.add
            )
        if self.requests is not None:
            reconcilers["InventoryRequest"] = InventoryRequestReconciler(
                self.cluster,
                self.requests,
                self.backends.topics,
                self.backends.users,
                inventory=self.inventory,
                logs=self.logs,
                covers=self.covers,
                trusted=self.trusted,
                wake=self.waker.add,
            )
        return reconcilers

    def create_loops(self) -> Mapping[str, Callable[[], Coroutine[Any, Any, None]]]:
        """Return what runs beside the queue for as long as the process, by name; of scaling only where it is done."""
        watch = AclWatch(self.backends.acls, every_s=self.resync_s, changed=self.waker.acls_changed)
        if self.backends.lags is None:
            return {"acls": watch.run}
        scaler = Scaler(self.cluster, self.backends.lags, self.scaling, wake=self.waker.add)
        unscaled = partial(bound_at_zero, self.cluster, self.logs, self.scaling)
        keeper = GroupKeeper(self.backends.offsets, self.scaling, unscaled)
        return {"acls": watch.run, "scaler": scaler.run, "group-keeper": keeper.run}

    @property
    def _quotas(self) -> AgentQuotas:
        return AgentQuotas(self.backends.quotas, self.agent_quotas)

    def _create_contracts(self, acks: LiveAcks) -> TopicContractReconciler:
        backends = self.backends
        return TopicContractReconciler(
            self.cluster,
            backends.topics,
            backends.acls,
            backends.registry,
            logs=self.logs,
            inventory=self.inventory,
            acks=acks,
            changed=self.waker.dependents_changed,
        )

    def _create_access(self) -> AgentAccess:
        backends = self.backends
        users = AgentUsers(
            self.cluster,
            backends.users,
            backends.logins,
            self.inventory,
            self.bootstrap_servers,
            LoginTries(routine_s=self.passwords.try_again_s),
            self.passwords.longest,
        )
        return AgentAccess(
            self.cluster,
            backends.acls,
            users,
            backends.offsets,
            self._quotas,
            self.logs.installation,
            self.trusted,
            Looks(backends.looks_last_s),
        )

    def _create_agents(self, acks: LiveAcks, access: AgentAccess) -> AgentReconciler:
        backends = self.backends
        return AgentReconciler(
            self.cluster,
            backends.topics,
            access=access,
            acks=acks,
            logs=self.logs,
            scaling=self.scaling,
            pods=PodSettings(self.operator_namespace, self.keys.public_keys_json),
            wake=self.waker.add,
            want=self.waker.want_log,
            has_registry=backends.registry is not None,
        )

    def _create_log(self, acks: LiveAcks) -> PolicyLogReconciler:
        return PolicyLogReconciler(
            self.cluster,
            self.backends.log,
            acks,
            self.logs,
            keys=self.keys,
            published=self.waker.log_published,
            unread=self.waker.log_unread,
        )

    def _create_namespaces(self, access: AgentAccess) -> NamespaceReconciler:
        backends = self.backends
        return NamespaceReconciler(
            self.cluster,
            backends.topics,
            backends.acls,
            backends.users,
            inventory=self.inventory,
            quotas=self._quotas,
            logs=self.logs,
            shared=SharedTopics(
                self.cluster,
                backends.topics,
                self.inventory,
                self.logs,
                self.durability,
                self.operator_namespace,
                self.waker.shared_topics_changed,
            ),
            covers=self.covers,
            watch=backends.acks.watch,
            claimed=self.waker.namespace_known,
            swept=access.forget_swept,
            wake=self.waker.add,
        )
