"""Dask clusters: a local one of spawned processes that listens on the loopback only, or one that is running already.

What is sent to a worker is the folder of an instance and its content hash, never a model: every worker reads the
instance once.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from optimizer.instance import Instance, read_instance, write_instance

#: Times that work is tried again after its worker was killed.
RETRIES = 2
#: Seconds in which an existing scheduler must answer.
ANSWER = 10
#: Seconds to wait for the first worker of an existing cluster.
PATIENCE = 60
#: Address that stands for a local cluster.
LOCAL = "local"
#: Environment of its workers. Dask's own has them give memory back at once: a third of a solver's time would go there.
SURROUNDINGS = {"OMP_NUM_THREADS": 1, "MKL_NUM_THREADS": 1, "OPENBLAS_NUM_THREADS": 1}


class ClusterError(ValueError):
    """A cluster that cannot be reached, or an instance that has changed under its workers."""


@dataclass(frozen=True)
class Scheduler:
    """An existing Dask cluster: its address, and for ``tls://`` files of the authority, the certificate and its key."""

    address: str
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None


def source_of(instance: str | Path | Instance, folder: Path) -> tuple[str, str]:
    """Folder and content hash of an instance; one in memory is written to a hidden folder in ``folder`` first."""
    if not isinstance(instance, Instance):
        return str(Path(instance).absolute()), read_instance(instance).content_hash
    written = folder / f".instance-{instance.content_hash[:12]}"
    if not written.exists():
        write_instance(instance, written)
    return str(written), instance.content_hash


@functools.lru_cache(maxsize=4)
def instance_at(source: str, content: str) -> Instance:
    """Read once by every worker; what was read must be what was asked for."""
    found = read_instance(source)
    if found.content_hash != content:
        raise ClusterError(f"{source} was changed after the work began: start it again")
    return found


@contextlib.contextmanager
def cluster(workers: int, scheduler: str | Scheduler | None) -> Iterator[Any]:
    """A client of a local cluster of processes that listens on the loopback only, or of the scheduler given.

    Raises
    ------
    ClusterError
        If there is no scheduler at the address, or its certificate is not accepted.
    """
    import dask
    from distributed import Client, LocalCluster

    if isinstance(scheduler, str):
        scheduler = Scheduler(scheduler)
    settings = {"distributed.scheduler.allowed-failures": RETRIES, "distributed.nanny.pre-spawn-environ": SURROUNDINGS}
    with dask.config.set(settings):
        if scheduler is not None and scheduler.address != LOCAL:
            with _client_of(scheduler) as client:
                await_a_worker(client, scheduler.address)
                yield client
            return
        local = {"n_workers": workers, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
        no_dashboard = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
        with contextlib.ExitStack() as stack:
            with interrupts_held():
                made = stack.enter_context(LocalCluster(**local, scheduler_kwargs=no_dashboard, silence_logs=50))
            yield stack.enter_context(Client(made))


def await_a_worker(client: Any, address: str) -> None:
    """See that a cluster has a worker, wherever its scheduler is.

    Raises
    ------
    ClusterError
        If none comes in time.
    """
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        raise ClusterError(
            f"the cluster at {address} has had no worker for {PATIENCE} s: start some with 'dask worker {address}'"
        ) from None


@contextlib.contextmanager
def standing(workers: int, scheduler: str | Scheduler | None) -> Iterator[str | Scheduler | None]:
    """One local cluster for several problems, where a local one is asked for; another scheduler as it is."""
    if scheduler not in (LOCAL, Scheduler(LOCAL)):
        yield scheduler
        return
    with cluster(workers, LOCAL) as client:
        yield Scheduler(client.scheduler.address)


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back: threads and processes begun meanwhile never see it, this one sees it afterwards.

    A terminal sends it to every process of a command. The workers are ended by the cluster; hearing it too, each would
    print a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # begun later, it would lift the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def obey_parent() -> None:
    """Begin a worker process: Ctrl-C is its parent's business, and it ends when its parent does, killed or not."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _client_of(scheduler: Scheduler) -> Any:
    import dask
    from distributed import Client
    from distributed.security import Security

    files = {
        "tls_ca_file": scheduler.tls_ca,
        "tls_client_cert": scheduler.tls_cert,
        "tls_client_key": scheduler.tls_key,
    }
    given = {name: file for name, file in files.items() if file is not None}
    try:
        security = Security(**given, require_encryption=True) if given else None
        if security is not None or dask.config.get("distributed.client.security-loader", None) is None:
            _greet(scheduler.address, security or Security())
        return Client(scheduler.address, security=security, timeout=ANSWER)
    except (OSError, TimeoutError, TypeError, ValueError, RuntimeError, MemoryError) as error:
        raise ClusterError(_unreached(scheduler, error)) from None


def _greet(address: str, security: Any) -> None:
    """Greet a scheduler, in a thread: a notebook has a loop of its own."""
    apart = ThreadPoolExecutor(1)
    try:
        apart.submit(asyncio.run, _greeted(address, security)).result()
    finally:
        apart.shutdown(wait=False)


async def _greeted(address: str, security: Any) -> None:
    """See that a scheduler is there: where something else listens, a client tries for minutes, whatever its timeout."""
    from distributed.comm.core import connect

    greeting = connect(address, timeout=ANSWER, **security.get_connection_args("client"))
    comm = await asyncio.wait_for(greeting, ANSWER)
    await comm.close()


def _in_a_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _unreached(scheduler: Scheduler, error: Exception) -> str:
    """Why there is no client of the scheduler, and what to do."""
    said = f": {_in_a_line(error)}"
    if isinstance(error, OSError):  # a timeout is one, whatever was met at every try
        met: BaseException = error
        while met.__cause__ is not None:
            met = met.__cause__
        said = f" within {ANSWER} s" + (f": {_in_a_line(met)}" if met is not error else "")
    elif isinstance(error, MemoryError):  # bytes of another protocol, read as the length of a message
        said = ": what answers there is something else, such as Dask's dashboard"
    fix = (
        "start one there with 'dask scheduler', correct the address (tcp://HOST:PORT, tls://HOST:PORT), "
        "or leave --scheduler out to solve on this machine"
    )
    if scheduler.address.startswith("tls://"):
        fix = "a tls:// address needs --tls-ca, --tls-cert and --tls-key, which the scheduler accepts; or " + fix
    return f"no Dask scheduler answered at '{scheduler.address}'{said}; {fix}"
