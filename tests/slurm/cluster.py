"""A SLURM of one node on this machine, on loopback, that leaves nothing behind.

Debian's packages `slurm-wlm` and `munge` bring the programs; root has to start them.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol")

CONF = """\
ClusterName=mtlsr
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={state}/munge.socket
StateSaveLocation={state}/state
SlurmdSpoolDir={state}/spool
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
KillWait=20
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={megabytes} State=UNKNOWN
PartitionName=p Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def lacking() -> list[str]:
    """Programs that are not installed."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


@contextmanager
def cluster(state: Path) -> Iterator[dict[str, str]]:
    """Start it with its files in `state`; gives the environment of its clients."""
    state.chmod(0o755)  # munged wants to be sure that nobody else writes its socket
    for name in ("state", "spool"):
        (state / name).mkdir()
    key = state / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    conf = state / "slurm.conf"
    conf.write_text(
        CONF.format(
            host=socket.gethostname().split(".")[0],
            ports=_free_ports(2),
            state=state,
            cores=os.cpu_count(),
            megabytes=memory * 8 // 10,
        )
    )
    environment = {**os.environ, "SLURM_CONF": str(conf)}
    environment["PATH"] = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    munge = [f"--{name}-file={state}/munge.{name}" for name in ("key", "log", "pid", "seed")]
    munge += [f"--socket={state}/munge.socket", "--force", "--foreground"]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for command in (
            ["munged", *munge],
            ["slurmctld", "-D", "-f", str(conf)],
            ["slurmd", "-D", "-f", str(conf)],
        ):
            with (state / f"{command[0]}.out").open("wb") as said:
                started.append(subprocess.Popen(command, env=environment, stdout=said, stderr=said))
            time.sleep(1)
        _wait_until_idle(environment, state)
        yield environment
    finally:
        for process in reversed(started):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def ask(environment: dict[str, str], *command: str) -> str:
    """What a client of the cluster says."""
    asked = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    return asked.stdout + asked.stderr


def _wait_until_idle(environment: dict[str, str], state: Path) -> None:
    late = time.monotonic() + 120
    while "idle" not in (said := ask(environment, "sinfo", "-h", "-o", "%T")):
        if time.monotonic() > late:
            logs = "\n".join(p.read_text(errors="replace")[-2000:] for p in state.glob("*.log"))
            raise RuntimeError(f"SLURM does not come up: {said}\n{logs}")
        time.sleep(1)


def _free_ports(count: int) -> list[int]:
    found = [socket.socket() for _ in range(count)]
    for each in found:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in found]
    for each in found:
        each.close()
    return ports
