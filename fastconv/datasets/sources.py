"""Where a dataset's files may lie, and the one download, with its hash, when they lie nowhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def user_cache() -> Path:
    """Return the user's cache directory for downloaded data."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "fastconv" / "datasets"


def find_files(
    operation: str,
    dataset: str,
    hashes: dict[str, str],
    path: str | os.PathLike[str] | None,
    system_places: tuple[str, ...],
    base_url: str,
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

    Raises
    ------
    FileNotFoundError
        If files are missing and can't be downloaded; it names every place looked at.
    """
    cache = user_cache() / dataset
    if path is not None:
        places = [Path(path)]
    else:
        own = os.environ.get("FASTCONV_DATA")
        places = [Path(own) / dataset, Path(own)] if own else []
        places += [cache, *(Path(place).expanduser() for place in system_places)]
    for place in places:
        if all((place / name).is_file() for name in hashes):
            return {name: place / name for name in hashes}
    looked = ", ".join(str(place) for place in places)
    missing = f"{operation}: {', '.join(hashes)} must be in one folder, but none of these has them: {looked}"
    if path is not None:
        raise FileNotFoundError(missing)
    try:
        import pooch
    except ImportError:
        raise FileNotFoundError(f"{missing}. To download them, install the extra: pip install 'fastconv[data]'") from None
    try:
        return {
            name: Path(pooch.retrieve(base_url + name, f"sha256:{digest}", fname=name, path=cache, progressbar=False))
            for name, digest in hashes.items()
        }
    except Exception as error:  # whatever the network library raises; all of it means: not downloaded
        raise FileNotFoundError(f"{missing}, and the download from {base_url} failed: {error}") from error
