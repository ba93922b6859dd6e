"""How good was it? The governed loop's accuracy over time, beside the same model in a plain loop over the same order.

Reads the decisions of the run (JSON lines) from the file that ``STREAMWARDEN_RUN`` names, and prints JSON.
"""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

from page_guard import new_model
from pages import LABEL_DELAY_PAGES, PAGES, Row, read_rows

AGENT = "web/page-guard"
WINDOW_PAGES = 125


def plain_loop(rows: list[Row]) -> set[str]:
    """Return the pages that the model calls phishing when it sees and learns everything in order, without Kafka."""
    model = new_model()
    called: set[str] = set()
    for number, row in enumerate(rows):
        if number >= LABEL_DELAY_PAGES:
            known = rows[number - LABEL_DELAY_PAGES]
            model.learn_one(known.features, known.phishing)
        if model.predict_proba_one(row.features)[True] > 0.5:  # noqa: PLR2004  # as the agent does
            called.add(row.page)
    return called


def accuracy(rows: list[Row], called: set[str]) -> float | None:
    """Return the share of pages that were called what they are; None without pages."""
    return round(sum((row.page in called) == row.phishing for row in rows) / len(rows), 4) if rows else None


def false_alarms(rows: list[Row], called: set[str]) -> int:
    """Count the legitimate pages that were called phishing."""
    return sum(row.page in called and not row.phishing for row in rows)


def missed(rows: list[Row], called: set[str]) -> int:
    """Count the phishing pages that were not called so."""
    return sum(row.phishing and row.page not in called for row in rows)


def right_blocks(rows: list[Row], called: set[str]) -> float | None:
    """Return the share of the pages called phishing that are; None where none was called so."""
    pages = [row for row in rows if row.page in called]
    return round(sum(row.phishing for row in pages) / len(pages), 4) if pages else None


def each(measure: Callable, rows: list[Row], called: dict[str, set[str]]) -> dict:
    return {who: measure(rows, pages) for who, pages in called.items()}


def score(rows: list[Row], decisions: list[dict]) -> dict:
    """Compare what the agent proposed, what its gate let through, and what a plain loop would have called phishing."""
    proposals = [decision for decision in decisions if decision["agent"] == AGENT]
    called = {
        "proposed": {decision["entity"] for decision in proposals},
        "commanded": {decision["entity"] for decision in proposals if decision["verdict"] == "Allow"},
        "plain": plain_loop(rows),
    }
    windows = [rows[start : start + WINDOW_PAGES] for start in range(0, len(rows), WINDOW_PAGES)]
    return {
        "window_pages": WINDOW_PAGES,
        "label_delay_pages": LABEL_DELAY_PAGES,
        "windows": [
            {"from": window[0].page, "to": window[-1].page} | each(accuracy, window, called) for window in windows
        ],
        "overall": each(accuracy, rows, called),
        "false_alarms": each(false_alarms, rows, called),
        "missed": each(missed, rows, called),
        "right_blocks": each(right_blocks, rows, called),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=PAGES, help="how many pages the producer replayed")
    rows = read_rows(parser.parse_args().pages)
    lines = Path(os.environ["STREAMWARDEN_RUN"]).read_text().splitlines()
    print(json.dumps({"accuracy": score(rows, [json.loads(line) for line in lines])}))


if __name__ == "__main__":
    main()
