"""Threads that run a program of tasks together, without the interpreter's lock.

A program is a table of tasks, each with its units cut into slices. Every thread draws the next ticket, which is for some slice of a
task, waits until all tasks before it are done, and does a slice: the next of its own share, which it probably has in its cache from
the last time, else one of another's. So whoever comes late, or runs on a slow CPU, does less; and if no helper comes at all,
the caller does everything. Which thread does a unit changes no bit of its result.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable

import numpy as np

from .atomic import FLUSH, add, add_at, floating_mode, give_way, load, peek, poke, set_floating_mode, wait_a_while, wait_for
from .jit import jit
from .program import ADDRESS, APART, COUNT, FIRST, PARTS, ROW, START, UNITS, Program
from .task import MOST_WORDS, Work, call_by_address

AWAKE = 10_000_000
"""Cycles that a helper waits for the next program before it goes to sleep: some 4 milliseconds."""
SEQUENCE, NEXT, DONE, ACTIVE, FAILED, TABLE, WORDS, CLAIMS, ROWS, THREADS, TICKETS, TOTAL, MODE = (i * APART for i in range(13))
"""Places in a team's box: programs begun and ended (odd while one runs), tickets drawn and done, helpers at work, whether a kernel
failed; and of the program: the addresses of its table, words and claims, rows, threads, tickets a round, and in all rounds, and
what is added to the floating-point mode."""


@jit
def claim_slice(claims, thread, threads, count):
    """Return a slice of `count` that no thread has claimed yet (there must be one); `claims` is where the threads' counts are."""
    for other in range(thread, thread + threads):
        owner = other % threads
        number = count * owner // threads + add_at(claims + 8 * APART * owner, 1)
        if number < count * (owner + 1) // threads:
            return number
    return 0


