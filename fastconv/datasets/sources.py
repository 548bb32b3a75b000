"""Where a dataset's files may lie, and the one download, with its hash, when they lie nowhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..files.paths import as_path


def user_cache() -> str:
    """Return the user's cache directory for downloaded data, perhaps with ~ for the home directory."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return os.path.join(base, "fastconv", "datasets")


def _expand(*places: str) -> list[Path]:
    """Return the places with the home directory filled in, without those below it where the user has none."""
    expanded = []
    for place in places:
        with suppress(RuntimeError):
            expanded.append(Path(place).expanduser())
    return expanded


def find_files(
    operation: str,
    dataset: str,
    hashes: dict[str, str],
    path: str | os.PathLike[str] | None,
    system_places: tuple[str, ...],
    base_url: str,
    find: Callable[[Path, str], Path | None] = lambda folder, name: folder / name if (folder / name).is_file() else None,
) -> dict[str, Path]:
    """Return where each of a dataset's files is, downloading those that are nowhere.

    Parameters
    ----------
    operation, dataset : str
        The function that asks, and the dataset's folder name.
    hashes : dict
        SHA-256 of each file, by name.
    path : path, optional
        The only folder to look in, if given.
    system_places : tuple of str
        Folders where other packages keep the dataset.
    base_url : str
        HTTPS address that the file names are added to.
    find : function
        Returns where in a folder the file of a name is, None if nowhere.

    Raises
    ------
    FileNotFoundError
        If files are missing and can't be downloaded; it names every place looked at.
    """
    if path is not None:
        places = [as_path(operation, path)]
    else:
        cache = _expand(os.path.join(user_cache(), dataset))
        own = os.environ.get("FASTCONV_DATA")
        places = [as_path(operation, own) / dataset, as_path(operation, own)] if own else []
        places += [*cache, *_expand(*system_places)]
    for place in places:
        found = {name: where for name in hashes if (where := find(place, name)) is not None}
        if len(found) == len(hashes):
            return found
    looked = ", ".join(str(place) for place in places)
    missing = f"{operation}: {', '.join(hashes)} must be in one folder, but none of these has them: {looked}"
    if path is not None or not cache:
        raise FileNotFoundError(missing)
    try:
        import pooch
    except ImportError:
        raise FileNotFoundError(f"{missing}. To download them, install pooch: pip install pooch") from None
    try:
        cache[0].parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # kernels refuse a folder that others can write
        return {
            name: Path(pooch.retrieve(base_url + name, f"sha256:{digest}", fname=name, path=cache[0], progressbar=False))
            for name, digest in hashes.items()
        }
    except Exception as error:  # whatever the network library raises; all of it means: not downloaded
        raise FileNotFoundError(f"{missing}, and the download from {base_url} failed: {error}") from error
