"""Judges by AGT's rules in a Python of its own (``engines.py`` starts it there), and prints microseconds as JSON."""

from __future__ import annotations

import json
import sys
import time

from agent_os.policies.evaluator import PolicyEvaluator  # type: ignore[import-not-found]  # installed for it alone
from agent_os.policies.schema import PolicyDocument  # type: ignore[import-not-found]  # likewise


def main() -> None:
    """Read rules, contexts and the number of rounds from standard input."""
    given = json.load(sys.stdin)
    evaluator = PolicyEvaluator([PolicyDocument.model_validate(given["policy"])])
    found: list[float] = []
    for _ in range(given["rounds"]):
        for context in given["contexts"]:
            began = time.perf_counter_ns()
            decision = evaluator.evaluate(context)
            found.append((time.perf_counter_ns() - began) / 1_000)
            if not decision.allowed:
                sys.exit(f"denied by {decision.matched_rule}")
    if evaluator.evaluate({**given["contexts"][0], "confidence": 0.05}).allowed:
        sys.exit("what must be denied is allowed")
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
