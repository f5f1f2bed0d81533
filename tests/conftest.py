"""What the tests of several files share, and what makes all of them quick."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator

import pytest


def pytest_configure() -> None:
    """Let Ctrl-C reach commands that tests start: a shell has what it runs in the background ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Leave what all modules hold out of the garbage collector's rounds: a quarter of the time of small solves."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def forked() -> None:
    """Fork workers of clusters, and commands, from one process that has imported what each would import for seconds.

    Clusters that commands and notebooks start in processes of their own are not touched.
    """
    import dask
    from distributed.utils import get_mp_context

    dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
    modules = ["distributed", "optimizer.cli", "optimizer.sweep", "optimizer.whatif.regret"]
    get_mp_context().set_forkserver_preload(modules)


@pytest.fixture(scope="session")
def standing(forked: None) -> Iterator[str]:
    """Address of a cluster of one worker, for tests that need none of their own."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as made:
        yield made.scheduler_address