@jit
def take_tickets(box, thread):
    """Draw tickets and do their work until none is left."""
    table, rows, threads, tickets, total = box[TABLE], box[ROWS], box[THREADS], box[TICKETS], box[TOTAL]
    words = box[WORDS] + thread * rows * MOST_WORDS * 8
    task, task_round = 0, 0
    mode = floating_mode()
    if box[MODE]:
        set_floating_mode(mode | box[MODE])
    ticket = add(box, NEXT, 1)
    while ticket < total:
        if ticket // tickets != task_round:
            task, task_round = 0, ticket // tickets
        at = ticket % tickets
        while at >= peek(table + 8 * (task * ROW + FIRST)) + peek(table + 8 * (task * ROW + COUNT)):
            task += 1
        row = table + 8 * task * ROW
        first, count = peek(row + 8 * FIRST), peek(row + 8 * COUNT)
        wait_for(box, DONE, task_round * tickets + first)
        even = box[CLAIMS] + 8 * APART * threads * 2 * task
        if at == first:  # all claims of the last round are made, and those of the next one take the same place
            for owner in range(threads):
                poke(even + 8 * APART * (threads * ((task_round + 1) % 2) + owner), 0)
        number = claim_slice(even + 8 * APART * threads * (task_round % 2), thread, threads, count)
        for part in range(task, task + peek(row + 8 * PARTS)):
            row, own = table + 8 * part * ROW, words + 8 * part * MOST_WORDS
            units, place = peek(row + 8 * UNITS), own + 8 * peek(row + 8 * START)
            poke(place, units * number // count)
            poke(place + 8, units * (number + 1) // count)
            if call_by_address(peek(row + 8 * ADDRESS), own) != 0:
                add(box, FAILED, 1)
        add(box, DONE, 1)
        ticket = add(box, NEXT, 1)
    if box[MODE]:
        set_floating_mode(mode)


@jit
def lead(box, programs, mode):
    """Run programs in turn: open each to the helpers, take part in it, and go on when no helper is at it any more.

    Rows of `programs`: the addresses of table, words and claims; rows, threads, tickets and rounds.
    """
    box[FAILED], box[MODE] = 0, mode
    for i in range(0, len(programs), 7):
        box[TABLE], box[WORDS], box[CLAIMS], box[ROWS], box[THREADS], tickets, rounds = programs[i : i + 7]
        box[NEXT], box[DONE], box[TICKETS], box[TOTAL] = 0, 0, max(1, tickets), tickets * rounds
        add(box, SEQUENCE, 1)
        take_tickets(box, 0)
        wait_for(box, DONE, box[TOTAL])
        add(box, SEQUENCE, 1)
        while load(box, ACTIVE) != 0:  # for a moment only, unless a helper's CPU was taken away
            give_way()


@jit
def serve(box, thread, seen, patience):
    """Take part in all programs until none has come for so many cycles; `seen` and the result: the last sequence number known."""
    while wait_a_while(box, SEQUENCE, seen, patience):
        seen = load(box, SEQUENCE)
        if seen % 2 == 1:
            add(box, ACTIVE, 1)
            if load(box, SEQUENCE) == seen and thread < box[THREADS]:  # else it has ended, or is for fewer
                take_tickets(box, thread)
            add(box, ACTIVE, -1)
    return seen


class Helper:
    """One thread that takes part in programs.

    It sleeps on a lock, which is released to wake it: one step, unlike a Condition's, that no Ctrl-C can leave half done.
    """

    def __init__(self, box: np.ndarray, number: int):
        self._box, self._number = box, number
        self._alarm, self._stopped = threading.Lock(), False
        self._alarm.acquire()
        self.asleep = False
        self.thread = threading.Thread(target=self._work, name=f"fastconv_{number}", daemon=True)

    def wake(self) -> None:
        """Have the thread look for programs again, if it sleeps."""
        if self.asleep:
            self._ring()

    def stop(self) -> None:
        """Let the thread end."""
        self._stopped = True
        self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(RuntimeError):  # it rings already
            self._alarm.release()

    def _work(self) -> None:
        seen = 0
        while not self._stopped:
            seen = serve(self._box, self._number, seen, AWAKE)
            self.asleep = True
            self._alarm.acquire()
            self.asleep = False


class Team:
    """The caller and some helpers, for one caller at a time."""

    def __init__(self, helpers: int):
        self.threads = helpers + 1
        self._box = np.zeros(13 * APART, np.int64)
        lead(self._box, np.zeros(0, np.int64), 0)  # compiled, or loaded, here and not while somebody waits
        serve(self._box, 0, int(self._box[SEQUENCE]), 0)
        self.helpers = [Helper(self._box, i + 1) for i in range(helpers)]
        self._busy = threading.Lock()
        self._stopped = False
        self._caller_cpu = -1
        try:
            for helper in self.helpers:
                helper.thread.start()
        except BaseException:  # raised again: only the threads that did start are let go
            self.stop()
            raise

    def run_task(self, task: Work) -> bool:
        """Run a single task; return whether it was run."""
        return self.run(Program([task], self.threads))

    def run(
        self, program: Program, rounds: int = 1, *, before: Program | None = None, after: Program | None = None, flush: bool = False
    ) -> bool:
        """Run a program so many times, and others once `before` and `after` it, all in one stroke for whoever interrupts.

        Return whether they were run: not if the team works for another caller, or has stopped. With `flush`, numbers too small for
        full precision count as zeros meanwhile: on x86, where they take a hundred times as long, and on aarch64, for the same bits.

        Raises
        ------
        RuntimeError
            If a kernel failed, which only a fault of its own can cause.
        """
        if not self._busy.acquire(blocking=False):
            return False
        try:
            if self._stopped:
                return False
            self._make_way()
            for helper in self.helpers:
                helper.wake()
            rows = program.begin(rounds)
            if before is not None:
                rows = before.begin(1) + rows
            if after is not None:
                rows += after.begin(1)
            lead(self._box, np.array(rows, np.int64), FLUSH if flush else 0)
            if self._box[FAILED]:
                raise RuntimeError(f"{self._box[FAILED]} of a program's {program.tickets * rounds} slices of work failed")
            return True
        finally:
            self._busy.release()

    def _make_way(self) -> None:
        """Keep the helpers off the CPU that the caller runs on, where Linux can tell.

        In a virtual machine Linux takes a CPU that sleeps for one that isn't there, and wakes a helper on the caller's.
        """
        cpu = current_cpu()
        if cpu == self._caller_cpu:
            return
        self._caller_cpu = cpu
        others = os.sched_getaffinity(0) - {cpu}
        with contextlib.suppress(OSError):  # where it isn't allowed, it isn't needed for anything but speed
            for helper in self.helpers if others else ():
                os.sched_setaffinity(helper.thread.native_id or 0, others)

    def stop(self) -> None:
        """Let all threads end, after the program that they may be working at."""
        self._stopped = True
        for helper in self.helpers:
            helper.stop()


def _find_current_cpu() -> Callable[[], int]:
    """Return the function that tells which CPU this thread runs on, one that always says -1 where there is none."""
    if hasattr(os, "sched_setaffinity"):
        try:
            return ctypes.CDLL(None).sched_getcpu
        except (OSError, AttributeError):
            pass
    return lambda: -1


current_cpu = _find_current_cpu()
