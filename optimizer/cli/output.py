"""What the command line writes: results on stdout, progress and messages on stderr."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console


@contextlib.contextmanager
def stdout_kept_clean() -> Iterator[None]:
    """Send to stderr whatever a library prints while the block runs: from Python, or from C as HiGHS 1.16 does."""
    sys.stdout.flush()
    redirect = _descriptor_sent_to_stderr() if sys.stdout is sys.__stdout__ else contextlib.nullcontext()
    with redirect, contextlib.redirect_stdout(sys.stderr):
        yield


@contextlib.contextmanager
def _descriptor_sent_to_stderr() -> Iterator[None]:
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        with contextlib.suppress(OSError, TypeError):  # where C's buffers cannot be reached from here
            ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)


def console(stream: TextIO) -> Console:
    from rich.console import Console

    wide = None if stream.isatty() or "COLUMNS" in os.environ else 160
    return Console(file=stream, width=wide, markup=False, emoji=False)  # names may hold [brackets] and :colons:


def print_text(text: str) -> None:
    """Print to stdout; a reader that has left is no error."""
    try:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_stdout()


def print_rich(renderable: Any) -> None:
    try:
        console(sys.stdout).print(renderable)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_stdout()


def _discard_stdout() -> None:
    """Let what is still buffered go nowhere, so that Python's own flush at exit is quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(value: dict[str, Any]) -> None:
    print_text(json.dumps(value, allow_nan=False))


def message(text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(text, file=sys.stderr)  # noqa: T201


class Countdown:
    """Tells on stderr which case is done, and how long the others will take at the pace of the latest."""

    LATEST = 20

    def __init__(self) -> None:
        self.done, self.count = 0, 0
        self._ends = collections.deque([time.perf_counter()], maxlen=self.LATEST + 1)

    def __call__(self, done: int, count: int, row: Mapping[str, Any]) -> None:
        self.done, self.count = done, count
        self._ends.append(time.perf_counter())
        pace = (self._ends[-1] - self._ends[0]) / (len(self._ends) - 1)
        found = row["message"] or ""
        if row["objective_usd"] is not None:
            found = f"{row['objective_usd'] / 1e6:,.1f} M$"
        left = duration(pace * (count - done))
        message(f"{done:>5} of {count}  {left:>8} left  {str(row['name'])[:60]}: {row['status']} {found[:80]}".rstrip())


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(7.4), duration(312), duration(7500)
    ('7 s', '5 min', '2 h 05')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d}"


class Progress:
    """Tells on stderr where a solve stands: one changing line on a terminal, else a line when there is news."""

    EVERY_SECONDS = 10.0

    def __init__(self) -> None:
        from rich.live import Live

        self._console = console(sys.stderr)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._started = time.perf_counter()
        self._news: tuple[str, bool] = ("", False)
        self._told = 0.0

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def __call__(self, event: dict[str, Any]) -> None:
        elapsed = time.perf_counter() - self._started
        news = event["stage"], event.get("objective_usd") is not None
        line = f"{elapsed:8.1f} s  {event['stage']:<8}  {_figures(event)}".rstrip()
        if self._console.is_terminal:
            self._live.update(line, refresh=True)
        elif news != self._news or elapsed - self._told >= self.EVERY_SECONDS:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)
            self._told = elapsed
        self._news = news


def _aim(event: dict[str, Any]) -> str:
    """Least value found, and below which there is none.

    >>> _aim({"value": 0.01764, "value_bound": 0.0}), _aim({"value_bound": 1234567.8})
    ('found 0.01764, none below 0', 'none below 1,234,568')
    """
    words = (("value", "found"), ("value_bound", "none below"))
    known = [(word, event[name] + 0.0) for name, word in words if math.isfinite(event.get(name, math.inf))]
    return ", ".join(f"{word} {value:,.0f}" if abs(value) >= 1000 else f"{word} {value:.4g}" for word, value in known)


#: A gap above this tells nothing: 1,000 %.
TELLING = 10.0


def _figures(event: dict[str, Any]) -> str:
    """Parts built, or what was found, bound and gap of an event, as far as known."""
    words = []
    if event.get("of") is not None:
        words.append(f"{event['done']} of {event['of']} parts")
    if event.get("objective_usd") is not None:
        words.append(f"best plan {event['objective_usd'] / 1e6:,.1f} M$")
    if event.get("bound_usd") is not None and math.isfinite(event["bound_usd"]):
        words.append(f"bound {event['bound_usd'] / 1e6:,.1f} M$")
    if event.get("aim") is not None:
        words.append(f"least {event['aim']} ({event['unit']}): {_aim(event)}")
    if event.get("gap") is not None and event["gap"] <= TELLING:
        words.append(f"gap {event['gap'] * 100:.2f} %")
    return "  ".join(words)
