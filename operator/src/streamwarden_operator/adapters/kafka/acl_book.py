"""What is known of a cluster's ACLs: the last listing, with what was applied since."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamwarden_operator.desired.acl_index import AclIndex
from streamwarden_operator.ports import Acl, AclPlan

Listed = Callable[[frozenset[Acl], float], None]
"""Takes in a listing, and when it began."""


class AclBook:
    """Keeps them, and what others have changed. One listing at a time; all calls from one event loop."""

    def __init__(self) -> None:
        self.acls = AclIndex()
        self._begun_s: float | None = None
        self._doubted = False
        self._under_way: list[frozenset[Acl]] = []
        """What changes of ours concern that are not finished."""
        self._own: set[Acl] | None = None
        """What changes of ours concern that were under way during the listing that runs: it may show them, or not."""
        self._news: set[Acl] = set()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever listed."""
        return self._begun_s is None

    def is_younger_than(self, longest_s: float, now_s: float) -> bool:
        """Tell whether the last listing is, and nothing has failed since of which nobody knows what became of it."""
        return self._begun_s is not None and not self._doubted and now_s - self._begun_s < longest_s

    def take_news(self) -> frozenset[Acl]:
        """Return what others have made or taken away since the last call."""
        news, self._news = frozenset(self._news), set()
        return news

    @contextmanager
    def changing(self, plan: AclPlan) -> Iterator[None]:
        """Note a change of ours that is made meanwhile; one that fails makes what is known doubtful."""
        concerned = plan.remove | plan.add
        self._under_way.append(concerned)
        if self._own is not None:
            self._own |= concerned
        try:
            yield
        except BaseException:
            self._doubted = True
            raise
        finally:
            self._under_way.remove(concerned)
        for acl in plan.remove - plan.add:
            self.acls.discard(acl)
        for acl in plan.add:
            self.acls.add(acl)

    @contextmanager
    def listing(self) -> Iterator[Listed]:
        """Note that a listing begins; it is taken in by what is returned."""
        self._own = set().union(*self._under_way)
        doubted, self._doubted = self._doubted, False  # what fails from now on makes the listing doubtful, too
        try:
            yield self._take_in
            doubted = False
        finally:
            self._own = None
            self._doubted = self._doubted or doubted

    def _take_in(self, listed: frozenset[Acl], begun_s: float) -> None:
        own = self._own or set()
        come, gone = self.acls.differences(listed)
        come, gone = come - own, gone - own
        if self._begun_s is not None:
            self._news |= come | gone
        elif own:
            self._doubted = True  # there is nothing to say of them, but what the next listing shows
        for acl in gone:
            self.acls.discard(acl)
        for acl in come:
            self.acls.add(acl)
        self._begun_s = begun_s
