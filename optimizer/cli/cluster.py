"""Options of commands that solve on a Dask cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli.frame import INTERRUPTED, USAGE, Failure
from optimizer.cli.output import Countdown

if TYPE_CHECKING:
    from optimizer.cluster import Scheduler

Workers = Annotated[int, typer.Option(min=1, metavar="N", help="Local processes, one thread each.")]
Address = Annotated[str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Use this Dask cluster instead.")]
SideBySide = Annotated[
    int | None, typer.Option("--workers", min=1, metavar="N", help="Blocks solved side by side; one by processor.")
]
BlocksAt = Annotated[
    str | None,
    typer.Option(
        "--scheduler", metavar="ADDRESS", help="Solve blocks on a Dask cluster: its address, or 'local' for processes."
    ),
]
Authority = Annotated[
    Path | None, typer.Option("--tls-ca", metavar="FILE", help="Certificate of the authority, for tls:// addresses.")
]
Certificate = Annotated[Path | None, typer.Option("--tls-cert", metavar="FILE", help="Your certificate.")]
Key = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Its private key.")]


@contextlib.contextmanager
def interruptible(folder: Path | None, told: Countdown) -> Iterator[None]:
    """Ctrl-C among many cases: say what is kept and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        kept = f"they are in {folder}; the same command goes on from there" if folder else "none are kept without -o"
        said = f"stopped with {told.done} of {told.count} done; {kept}" if told.count else "stopped before one was done"
        raise Failure(INTERRUPTED, "interrupted", said) from None


def scheduler_at(address: str | None, ca: Path | None, cert: Path | None, key: Path | None) -> Scheduler | None:
    """The cluster that the options name; None for a local one."""
    from optimizer.cluster import Scheduler

    files = {"--tls-ca": ca, "--tls-cert": cert, "--tls-key": key}
    given = [name for name, file in files.items() if file is not None]
    if given and (address is None or not address.startswith("tls://")):
        raise Failure(USAGE, "usage error", f"{', '.join(given)}: only with --scheduler tls://HOST:PORT")
    if given and len(given) < len(files):
        missing = ", ".join(name for name in files if name not in given)
        raise Failure(USAGE, "usage error", f"TLS needs all three files: add {missing}")
    for name, file in files.items():
        if file is not None and not file.is_file():
            raise Failure(USAGE, "usage error", f"{name} {file}: there is no such file")
    if address is None:
        return None
    return Scheduler(address, *(None if file is None else str(file) for file in files.values()))
