"""Jobs on a Ray cluster: a running one, or one that is started on this machine for the run."""

import os
import pickle
import signal
import socket
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from anysense import __version__
from anysense.common.extras import import_extra
from anysense.common.machine import processors
from anysense.common.progress import say
from anysense.common.validation import check_choice
from anysense.runs.launching.job import Job, Upcoming, WorkerLostError
from anysense.runs.launching.launcher import Launcher
from anysense.runs.launching.ray_events import Events
from anysense.runs.launching.ray_options import ADDRESS, RayOptions
from anysense.runs.launching.sharing import answered, token_in
from anysense.runs.launching.worker import parcel_of, unpack, wrong_version

__all__ = ["RayCluster"]

SECONDS_TO_ANSWER = 5.0
"""How long a head node may take to accept a connection."""
SECONDS_TO_CHECK = 60.0
"""How long a node may take to answer which version it has."""
SECONDS_BETWEEN_LOOKS = 10.0
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",
}
"""What a cluster that is started here is told: nothing is reported, and workers are not put behind other programs."""
STARTS = 10
"""How often a job is started again whose node is lost."""


class RayCluster(Launcher):
    """Remote functions of a Ray cluster, each of which does a job in a process of its own.

    A job whose node is lost is started again on another one. Where a node does not share the folder of the run, the
    files of its jobs come back through Ray.

    Args:
        options: The cluster, and what a job needs of it.
        jobs: Most jobs at a time; as many as the cluster has resources for if not given.
        device: ``cpu``, ``cuda`` or ``auto``: a GPU where jobs are given one.
    """

    def __init__(self, options: RayOptions, jobs: int | None = None, device: str = "auto") -> None:
        check_choice("device", device, ("auto", "cpu", "cuda"))
        if device == "cuda" and not options.resources["GPU"]:
            raise ValueError("`device` cuda needs a GPU for each job; `ray-option` says gpus=0.")
        self._options, self._jobs = options, jobs
        self._device = "cuda" if device != "cpu" and options.resources["GPU"] else "cpu"
        self._ray = import_extra("ray", "ray", "`--launcher ray`")
        if options.address not in (None, "auto", "local"):
            _check_head(str(options.address))

    def launch(self, jobs: Sequence[Job]) -> Generator[Job | None]:
        """Do the jobs; those that run are stopped when one fails."""
        folder = jobs[0].folder.parent
        with self._connected(), token_in(folder) as token:
            self._check_nodes(folder, token)
            self.at_a_time = self._places(len(jobs))
            yield None
            parcels = ((job, pickle.dumps(parcel_of(job, folder, token, self._device))) for job in jobs)
            with closing(self._all(parcels, len(jobs), isinstance(jobs, Upcoming))) as ended:
                yield from ended

    def _all(self, parcels: Iterator[tuple[Job, bytes]], count: int, one_by_one: bool) -> Generator[Job | None]:
        options = {"max_retries": STARTS, **self._options.remote()}
        work = self._ray.remote(_deliverer(_forgetter(os.getcwd()))).options(**options)
        running: dict[Any, Job] = {}
        try:
            while True:
                most = self.at_a_time if one_by_one else self._jobs or count
                while len(running) < most and (one := next(parcels, None)) is not None:
                    running[work.remote(one[1])] = one[0]
                if not running:
                    return
                ended, _ = self._ray.wait(list(running), timeout=SECONDS_BETWEEN_LOOKS)
                for task in ended:
                    job = running.pop(task)
                    self._collect(job, task)
                    self.at_a_time = self._places(count)
                    yield job
                if not ended:
                    yield None
        finally:
            for task in running:
                self._ray.cancel(task, force=True)

    def _collect(self, job: Job, task: Any) -> None:
        try:
            found = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            raise WorkerLostError(f"Ray gave up job `{job.name}`: {' '.join(str(error).split())}.", job) from error
        if isinstance(found, WorkerLostError):  # its job is as the node has it
            raise WorkerLostError(str(found), job) from found
        if isinstance(found, Exception):
            raise found
        unpack(found, job.folder)

    def _places(self, count: int) -> int:
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        return max(1, min(sum(map(self._options.places, nodes)), count, self._jobs or count))

    def _check_nodes(self, folder: Path, token: str) -> None:
        """Refuse a node of another version, and a cluster that has no place for a job.

        Raises:
            RuntimeError: The message says which.
        """
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        self._check_places(nodes)
        affinity = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        probe = self._ray.remote(_prober(_forgetter(os.getcwd()), str(folder.absolute()), token, __version__))
        asked = {
            probe.options(num_cpus=0, scheduling_strategy=affinity(node["NodeID"], soft=False)).remote(
                node["NodeID"]
            ): node
            for node in nodes
        }
        self._check_places([node for task, node in asked.items() if self._check_node(node, folder, token, task)])

    def _check_places(self, nodes: Sequence[Mapping[str, Any]]) -> None:
        if not any(self._options.places(node["Resources"]) for node in nodes):
            needed = ", ".join(f"{amount:g} {name}" for name, amount in self._options.resources.items() if amount)
            there = "; ".join(", ".join(_readable(node["Resources"])) for node in nodes) or "there is no node"
            raise RuntimeError(f"No node of the Ray cluster has what a job needs ({needed}); the nodes have: {there}.")

    def _check_node(self, node: Mapping[str, Any], folder: Path, token: str, task: Any) -> bool:
        """Whether a node is still there: that it is lost takes the cluster some time to find out."""
        name, gone = f"Node {node['NodeManagerAddress']} ({node['NodeManagerHostname']})", self._ray.exceptions
        try:
            version, shared = self._ray.get(task, timeout=SECONDS_TO_CHECK)
        except (gone.TaskUnschedulableError, gone.NodeDiedError):
            say(f"{name} of the Ray cluster is lost; the others get the jobs")
            return False
        except self._ray.exceptions.RayError as error:
            reason = " ".join(str(error).split())
            raise RuntimeError(f"{name} of the Ray cluster does not work: {reason}") from error
        if version is None:
            raise RuntimeError(f"{name} does not have anysense {__version__}; install it on every node.")
        if version != __version__:
            raise RuntimeError(wrong_version(name, version, __version__))
        if not shared or not answered(folder, token, node["NodeID"]):
            say(f"{name} does not share `{folder.absolute()}`: its results come back when they are complete")
        return True

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """Be connected to the cluster, without its reports; one that was started for the run ends with it."""
        address = self._options.address or "local"
        here = {"num_cpus": processors(), "include_dashboard": False} if address == "local" else {}
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        interrupt = signal.getsignal(signal.SIGTERM)
        try:
            self._ray.init(address=address, log_to_driver=False, logging_level="ERROR", **here)
        except (RuntimeError, ConnectionError, self._ray.exceptions.RayError) as error:
            reason = " ".join(str(error).split())
            raise RuntimeError(f"The Ray cluster at {address} cannot be joined: {reason}") from error
        try:
            with suppress(ValueError):  # not in the main thread
                signal.signal(signal.SIGTERM, interrupt)
            with redirect_stdout(Events(sys.stdout)):
                yield
        finally:
            self._ray.shutdown()


