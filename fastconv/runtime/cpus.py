"""How many CPUs this process may use: those that the system lets it run on, and what a container's quota is worth.

A quota is so much CPU time a period: a process that has used it up is stopped until the next one, so that more threads than it is
worth CPUs make nothing faster. Linux has it in the files of control groups, in two versions:
https://docs.kernel.org/admin-guide/cgroup-v2.html and https://docs.kernel.org/scheduler/sched-bwc.html.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath


def usable_cpus() -> int:
    """Return how many CPUs the system lets this process run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


@cache
def cpu_quota() -> float | None:
    """Return how many CPUs' time this process may use, as its control groups said when they were first asked; None for all."""
    return read_quota(Path("/"))


def read_quota(root: Path) -> float | None:
    """Return the least quota, in CPUs, of this process's control groups and those that they are in; None where there is none."""
    quotas = [quota for folder in _groups(root) for quota in (_quota_of_v2(folder), _quota_of_v1(folder)) if quota is not None]
    return min(quotas, default=None)


def _groups(root: Path) -> Iterator[Path]:
    """Yield the folders of the process's control groups that may have a quota, each with its parents up to where it is mounted."""
    paths = {}
    for line in _lines(root / "proc/self/cgroup"):  # 4:cpu,cpuacct:/group, or 0::/group in version 2
        _, controllers, group = line.split(":", 2) if line.count(":") >= 2 else ("", "", "")
        if group.startswith("/") and (not controllers or "cpu" in controllers.split(",")):
            paths[bool(controllers)] = PurePosixPath(group)
    for old, mounted, place in _mounts(root):
        if old in paths:
            path, top = paths[old], root / place.lstrip("/")
            # In a container the process's path may be that on its host, of which only what is mounted can be seen.
            inner = path.relative_to(mounted) if path.is_relative_to(mounted) else PurePosixPath()
            parts = () if ".." in inner.parts else inner.parts
            for count in range(len(parts), -1, -1):
                yield top.joinpath(*parts[:count])


def _mounts(root: Path) -> Iterator[tuple[bool, str, str]]:
    """Yield for each mounted tree of control groups for CPUs whether it is version 1, which group its top is, and where it is."""
    for line in _lines(root / "proc/self/mountinfo"):  # 36 35 98:0 /group /where options optional... - type source options
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if len(fields) >= 5 and (kinds[0] == "cgroup2" or (kinds[0] == "cgroup" and "cpu" in kinds[-1].split(","))):
            mounted, place = (re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field) for field in fields[3:5])
            yield kinds[0] == "cgroup", mounted, place


def _quota_of_v2(folder: Path) -> float | None:
    words = [word for line in _lines(folder / "cpu.max") for word in line.split()]  # "max 100000" or "150000 100000"
    return _ratio(*words) if len(words) == 2 else None


def _quota_of_v1(folder: Path) -> float | None:
    quota, period = (_lines(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))  # -1 for none
    return _ratio(quota[0], period[0]) if quota and period else None


def _ratio(quota: str, period: str) -> float | None:
    if quota.strip().isdecimal() and period.strip().isdecimal() and int(quota) > 0 and int(period) > 0:
        return int(quota) / int(period)
    return None


def _lines(path: Path) -> list[str]:
    """Return a file's lines; none if it can't be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
