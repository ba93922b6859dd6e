"""What of a client's settings is secret, and how it is kept out of tracebacks, logs and errors."""

import re
from collections.abc import Mapping
from typing import SupportsIndex

from typing_extensions import override

_HIDDEN = "***"

_HARMLESS = frozenset(
    {
        "sasl.mechanism",
        "sasl.mechanisms",
        "sasl.username",
        "sasl.kerberos.principal",
        "sasl.kerberos.service.name",
        "sasl.oauthbearer.client.id",
        "sasl.oauthbearer.method",
        "sasl.oauthbearer.scope",
    }
)
"""Of ``sasl.*``, what may be shown; all else there is taken for a secret, also what a later librdkafka adds."""
_TELLING = re.compile(r"password|passphrase|secret|\.key\.pem$")
_SEPARATOR = re.compile(r"[:=]")
_SHORTEST = 4
"""A shorter value would be found in words that have nothing to do with it."""


class Secret(str):
    """A text that no traceback shows: its ``repr`` hides it, and so does that of its beginning.

    It is a ``str``, so that settings stay wrapped until librdkafka itself reads them; ``str()`` and formatting give the
    text. What is made of it (parts, concatenations) is plain text again and must be wrapped anew.
    """

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        return repr(_HIDDEN)

    @override
    def __getitem__(self, key: SupportsIndex | slice, /) -> "Secret":
        return Secret(super().__getitem__(key))  # what shortens long values does so before it asks for their repr


def is_secret(name: str) -> bool:
    """Tell whether the setting of that name may hold a secret."""
    return (name.startswith("sasl.") and name not in _HARMLESS) or _TELLING.search(name) is not None


def wrap_secrets(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings with those values wrapped that may be secret, and no others."""
    return {name: Secret(value) if is_secret(name) else str(value) for name, value in settings.items()}


def redact(text: str, secrets: Mapping[str, str]) -> str:
    """Return a text of librdkafka without any secret.

    Args:
        text: a log line or an error's text.
        secrets: the secret settings of who says it, by name. Values of less than four characters are left alone.

    Returns:
        The text without these values, and without what follows the name of such a setting and a colon or an equals
        sign: librdkafka repeats parts of some settings (``sasl.oauthbearer.config beginning at: ...``).
    """
    for value in sorted(secrets.values(), key=len, reverse=True):  # one may be part of another
        if len(value) >= _SHORTEST:
            text = text.replace(value, _HIDDEN)
    for name in secrets:
        before, _, after = text.partition(name)
        if separator := _SEPARATOR.search(after):
            text = f"{before}{name}{after[: separator.end()]} {_HIDDEN}"
    return text
