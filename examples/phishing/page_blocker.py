"""Execution agent: carries out block-page commands on a blocklist, and reports what came of each."""

import os

from pydantic import BaseModel
from streamwarden import Agent, Decision, Event

agent = Agent()
capacity = int(os.environ.get("BLOCKLIST_CAPACITY", "100000"))
blocklist: dict[str, str] = {}  # page -> id of the command that put it there


class BlockPage(BaseModel):
    page: str


@agent.on_event("block-page", replay=True)  # the list is in memory: at start it is made again from the commands
def block(command: BlockPage, event: Event) -> Decision:
    """Block a page. Blocking twice, for a repeated command or another one, changes nothing and succeeds."""
    result = {"page": command.page, "command": event.id}
    if command.page not in blocklist and len(blocklist) >= capacity:
        return Decision("page.block-failed", parameters=result | {"error": f"the list is full ({capacity} pages)"})
    blocklist.setdefault(command.page, event.id)
    return Decision("page.blocked", parameters=result)
