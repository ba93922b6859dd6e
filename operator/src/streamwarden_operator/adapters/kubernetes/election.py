"""The Lease in the API server: taken, renewed under a deadline, released. ``plans.election`` says when."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from streamwarden_operator.adapters.kubernetes.client import KubernetesClient
from streamwarden_operator.adapters.kubernetes.errors import AbsentError
from streamwarden_operator.adapters.kubernetes.resource_types import LEASE
from streamwarden_operator.errors import ConflictError, LeadershipLostError, OperatorError
from streamwarden_operator.plans.election import DURATION_S, RETRY_S, Lease, Seen, Step, next_step, note, valid_until
from streamwarden_operator.ports import Manifest

_log = structlog.get_logger(__name__)


async def _nobody_knows() -> bool:
    return False


class Election:
    """One process's part in it. All calls but ``check`` from one event loop."""

    def __init__(
        self,
        client: KubernetesClient,
        *,
        namespace: str,
        name: str,
        identity: str,
        is_new: Callable[[], Awaitable[bool]] = _nobody_knows,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make one; nothing is asked before ``acquire``.

        Args:
            client: its own: what else is asked of the API server must not make a renewal wait.
            namespace: where the Lease is.
            name: the Lease's.
            identity: of this process; no other one's that may run at the same time.
            is_new: asked where there is no Lease: whether nobody can have led here yet, who would still believe to.
            clock_s: monotonic seconds, also from other threads.
        """
        self._client = client
        self._namespace, self._name, self._identity = namespace, name, identity
        self._is_new = is_new
        self._clock_s = clock_s
        self._asking = asyncio.Lock()
        """Two renewals at once would be in each other's way."""
        self._seen: Seen | None = None
        self._valid_until_s = -math.inf
        self._said = ""

    @property
    def leads(self) -> bool:
        """Whether this process may write now."""
        return self._clock_s() < self._valid_until_s

    def check(self) -> None:
        """Go on only while this process leads: asked before each write.

        Raises:
            LeadershipLostError: it does not, or did not get its last renewal through in time.
        """
        if not self.leads:
            where, held = f"{self._namespace}/{self._name}", "is not this process's"
            if self._seen is not None and self._seen.lease.holder == self._identity:
                held = "was not renewed in time"
            raise LeadershipLostError(f"the Lease {where} {held}")

    async def acquire(self) -> None:
        """Return once this process leads; an API server that does not answer is asked again."""
        while not await self._try():  # noqa: ASYNC110  # what is waited for gives no signal
            await asyncio.sleep(RETRY_S)
        _log.info("leads", lease=f"{self._namespace}/{self._name}", identity=self._identity)

    async def confirm(self) -> None:
        """Go on only where the Lease is this process's still, by a renewal that is sent now.

        What others have seen before must not let them make a Lease that somebody has deleted under this process.

        Raises:
            LeadershipLostError: it is not, or the renewal did not come through in time.
        """
        while not await self._try():
            if self._is_another_ones():
                self._valid_until_s = -math.inf
            self.check()
            await asyncio.sleep(RETRY_S)

    async def hold(self) -> None:
        """Renew until that has not come through in time, or another one has the Lease: return then, at once."""
        while True:
            await asyncio.sleep(min(RETRY_S, max(0.0, self._valid_until_s - self._clock_s())))
            left_s = self._valid_until_s - self._clock_s()
            if left_s <= 0:
                _log.error("the Lease was not renewed in time", lease=f"{self._namespace}/{self._name}")
                return
            try:
                async with asyncio.timeout(left_s):
                    renewed = await self._try()
            except TimeoutError:
                continue
            if not renewed and self._is_another_ones():
                self._valid_until_s = -math.inf
                _log.error("another process has the Lease", holder=self._seen.lease.holder if self._seen else "")
                return

    async def release(self) -> None:
        """Let go, so that another one need not wait; whatever fails then, it expires."""
        if not self.leads or self._seen is None:
            return
        self._valid_until_s = -math.inf  # nothing is written from here on
        try:
            async with asyncio.timeout(RETRY_S):
                await self._client.replace(LEASE, self._manifest(self._seen.lease, holder=""))
        except (OperatorError, AbsentError, TimeoutError) as error:
            _log.warning("the Lease could not be released: it expires", error=str(error))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.close()

    async def _try(self) -> bool:
        """Look, and take or renew the Lease where that is due; whether it is ours now."""
        async with self._asking:
            return await self._ask()

    async def _ask(self) -> bool:
        try:
            seen = await self._look()
            step = next_step(seen, self._identity, self._clock_s(), leads=self.leads)
            if step is Step.WAIT and not seen.lease.version and await self._is_new():
                step = Step.CREATE
            if step is Step.WAIT:
                self._say("stands by", holder=seen.lease.holder)
                return False
            sent_s = self._clock_s()
            if step is Step.TAKE:
                answer = await self._client.replace(LEASE, self._manifest(seen.lease, holder=self._identity))
            else:
                answer = await self._client.create(LEASE, self._manifest(None, holder=self._identity))
        except (ConflictError, AbsentError):
            return False  # somebody was faster, or took it away: looked at again
        except OperatorError as error:
            self._say("the Lease cannot be asked for", error=str(error))
            return False
        self._seen = Seen(_read(answer), sent_s)
        self._valid_until_s = valid_until(sent_s)
        return True

    async def _look(self) -> Seen:
        found = await self._client.get(LEASE, self._namespace, self._name)
        self._seen = note(self._seen, None if found is None else _read(found), self._clock_s())
        return self._seen

    def _is_another_ones(self) -> bool:
        return self._seen is not None and self._seen.lease.holder not in {"", self._identity}

    def _say(self, event: str, **details: str) -> None:
        said = f"{event} {details}"
        if said != self._said:  # once, not every two seconds
            self._said = said
            say = _log.warning if "error" in details else _log.info
            say(event, lease=f"{self._namespace}/{self._name}", **details)

    def _manifest(self, before: Lease | None, *, holder: str) -> Manifest:
        # For people: nobody goes by it.
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        changed = before is None or before.holder != holder
        metadata: dict[str, Any] = {"name": self._name, "namespace": self._namespace}
        if before is not None:
            metadata["resourceVersion"] = before.version
        spec: dict[str, Any] = {
            "holderIdentity": holder,
            "leaseDurationSeconds": DURATION_S,
            "acquireTime": now if before is None or changed else before.acquired or now,
            "renewTime": now,
            "leaseTransitions": (before.transitions if before else 0) + (changed and bool(holder)),
        }
        return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec}


def _read(found: Manifest) -> Lease:
    spec = found.get("spec") or {}
    return Lease(
        holder=str(spec.get("holderIdentity") or ""),
        duration_s=int(spec.get("leaseDurationSeconds") or DURATION_S),
        version=str(found["metadata"]["resourceVersion"]),
        transitions=int(spec.get("leaseTransitions") or 0),
        acquired=str(spec.get("acquireTime") or ""),
    )
