"""What tells one version of this package's code from another: the bytes that its modules are loaded from, wherever these are."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

PACKAGE = str(__package__).partition(".")[0]
HERE = Path(__file__).parent.name + "/" + Path(__file__).stem


def package_code(package: Path) -> Iterator[bytes]:
    """Yield names and contents of all modules of this package; OSError if it can't be told of which version they are.

    Modules are sources or, without these, compiled (.pyc), in a folder or in a zip file. Where they can be loaded and not read,
    the installed distribution's list of its files, which has their hashes, stands for them.
    """
    try:
        found = [*_modules(files(PACKAGE), "")]
        if not any(name in (f"{HERE}.py", f"{HERE}.pyc") for name, _ in found):
            raise FileNotFoundError(f"there are no modules in {package}")
        for name, content in found:
            yield name.encode() + b"\0" + content + b"\0"
    except Exception as error:  # each kind of loader and archive raises something else
        record = _record(package)
        if record is None:
            raise OSError(f"the package's own code can't be read, so that an update could not be told: {error}") from None
        yield record


def _modules(folder: Any, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Yield (place, content) of the modules below a folder."""
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            if item.name != "__pycache__":
                yield from _modules(item, f"{prefix}{item.name}/")
        elif item.name.endswith((".py", ".pyc")):
            yield prefix + item.name, _content(item)


def _content(item: Any) -> bytes:
    """Return a module's bytes, or where its source can't be read, those that it is loaded from instead."""
    try:
        return item.read_bytes()
    except PermissionError:
        return Path(importlib.util.cache_from_source(str(item))).read_bytes()


def _record(package: Path) -> bytes | None:
    """Return the list of files, with their hashes, of the distribution that this package was installed by, if there is one."""
    from importlib import metadata

    try:
        distribution = metadata.distribution(PACKAGE)
        text = distribution.read_text("RECORD") or ""
        place = Path(str(distribution.locate_file(PACKAGE))).resolve()
    except metadata.PackageNotFoundError:
        return None
    return text.encode() if place == package and f"{PACKAGE}/{HERE}.py,sha256=" in text else None
