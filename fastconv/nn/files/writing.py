"""Files that a training writes while it runs: that one can't be written doesn't end it, and is an error only at its end."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from ...messages.warn import warn


class NotWritten(OSError):
    """A training is done, but its last state couldn't be written to a file; `model.history` has the figures of all epochs."""


class Writing:
    """One file, and whether what was last to be written there is in it.

    `reason` says why not, None if it is. A warning says so at the first failure in a row, after calling `before_warning`, if given.
    """

    def __init__(self, operation: str, path: Path, before_warning: Callable[[], object] | None = None):
        self._operation, self._path, self._before_warning = operation, path, before_warning
        self._errno = errno.EIO
        self.reason: str | None = None

    def attempt(self, write: Callable[[], object]) -> bool:
        """Call a function that writes the file, and return whether it could."""
        try:
            write()
        except (OSError, MemoryError) as error:
            self._fail(error)
            return False
        self.reason = None
        return True

    def _fail(self, error: OSError | MemoryError) -> None:
        known = self.reason is not None
        said = getattr(error, "strerror", None) or str(error) or "there is no memory for it"
        self.reason = said.rpartition("the file can't be written: ")[2]
        self._errno = getattr(error, "errno", None) or errno.ENOMEM
        if not known:
            if self._before_warning is not None:
                self._before_warning()
            warn(f"{self._operation}: {self._path} can't be written, so it stays as it is: {self.reason}", RuntimeWarning)

    def finish(self) -> None:
        """Raise NotWritten if what was last to be written isn't in the file."""
        if self.reason is not None:
            text = f"{self._operation}: the training is done, and in model.history, but its last state couldn't be written"
            raise NotWritten(self._errno, f"{text}: {self.reason}", str(self._path))
