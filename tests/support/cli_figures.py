"""What an auditor of a loop would read: audit records, as far as a run's figures look at them."""

from typing import cast

from streamwarden_contract.audit import AuditRecord

COMMANDS = frozenset({"risk.blocks"})


def audited(
    verdict: str = "Allow",
    *,
    agent: str = "guard",
    command: str | None = "c1",
    topic: str = "risk.blocks",
    rule: str | None = None,
    would_deny: tuple[str, ...] = (),
    dead_letter: str | None = None,
    at_ms: int = 1_000,
    message: str = "Handle failed 3 times: ValueError: my own bug (pages.py:12 in judge)",
) -> AuditRecord:
    return cast(
        "AuditRecord",
        {
            "namespace": "risk",
            "agent": agent,
            "verdict": verdict,
            "reason": "RulesHold",
            "rule": rule,
            "deadLetter": dead_letter,
            "wouldDeny": [{"policy": "risk/p@1", "rule": name, "reason": "RuleNotSatisfied"} for name in would_deny],
            "command": {"id": command, "topic": topic} if verdict == "Allow" else None,
            "decision": {"type": "block", "entity": "e1", "timestamp": at_ms},
            "cause": {"topic": "risk.pages", "partition": 2, "offset": 7},
            "message": message,
            "confidence": 0.9,
        },
    )
