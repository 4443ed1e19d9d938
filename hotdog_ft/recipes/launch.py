"""Several processes of one training on this machine: a scheduler, parameter servers and workers, as MXNet wants them.

MXNet doesn't notice that one of them has died: the others wait forever. So who starts them watches them.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple, Optional

from hotdog_ft.errors import LaunchError
from hotdog_ft.machine import cores

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 0.05
SECONDS_TO_STOP = 30
"""Once one worker has stopped because it was asked to, the others have so long to do the same."""

_STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)
_NOT_TO_REPEAT = (2, *_STOPPED)
_HERE = "127.0.0.1"
_PR_SET_PDEATHSIG = 1
"""Of Linux's prctl(2)."""


class Failure(NamedTuple):
    """What the first process to fail did, in words, and the exit status that tells of it."""

    message: str
    status: int


class Job:
    """The processes of one training, which end together. arguments: of `hotdog-ft`, the same for each worker."""

    def __init__(self, arguments: list[str], workers: int, servers: int) -> None:
        self.size = workers
        self._arguments = arguments
        self._environment = {
            **os.environ,
            "DMLC_PS_ROOT_URI": _HERE,
            "DMLC_PS_ROOT_PORT": str(_free_port()),
            "DMLC_NODE_HOST": _HERE,
            "DMLC_NUM_WORKER": str(workers),
            "DMLC_NUM_SERVER": str(servers),
        }
        share = str(max(1, cores() // workers))  # else each would take all cores
        for name in ("OMP_NUM_THREADS", "HOTDOG_FT_WORKERS"):
            self._environment.setdefault(name, share)
        self._asked: Optional[int] = None
        self._servers = [self._start("scheduler"), *(self._start("server") for _ in range(servers))]
        self._workers = [self._start("worker") for _ in range(workers)]

    def ask(self, number: int) -> None:
        """Pass a signal on to the workers; the second one ends everything at once.

        It doesn't wait: a signal handler may have come into the midst of another wait.
        """
        if self._asked is None:
            self._asked = number
            _send(self._workers, number)
        else:
            _send([*self._workers, *self._servers], signal.SIGKILL)

    def kill(self) -> None:
        """End all at once."""
        _send([*self._workers, *self._servers], signal.SIGKILL)
        for process in (*self._workers, *self._servers):
            process.wait()

    def wait(self) -> Optional[Failure]:
        """Until all have ended. Returns what the first to fail did, after which the others were ended."""
        deadline: Optional[float] = None
        while any(worker.poll() is None for worker in self._workers):
            failed = next((worker for worker in self._workers if worker.poll()), None)
            server = next((server for server in self._servers if server.poll()), None)
            if failed and failed.returncode in _STOPPED:
                if deadline is None:
                    deadline = time.monotonic() + SECONDS_TO_STOP
                    if self._asked is None:
                        self.ask(signal.SIGTERM)
                elif time.monotonic() > deadline:
                    self.kill()
            elif failed or server:
                self.kill()
                return self._failure(failed, server)
            time.sleep(SECONDS_BETWEEN_LOOKS)
        failed = next((worker for worker in self._workers if worker.returncode), None)
        if failed is None:
            self._let_servers_end()
            return None
        self.kill()
        return self._failure(failed)

    def _let_servers_end(self) -> None:
        """They do so by themselves, once the workers have finished."""
        try:
            for server in self._servers:
                server.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self.kill()

    def _failure(
        self, worker: Optional[subprocess.Popen[bytes]], server: Optional[subprocess.Popen[bytes]] = None
    ) -> Failure:
        if worker:
            who, process = f"Worker {self._workers.index(worker) + 1} of {self.size}", worker
        else:
            assert server
            who, process = "The scheduler" if server is self._servers[0] else "A parameter server", server
        how, status = _ended(process.returncode)
        return Failure(f"{who} (process {process.pid}) {how}; the others were ended.", status)

    def _start(self, role: str) -> subprocess.Popen[bytes]:
        arguments = self._arguments if role == "worker" else self._arguments[:1]
        return subprocess.Popen(
            [sys.executable, "-m", "hotdog_ft", *arguments],
            env={**self._environment, "DMLC_ROLE": role},
            start_new_session=True,  # Ctrl-C is for who launched them, and then for the workers alone
            preexec_fn=_end_with_parent,
        )


class Launch:
    """A training by several processes, started again from its last checkpoint, `restarts` times, when one fails.

    command, options: as of `hotdog-ft`. folder: the run's, which the options say too.
    """

    def __init__(
        self, command: str, options: list[str], folder: Path, workers: int, servers: int = 1, restarts: int = 0
    ) -> None:
        self._command = command
        self._options = options
        self._folder = folder
        self._workers = workers
        self._servers = servers
        self._restarts = restarts
        self._job: Optional[Job] = None
        self._asked: list[int] = []

    def ask(self, number: int) -> None:
        """For a signal handler: pass a signal on to the workers; the second one ends everything at once."""
        self._asked.append(number)
        if self._job:
            self._job.ask(number)

    def run(self) -> None:
        """Until the training has ended. Raises: LaunchError, with what the first worker that failed did."""
        arguments = [self._command, *self._options]
        for left in range(self._restarts, -1, -1):
            self._job = Job(arguments, self._workers, self._servers)
            for number in self._asked[:]:  # while they were being started
                self._job.ask(number)
            failure = self._job.wait()
            if failure is None:
                return
            resumable = (self._folder / "config.yaml").is_file()
            if left == 0 or self._asked or failure.status in _NOT_TO_REPEAT:
                raise LaunchError(failure.message, self._how_to_go_on(resumable), failure.status)
            log.warning("%s They start again, %d more times at most.", failure.message, left)
            if resumable:
                arguments = [self._command, "--resume", str(self._folder), *self._kept()]

    def _kept(self) -> list[str]:
        """Options that the run's own configuration doesn't have."""
        return [option for option in self._options if option in ("--quiet", "--debug")]

    def _how_to_go_on(self, resumable: bool) -> str:
        if not resumable:
            return "When that is mended, run the same command."
        return f"Go on with: hotdog-ft launch -n {self._workers} {self._command} --resume {self._folder}"


def _end_with_parent() -> None:
    """Have Linux kill this process when the one that has started it ends, in whatever way."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((_HERE, 0))
        return int(listener.getsockname()[1])


def _send(processes: list[subprocess.Popen[bytes]], number: int) -> None:
    for process in processes:
        process.send_signal(number)  # which does nothing to one that has ended


def _ended(returncode: int) -> tuple[str, int]:
    """How a process ended, in words, and the exit status that tells of it."""
    if returncode < 0:
        return f"was killed by {signal.Signals(-returncode).name}", 128 - returncode
    return f"ended with status {returncode}", returncode
