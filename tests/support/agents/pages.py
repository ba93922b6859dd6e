"""An agent for integration tests: one decision for each page, and a memory of the labels."""

import asyncio

from pydantic import BaseModel
from streamwarden import Agent, Decision, Event

agent = Agent()
labels: dict[str, int] = {}


class Page(BaseModel):
    number: int
    poison: bool = False
    slow_s: float = 0


@agent.on_event("page.observed")
async def judge(page: Page, event: Event) -> Decision:
    if page.poison:
        raise RuntimeError("cannot judge this one")
    if page.slow_s:
        await asyncio.sleep(page.slow_s)
    known = labels.get(event.entity or "", 0)
    return Decision("block-page", parameters={"number": page.number, "labels": known}, confidence=0.9)


@agent.on_event("page.labelled", replay=True)
def learn(_label: dict[str, object], event: Event) -> None:
    labels[event.entity or ""] = labels.get(event.entity or "", 0) + 1
