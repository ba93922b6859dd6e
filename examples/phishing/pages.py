"""The data set: 1,250 real web pages, nine measurements each, and whether it was phishing.

It travels inside the package ``river``. Source: N. Abdelhamid, A. Ayesh, F. Thabtah, "Phishing detection based
associative classification data mining", 2014.
"""

import csv
import gzip
from importlib.resources import files
from typing import NamedTuple

PAGES = 1250
LABEL_DELAY_PAGES = 50
"""An analyst's label comes when this many later pages have been observed."""


class Row(NamedTuple):
    page: str
    features: dict[str, float]
    phishing: bool


def read_rows(count: int) -> list[Row]:
    """Return the first ``count`` pages in the data set's order."""
    # The file itself: ``river.datasets`` imports SciPy, for seconds in which a producer writes nothing.
    file = files("river").joinpath("datasets", "phishing.csv.gz")
    with file.open("rb") as packed, gzip.open(packed, "rt", encoding="utf-8", newline="") as lines:
        rows = zip(range(1, count + 1), csv.DictReader(lines), strict=False)
        return [_row(number, columns) for number, columns in rows]


def _row(number: int, columns: dict[str, str]) -> Row:
    phishing = columns.pop("is_phishing") == "1"
    return Row(f"page-{number:04}", {name: float(value) for name, value in columns.items()}, phishing)
