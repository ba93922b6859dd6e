"""Replaces the signing key step by step, and says where it stands."""

from collections.abc import Callable

import structlog
from streamwarden_contract.models import AgentDeployment
from streamwarden_contract.names import SYSTEM
from streamwarden_contract.reasons import EventReason

from streamwarden_operator.keys import Key, key_of
from streamwarden_operator.plans.key_rotation import RotationPlan, Step, plan_rotation
from streamwarden_operator.ports import Cluster, GateAcks, RotationAsked, SigningKeys
from streamwarden_operator.reconcilers.inventory import Inventory
from streamwarden_operator.reconcilers.policies.log_store import LogStore
from streamwarden_operator.result import Result

_log = structlog.get_logger(__name__)

_WAITING_S, _SETTLED_S = 5.0, 20.0
"""Seconds between two observations: a gate reads its keys again within a minute or two of their change."""

_REASONS = {
    Step.ADD: EventReason.KEY_ROTATION_BEGUN,
    Step.WAIT: EventReason.KEY_ROTATION_WAITS,
    Step.SIGN: EventReason.KEY_SIGNS,
    Step.RETIRE: EventReason.KEY_ROTATED,
}


class SigningKeyReconciler:
    """One for the installation."""

    def __init__(
        self,
        cluster: Cluster,
        keys: SigningKeys,
        acks: GateAcks,
        *,
        inventory: Inventory,
        logs: LogStore,
        wake: Callable[[Key], None],
    ) -> None:
        """Make a reconciler.

        Args:
            cluster: the Kubernetes side.
            keys: the keys, and where they are kept.
            acks: what gates report.
            inventory: is signed anew, as policy logs are.
            logs: which policy logs there are, and who has signed them.
            wake: called with the keys of agents, whose gates are given other keys, and of logs to sign anew.
        """
        self._cluster = cluster
        self._keys = keys
        self._acks = acks
        self._inventory = inventory
        self._logs = logs
        self._wake = wake
        self._said = ""

    async def reconcile(self, key: Key) -> Result:
        """Carry out the next step of a rotation, if there is one.

        Raises:
            CannotGoOnError: the Secret holds another key than the one that signs here.
            UnavailableError: the Secret could not be read or written.
        """
        plan = self._plan(await self._keys.rotation_asked())
        match plan.step:
            case Step.ADD:
                await self._keys.add_following()
                self._wake_agents()
            case Step.SIGN:
                await self._keys.sign_with_following()
                await self._inventory.sign_anew()
                for namespace in self._logs.topics_ready:
                    self._wake(Key("PolicyLog", namespace))
            case Step.RETIRE:
                await self._keys.retire_previous()
                self._wake_agents()
            case Step.WAIT:
                await self._inventory.sign_anew()
            case Step.NONE:
                pass
        await self._say(key, plan)
        return Result(requeue_after_s=_SETTLED_S if plan.step is Step.NONE else _WAITING_S)

    def _plan(self, asked: RotationAsked) -> RotationPlan:
        ids, ready = self._keys.ids, self._logs.topics_ready
        if not ids.following and not ids.previous:
            return plan_rotation(ids, asked, gates=(), unknown=(), unsigned=())
        namespaces = sorted(ready - {SYSTEM})
        published = {namespace: self._logs.published.get(namespace) for namespace in ready}
        unsigned = {
            self._logs.topic_of(name) for name, log in published.items() if not log or log.key_id != ids.signing
        }
        gates = [ack for namespace in namespaces for ack in self._acks.of_namespace(namespace)]
        return plan_rotation(
            ids,
            asked,
            gates=[gate for gate in gates if gate.state != "Stopped"],
            unknown=[namespace for namespace in namespaces if not self._acks.complete(namespace)],
            unsigned=unsigned,
        )

    def _wake_agents(self) -> None:
        for agent in self._cluster.list(AgentDeployment):
            self._wake(key_of(agent))

    async def _say(self, key: Key, plan: RotationPlan) -> None:
        await self._keys.show("" if plan.step in {Step.NONE, Step.RETIRE} else plan.progress)
        if plan.progress == self._said:
            return
        self._said = plan.progress
        if plan.step is not Step.NONE:
            _log.info("signing key", step=plan.step.value, progress=plan.progress)
            await self._cluster.record_event(key, reason=_REASONS[plan.step], message=plan.progress, warning=False)
