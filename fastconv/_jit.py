"""The one way fastconv compiles: `jit`, with its options and its own disk cache.

numba's cache stamps a compiled function with its own source file only, so an edit in simd.py would leave stale machine code
behind every kernel that uses it. Here the cache folder's name carries a hash of all of fastconv's sources and of the versions
of Python, numba and llvmlite. One file an overload, named by its signature and CPU, checksummed, written by atomic rename.
Nothing of numba's configuration is touched.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba import cloudpickle
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

PACKAGE = Path(__file__).resolve().parent
STAMP_PATTERN = "[0-9a-f]" * 20


def jit(function: Callable) -> Any:
    """Compile a kernel lazily: no Python objects, no GIL, IEEE division, fused multiply-add allowed, nothing else relaxed."""
    if function.__closure__:
        # numba names compiled code by this name, the argument types and a count that starts anew in every process. Two closures
        # from the disk cache could have one name, and then a kernel that calls one of them may be linked to the other.
        function.__qualname__ += f".{hashlib.sha256(repr(_identity(function)).encode()).hexdigest()[:16]}"
    dispatcher = numba.njit(nogil=True, error_model="numpy", fastmath={"contract"})(function)
    directory = cache_directory()
    if directory is not None:
        dispatcher._cache = _KernelCache(function, directory)
    return dispatcher


def cache_root() -> Path:
    """Return where compiled kernels are kept: FASTCONV_CACHE_DIR, else `fastconv` in the user's cache directory."""
    chosen = os.environ.get("FASTCONV_CACHE_DIR")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(chosen or f"{base}/fastconv").expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(f"the user has no home directory to keep compiled kernels in ({error})") from None


@cache
def cache_stamp() -> str:
    """Return a hash of fastconv's sources and of the versions and options that compiled code depends on."""
    options = (numba.config.OPT, numba.config.BOUNDSCHECK)
    digest = hashlib.sha256(repr((sys.version, numba.__version__, llvmlite.__version__, options)).encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:20]


@cache
def cache_directory() -> Path | None:
    """Return this version's cache folder, made private to the user, or None (with one warning) where there can't be one."""
    try:
        root = cache_root()
        directory = root / cache_stamp()
        for folder in (root, directory):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_foreign(folder)
        with tempfile.TemporaryFile(dir=directory):
            return directory
    except OSError as error:
        warnings.warn(
            f"fastconv keeps no compiled kernels on disk, so every process compiles anew: {error}. "
            f"Set FASTCONV_CACHE_DIR to a folder of yours that can be written.",
            RuntimeWarning,
            stacklevel=2,
        )
        return None


def clear_cache() -> int:
    """Delete the compiled kernels of all versions; return how many files."""
    root, count = cache_root(), 0
    for directory in root.glob(STAMP_PATTERN):
        for path in directory.iterdir():
            path.unlink(missing_ok=True)
            count += 1
        directory.rmdir()
    return count


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder that others may write: compiled code is loaded from it."""
    if os.name == "nt":
        return
    status = folder.stat()
    if status.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{folder} can be written by other users")


def _identity(function: Callable) -> tuple:
    """Return what tells a function from all others of these sources: its place, and the values that it closes over."""
    code = function.__code__
    path = Path(code.co_filename).resolve()
    place = path.relative_to(PACKAGE) if path.is_relative_to(PACKAGE) else path
    values = [cell.cell_contents for cell in function.__closure__ or ()]
    return str(place), code.co_firstlineno, [_identity(v.py_func) if hasattr(v, "py_func") else v for v in values]


class _KernelCache(_Cache):
    """numba's cache interface for one function: a checksummed file for each signature and CPU."""

    def __init__(self, function: Callable, directory: Path):
        self._function, self._directory = function, directory

    @property
    def cache_path(self) -> str:
        return str(self._directory)

    def _path(self, signature: object, codegen: Any) -> Path:
        key = repr((_identity(self._function), signature, codegen.magic_tuple()))
        name = f"{Path(self._function.__code__.co_filename).stem}.{self._function.__name__}"
        return self._directory / f"{name}.{hashlib.sha256(key.encode()).hexdigest()[:24]}"

    def load_overload(self, sig: object, target_context: Any) -> Any:
        target_context.refresh()
        try:
            content = self._path(sig, target_context.codegen()).read_bytes()
            if hashlib.sha256(content[32:]).digest() != content[:32]:
                return None
            return CompileResult._rebuild(target_context, *cloudpickle.loads(content[32:]))
        except OSError:
            return None

    def save_overload(self, sig: object, data: Any) -> None:
        if any(not lifted.can_cache for lifted in data.lifted) or data.library.has_dynamic_globals:
            return
        content = dumps(data._reduce())
        path = self._path(sig, data.codegen)
        try:
            handle, temporary = tempfile.mkstemp(dir=self._directory)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(hashlib.sha256(content).digest() + content)
                os.replace(temporary, path)
            except BaseException:  # raised again: only half a file is taken away
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            warnings.warn(f"fastconv could not keep a compiled kernel: {error}", RuntimeWarning, stacklevel=2)

    def enable(self) -> None:
        pass

    def disable(self) -> None:
        pass

    def flush(self) -> None:
        pass
