"""The one way fastconv compiles: `jit`, with its options and its own disk cache.

numba's cache stamps a compiled function with its own source file only, so an edit in vector.py would leave stale machine code
behind every kernel that uses it. Here the cache folder's name carries a hash of all of fastconv's code and of the versions
of Python, numba and llvmlite. One file an overload, named by its function, signature and CPU, with a checksum of these and of
its content, written by atomic rename. Nothing of numba's configuration is touched.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import sys
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba import cloudpickle
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from ..files.replace import remove_left_over, replacing
from ..messages.waiting import waited_for
from .stamp import package_code

PACKAGE = Path(__file__).resolve().parent.parent
"""The package's folder; it may be in a zip file."""
STAMP = re.compile("[0-9a-f]{20}")
NO_CACHE = "fastconv keeps no compiled kernels on disk, so every process compiles anew"


def jit(function: Callable) -> Any:
    """Compile a kernel lazily: no Python objects, no GIL, IEEE division, fused multiply-add allowed, nothing else relaxed."""
    dispatcher = _compiled(function)
    directory = cache_directory()
    if directory is not None:
        dispatcher._cache = _KernelCache(function, directory)
    dispatcher.compile = waited_for(dispatcher.compile)
    return dispatcher


def inlined(function: Callable) -> Any:
    """Compile a part of kernels, which becomes part of each that calls or closes over it; so it may take and return register tiles.

    It costs a kernel nothing (LLVM joins the two before it gives out registers), and is kept on disk with the kernel only.
    """
    return _compiled(function, inline="always")


def _compiled(function: Callable, **options: Any) -> Any:
    if function.__closure__:
        # numba names compiled code by this name, the argument types and a count that starts anew in every process. Two closures
        # from the disk cache could have one name, and then a kernel that calls one of them may be linked to the other.
        function.__qualname__ += f".{hashlib.sha256(repr(_identity(function)).encode()).hexdigest()[:16]}"
    return numba.njit(nogil=True, error_model="numpy", fastmath={"contract"}, _nrt=False, **options)(function)


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
        return Path(chosen or f"{base}/fastconv").expanduser().absolute()
    except RuntimeError as error:
        raise FileNotFoundError(f"the user has no home directory to keep compiled kernels in ({error})") from None


@cache
def cache_stamp() -> str:
    """Return a hash of our code and of the versions and options that compiled code depends on; OSError if it can't be read."""
    options = (numba.config.OPT, numba.config.BOUNDSCHECK)
    digest = hashlib.sha256(repr((sys.version, numba.__version__, llvmlite.__version__, options)).encode())
    for part in package_code(PACKAGE):
        digest.update(part)
    return digest.hexdigest()[:20]


@cache
def cache_directory() -> Path | None:
    """Return this version's cache folder, made private to the user, or None (with one warning) where there can't be one."""
    try:
        stamp = cache_stamp()
    except OSError as error:
        warnings.warn(f"{NO_CACHE}: {error}", RuntimeWarning, stacklevel=2)
        return None
    try:
        directory = cache_root() / stamp
        _make_private(directory)
        remove_left_over(directory)
        return directory
    except OSError as error:
        text = f"{NO_CACHE}: {error}. Set FASTCONV_CACHE_DIR to a folder of yours that can be written."
        warnings.warn(text, RuntimeWarning, stacklevel=2)
        return None


def cached_sizes() -> list[int]:
    """Return how many bytes each file of the compiled kernels of all versions has."""
    sizes = []
    for found in _version_folders():
        for folder, _, names in os.walk(found):
            for name in names:
                with suppress(FileNotFoundError):  # another process may delete them
                    sizes.append(os.lstat(os.path.join(folder, name)).st_size)
    return sizes


