"""Where in an author's program something went wrong."""

import inspect
import sys
import sysconfig
from types import CodeType, TracebackType

_OTHERS = (*(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")), "<")
"""Where code begins that the author has not written: the library, what is installed, and what has no file."""


def find_place(error: BaseException, function: object) -> str | None:
    """Return file, line and function of the author's innermost code that ``error`` went through.

    Args:
        error: what was raised, with its traceback.
        function: the handler: where it begins is the place of what it returned.
    """
    code, found = _code_of(function), None
    step: TracebackType | None = error.__traceback__
    while step is not None:
        if _is_authors(step.tb_frame.f_code, code):
            found = step
        step = step.tb_next
    if found is not None:
        return _place(found.tb_frame.f_code, found.tb_lineno)
    return None if code is None else _place(code, code.co_firstlineno)


def _code_of(function: object) -> CodeType | None:
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _is_authors(code: CodeType, handler: CodeType | None) -> bool:
    if handler is not None and code.co_filename == handler.co_filename:
        return True
    return not code.co_filename.startswith((*_OTHERS, _OURS))


_OURS = __file__.removesuffix("core/places.py")


def _place(code: CodeType, line: int) -> str:
    """Write a file as it is imported, without the folder that it is in on this machine."""
    roots = [root for root in sys.path if root and code.co_filename.startswith(f"{root.rstrip('/')}/")]
    longest = max(roots, key=len, default="")
    file = code.co_filename[len(longest) :].lstrip("/") if longest else code.co_filename.rpartition("/")[2]
    return f"{file}:{line} in {code.co_qualname}"