def _readable(resources: Mapping[str, float]) -> list[str]:
    names = [name for name in resources if not name.startswith("node:") and "memory" not in name]
    return [f"{resources[name]:g} {name}" for name in sorted(names)] or ["nothing"]


def _check_head(address: str) -> None:
    """Find out within seconds whether anything answers; Ray itself would try for minutes.

    Raises:
        ValueError: It is no address.
        ConnectionError: Nothing answers.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"`{ADDRESS}` expected the head of a Ray cluster as host:port, or auto; got {address!r}.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS_TO_ANSWER).close()
        _greet(address)
    except (OSError, OverflowError) as error:
        raise ConnectionError(
            f"no Ray head answers at {address} within {SECONDS_TO_ANSWER:g} s ({error}). Start one by `ray start "
            f"--head`, correct `{ADDRESS}`, or leave it out: then Ray is started on this machine."
        ) from error


def _greet(address: str) -> None:
    """Raise TimeoutError unless what listens there speaks as a head does; Ray comes with nothing that asks so."""
    import grpc

    if os.environ.get("RAY_USE_TLS") == "1":
        return
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=SECONDS_TO_ANSWER)
        except grpc.FutureTimeoutError:
            raise TimeoutError("something else listens there") from None


# What nodes do is sent as code, not by name, so that a node without anysense, or with another version, can say so.


def _forgetter(place: str) -> Callable[[], None]:
    def forget() -> None:
        """Look for modules as the node does: Ray puts the driver's folder first, with a copy of anysense perhaps."""
        import sys

        sys.path[:] = [path for path in sys.path if path != place]

    return forget


def _prober(
    forget: Callable[[], None], folder: str, token: str, expected: str
) -> Callable[[str], tuple[str | None, bool]]:
    def probe(name: str) -> tuple[str | None, bool]:
        from importlib.metadata import PackageNotFoundError, version
        from pathlib import Path

        forget()
        try:
            found = version("anysense")
        except PackageNotFoundError:
            return None, False
        if found != expected:
            return found, False
        from anysense.runs.launching.sharing import answer

        return found, answer(Path(folder), token, name)

    return probe


def _deliverer(forget: Callable[[], None]) -> Callable[[bytes], Any]:
    def deliver(parcel: bytes) -> Any:
        import pickle

        forget()
        from anysense.runs.launching.processes import run_in_process, sendable

        try:
            return pickle.loads(parcel).deliver(run_in_process)
        except Exception as error:
            return sendable(error)

    return deliver
