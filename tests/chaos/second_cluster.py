"""A fault that is no failure: a second supervised cluster on the same queue comes, works, and goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gateway.processes import die_with_parent
from tests.chaos.faults import Scene, fault
from tests.chaos.system import TALLYGATE, System, SystemBroken
from tests.integration.processes import ROOT, environment, processes_of, wait_for

WORK_SECONDS = 30.0  # a whole cluster has to start, and to be quicker than the first one once
END_SECONDS = 45.0  # what the supervisor's documentation asks for a stop
OURS = ("qcluster", "supervise_worker", "process_group")  # it may start a keeper, too, which is everybody's


class SecondCluster:
    """It, while it runs; its output is in a file of its own."""

    def __init__(self, system: System) -> None:
        self.kind = system.kind
        # What an earlier one said must not be taken for what this one says.
        number = len(list(system.var_dir.parent.glob("second-*.log"))) + 1
        self.log = system.var_dir.parent / f"second-{number}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), *self.kind.worker],
                cwd=ROOT,
                # Named there, so that all of its processes can be found.
                env=environment(system.var_dir, **system.extra, CHAOS_SECOND=str(self.log)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGTERM),
            )

    @property
    def has_worked(self) -> bool:
        """Whether it has emptied a batch of the queue."""
        return self.kind.worked in self.log.read_text(errors="replace")

    def processes(self) -> dict[int, str]:
        """Its living processes and their commands."""
        found = processes_of(self.log)
        return {pid: command for pid, command in found.items() if any(word in command for word in OURS)}

    def terminate(self) -> None:
        """In order, by a signal to the supervisor. Raises SystemBroken if ours does not end well."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(END_SECONDS)
        if self.process.poll() != 0 and self.kind is TALLYGATE:
            raise SystemBroken(f"a second cluster ended with {self.process.poll()}: see {self.log}")
        if self.process.poll() is None:
            self.kill()

    def orphan(self) -> None:
        """Its supervisor is killed; what that leaves has to end by itself."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def kill(self) -> None:
        """The supervisor and its cluster at once: nobody is left to end or to start anything."""
        groups = [pid for pid, command in self.processes().items() if "qcluster" in command]
        self.process.kill()
        for pid in groups:
            with suppress(ProcessLookupError):
                if os.getpgid(pid) == pid:
                    os.killpg(pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def _running(system: System) -> Iterator[SecondCluster]:
    second = SecondCluster(system)
    try:
        yield second
    except BaseException:
        second.kill()
        raise
    if not wait_for(lambda: not second.processes(), END_SECONDS):
        raise SystemBroken(f"a second cluster left processes behind: {second.processes()}")


@fault
def second_cluster(scene: Scene) -> Iterator[None]:
    with _running(scene.system) as second:
        scene.await_moment(lambda: second.has_worked, "a batch that the second cluster counted", WORK_SECONDS)
        yield
        scene.random.choice([second.terminate, second.orphan, second.kill])()
