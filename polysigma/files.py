"""Files that are written: with the reason where one cannot be, and whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from polysigma.diagnostics import Diagnostic, PolysigmaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Makes of what the system says of a file or folder that cannot be written a PolysigmaError that names it."""
    try:
        yield
    except OSError as error:
        message = f"cannot be written: {error.strerror}"
        raise PolysigmaError(Diagnostic("unwritable", message, None, str(path))) from None


def write_whole(path: Path, text: str, check: Callable[[str], object] | None = None) -> None:
    """Writes a file whole or not at all: what it held stays until the new text is there.

    `check` is called with the path of a file that holds the text, before it takes the other's place; what it raises is
    raised. Raises PolysigmaError where the file cannot be written.
    """
    with writing(path):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".polysigma-", suffix=path.suffix)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            if check is not None:
                check(temporary)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
