"""References of a JSON Schema into itself: by a fragment alone, or by its own ``$id``."""

from urllib.parse import urldefrag, urljoin


def fragment_inside(reference: str, identifier: object) -> str | None:
    """Return the fragment of a reference that points into its own schema, with its ``#``; None where it points outside.

    Args:
        reference: as the schema writes it.
        identifier: the ``$id`` of the whole schema; None where it has none.
    """
    if reference.startswith("#"):
        return reference
    if not isinstance(identifier, str) or not identifier:
        return None
    try:
        document, fragment = urldefrag(urljoin(identifier, reference))
    except ValueError:
        return None  # no URI at all
    return f"#{fragment}" if document == urldefrag(identifier).url else None
