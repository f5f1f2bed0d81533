"""What the tests of several files share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def standing() -> Iterator[str]:
    """Address of a cluster of one worker, for tests that need none of their own: a worker imports for seconds."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as made:
        yield made.scheduler_address
