"""A folder with Debian's Python for aarch64, and numba and NumPy's wheels for it; nothing is installed on this machine.

apt gets the packages from wherever it is set up to, with lists and a list of installed packages of its own, and dpkg-deb unpacks
them; no root is needed.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

QEMU = ("qemu-aarch64-static", "qemu-aarch64")
NEEDED = ("apt-get", "dpkg-deb")
PACKAGES = ("python3", "libstdc++6", "zlib1g")  # what llvmlite's and NumPy's wheels link to, too
WHEELS = (f"numba=={version('numba')}", f"llvmlite=={version('llvmlite')}", "numpy>=1.26", "pytest>=8", "hypothesis>=6.100")


class Emulation(NamedTuple):
    """How Python is run: the emulator, the root that it finds libraries in, and where the wheels are."""

    qemu: Path
    root: Path
    wheels: Path

    def command(self, *arguments: str) -> list[str]:
        python = next(self.root.glob("usr/bin/python3.[0-9]*"))
        return [str(self.qemu), "-L", str(self.root), str(python), *arguments]


def folder() -> Path:
    """Return the user's cache folder for this, made if need be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fastconv-tests"
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    return cache


def make() -> Emulation:
    """Return what runs aarch64 programs, from the cache folder if it is there.

    Raises
    ------
    RuntimeError
        If this machine can't, or something can't be had; it says what.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise RuntimeError(f"it takes x86-64 Linux, but this is {platform.machine()} {sys.platform}")
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        raise RuntimeError(f"it takes Debian's {' and '.join(NEEDED)}, but there is no {' and no '.join(missing)}")
    known = "-".join([platform.libc_ver()[1], *(wheel.partition("==")[2] for wheel in WHEELS[:2])])
    place = folder() / f"aarch64-{known}"
    if not (place / "complete").exists():
        shutil.rmtree(place, ignore_errors=True)
        _unpack("arm64", PACKAGES, place / "root")
        _install_wheels(next((place / "root").glob("usr/bin/python3.[0-9]*")).name.removeprefix("python"), place / "wheels")
        if not _emulator(place):
            _unpack("amd64", ("qemu-user-static",), place / "qemu")
        (place / "complete").touch()
    qemu = _emulator(place)
    if qemu is None:
        raise RuntimeError("the package qemu-user-static has no qemu-aarch64-static; apt-get install what has it")
    return Emulation(qemu, place / "root", place / "wheels")


def _emulator(place: Path) -> Path | None:
    """Return the emulator that is installed or unpacked."""
    found = [shutil.which(name, path=path) for path in (None, str(place / "qemu/usr/bin")) for name in QEMU]
    return next((Path(name) for name in found if name), None)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:2])} has failed: {' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _unpack(architecture: str, packages: tuple[str, ...], target: Path) -> None:
    """Unpack packages of an architecture, with all that they depend on."""
    apt = target.with_name(f"apt-{architecture}")
    for part in ("state/lists/partial", "cache/archives/partial"):
        (apt / part).mkdir(parents=True)
    (apt / "status").touch()  # no package is installed
    options = {
        "APT::Architecture": architecture, "APT::Architectures": architecture, "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root", "Acquire::Languages": "none",
        "Dir::State": apt / "state", "Dir::State::status": apt / "status", "Dir::Cache": apt / "cache",
    }  # fmt: skip
    chosen = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    _run("apt-get", "update", *chosen)
    _run("apt-get", "install", "--yes", "--download-only", *chosen, *packages)
    target.mkdir(parents=True)
    for package in sorted((apt / "cache/archives").glob("*.deb")):
        _run("dpkg-deb", "-x", str(package), str(target))
    shutil.rmtree(apt)


def _install_wheels(python: str, target: Path) -> None:
    """Unpack wheels for aarch64, for this version of Python and for C libraries up to this machine's."""
    newest = int(platform.libc_ver()[1].partition(".")[2])
    tags = ["manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in range(17, newest + 1))]
    _run(
        sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), "--only-binary=:all:", "--implementation=cp",
        f"--python-version={python}", *(f"--platform={tag}" for tag in tags), *WHEELS,
    )  # fmt: skip
