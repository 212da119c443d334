"""SLURM on this machine: its two services with this machine as the only node, without munge and accounting."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["NoSlurmError", "slurm_of_one_node"]

SECONDS_TO_START = 60.0
PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
CONFIGURATION = """
ClusterName=anysense
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerParameters=bf_interval=1,sched_interval=1
KillWait=1
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class NoSlurmError(RuntimeError):
    """SLURM is not there, or does not start here."""


@contextmanager
def slurm_of_one_node(folder: Path) -> Iterator[Path]:
    """The path of the configuration (``SLURM_CONF``) of services that run as long as the block.

    Raises:
        NoSlurmError: They are not installed, or do not start; the message says which.
    """
    services = {name: shutil.which(name, path=PATH) for name in ("slurmctld", "slurmd")}
    missing = [name for name, path in services.items() if path is None]
    if missing:
        raise NoSlurmError(f"SLURM is not installed ({', '.join(missing)}): apt-get install slurm-wlm")
    if os.geteuid() != 0:
        raise NoSlurmError("a SLURM of one node is started by root only")
    host = socket.gethostname().partition(".")[0]
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    path = folder / "slurm.conf"
    controller, node = _free_ports()
    path.write_text(CONFIGURATION.format(host=host, folder=folder, controller=controller, node=node))
    options = {"slurmctld": ["-D", "-c"], "slurmd": ["-D", "-N", host]}
    running = []
    try:
        for name, program in services.items():
            with (folder / f"{name}.log").open("wb") as log:
                command = [str(program), *options[name], "-f", str(path)]
                running.append(subprocess.Popen(command, stdout=log, stderr=log, env=_environment(path)))
        _wait_until_idle(path, running)
        yield path
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(SECONDS_TO_START)


def _environment(path: Path) -> dict[str, str]:
    return {**os.environ, "SLURM_CONF": str(path)}


def _free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as other:
        for listener in (one, other):
            listener.bind(("127.0.0.1", 0))
        return [one.getsockname()[1], other.getsockname()[1]]


def _wait_until_idle(path: Path, running: list[subprocess.Popen[bytes]]) -> None:
    end = time.monotonic() + SECONDS_TO_START
    command = ["sinfo", "--noheader", "--format=%T"]
    while True:
        found = subprocess.run(command, check=False, capture_output=True, text=True, env=_environment(path))
        if found.stdout.strip() == "idle":
            return
        if time.monotonic() > end or any(process.poll() is not None for process in running):
            said = [*(path.parent / "slurmctld.log").read_text().splitlines(), "", found.stderr.strip()]
            raise NoSlurmError(f"SLURM does not start here: {' '.join(said[-5:])}")
        time.sleep(0.2)