def clear_cache() -> int:
    """Delete the compiled kernels of all versions; return how many files. Other processes may do so at the same time.

    Raises
    ------
    OSError
        If some can't be deleted, after all others have been; it says how many are left.
    """
    errors: list[OSError] = []
    count = sum(_delete(found, errors) for found in _version_folders())
    if errors:
        raise OSError(f"cache: {count} files deleted in {cache_root()}, but {len(errors)} can't be, one of them: {errors[0]}")
    return count


def _version_folders() -> list[Path]:
    """Return what has the name of a version's folder in the cache's."""
    root = cache_root()
    try:
        return [root / name for name in os.listdir(root) if STAMP.fullmatch(name)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _delete(path: Path, errors: list[OSError]) -> int:
    """Delete a file, a link, or a folder with all that is in it; add what can't be deleted to the errors; return how many files."""
    try:
        if path.is_symlink() or not path.is_dir():
            path.unlink()
            return 1
        count = sum(_delete(path / name, errors) for name in os.listdir(path))
    except FileNotFoundError:  # another process was faster
        return 0
    except OSError as error:
        errors.append(error)
        return 0
    try:
        path.rmdir()
    except OSError as error:  # another process may have been faster, or have written a new file
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
            errors.append(error)
    return count


def _make_private(directory: Path) -> None:
    """Make a version's folder in the cache's, private to the user, unless they are there; OSError if they can't be used."""
    for folder in (directory.parent, directory):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_foreign(folder)
    try:
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(directory)) from None


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
    code, module = function.__code__, function.__module__ or ""
    place = module if module.partition(".")[0] == PACKAGE.name else str(Path(code.co_filename).resolve())
    values = [cell.cell_contents for cell in function.__closure__ or ()]
    return place, code.co_firstlineno, [_identity(v.py_func) if hasattr(v, "py_func") else v for v in values]


def _write(path: Path, content: bytes) -> None:
    with replacing(path, private=True, durable=False) as file:
        file.write(content)


def _warn_once(text: str) -> None:
    """Warn that a kernel isn't kept, and not of every further one."""
    if not _warned:
        _warned.append(text)
        warnings.warn(text, RuntimeWarning, stacklevel=3)


_warned: list[str] = []


class _KernelCache(_Cache):
    """numba's cache interface for one function: a checksummed file for each signature and CPU."""

    def __init__(self, function: Callable, directory: Path):
        self._function, self._directory = function, directory

    @property
    def cache_path(self) -> str:
        return str(self._directory)

    def _file(self, signature: object, codegen: Any) -> tuple[Path, bytes]:
        """Return where an overload is kept, and what its checksum begins with, so that no other one's file is taken for it."""
        key = repr((self._directory.name, _identity(self._function), signature, codegen.magic_tuple())).encode()
        name = f"{Path(self._function.__code__.co_filename).stem}.{self._function.__name__}"
        return self._directory / f"{name}.{hashlib.sha256(key).hexdigest()[:24]}", key

    def load_overload(self, sig: object, target_context: Any) -> Any:
        target_context.refresh()
        path, key = self._file(sig, target_context.codegen())
        try:
            content = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(key + b"\0" + content[32:]).digest() != content[:32]:
            return None
        return CompileResult._rebuild(target_context, *cloudpickle.loads(content[32:]))

    def save_overload(self, sig: object, data: Any) -> None:
        if any(not lifted.can_cache for lifted in data.lifted) or data.library.has_dynamic_globals:
            return
        content = dumps(data._reduce())
        path, key = self._file(sig, data.codegen)
        content = hashlib.sha256(key + b"\0" + content).digest() + content
        try:
            try:
                _write(path, content)
            except FileNotFoundError:  # somebody has cleared the cache
                _make_private(self._directory)
                _write(path, content)
        except OSError as error:
            _warn_once(f"fastconv could not keep a compiled kernel: {error.strerror or error} (in {self._directory})")

    def enable(self) -> None:
        pass

    def disable(self) -> None:
        pass

    def flush(self) -> None:
        pass
