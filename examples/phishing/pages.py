"""The data set: 1,250 real web pages, nine measurements each, and whether it was phishing.

It travels inside the package ``river``. Source: N. Abdelhamid, A. Ayesh, F. Thabtah, "Phishing detection based
associative classification data mining", 2014.
"""

from typing import NamedTuple

from river.datasets import Phishing

PAGES = 1250
LABEL_DELAY_PAGES = 50
"""An analyst's label comes when this many later pages have been observed."""


class Row(NamedTuple):
    page: str
    features: dict[str, float]
    phishing: bool


def read_rows(count: int) -> list[Row]:
    """Return the first ``count`` pages in the data set's order."""
    return [
        Row(f"page-{number:04}", {name: float(value) for name, value in features.items()}, phishing)
        for number, (features, phishing) in enumerate(Phishing().take(count), start=1)
    ]
