"""Faults of processes: killed, stopped, reloaded, started again with another key."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator

import psycopg

from tests.chaos.faults import AWAIT_SECONDS, Scene, fault
from tests.integration.processes import wait_for

STOP_SECONDS = 5.0, 15.0  # of a stopped worker: in a short run, in a long one


@fault
def gunicorn_worker_kill(scene: Scene) -> Iterator[None]:
    _, workers = scene.roles.gunicorn()
    scene.signal(scene.random.choice(sorted(workers)), signal.SIGKILL)
    yield


@fault
def gunicorn_master_kill(scene: Scene) -> Iterator[None]:
    master, _ = scene.roles.gunicorn()
    scene.signal(master, signal.SIGKILL)
    yield
    wait_for(scene.system.answers, AWAIT_SECONDS)


@fault
def worker_kill_idle(scene: Scene) -> Iterator[None]:
    worker = scene.await_role("worker")
    empty = f"SELECT NOT EXISTS (SELECT FROM {scene.system.kind.intake_table})"
    scene.await_moment(lambda: scene.system.rows(empty) == [(True,)], "an empty queue")
    scene.signal(worker, signal.SIGKILL)
    yield


@fault
def worker_kill_busy(scene: Scene) -> Iterator[None]:
    """Between claim and commit: it waits for a lock when it is killed."""
    table = scene.system.kind.events_table
    waits = (
        "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_class ON pg_class.oid = relation"
        " WHERE relname LIKE %s AND NOT granted)"
    )
    with scene.system.connect() as connection, connection.transaction():
        connection.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        scene.await_moment(lambda: scene.system.rows(waits, table + "%") == [(True,)], "a consumer at work")
        scene.signal(scene.await_role("worker"), signal.SIGKILL)
        yield


@fault
def worker_kill_committed(scene: Scene) -> Iterator[None]:
    """After commit, before acknowledge: the monitor, which acknowledges, is stopped and killed, too."""
    monitor = scene.await_role("monitor")
    scene.signal(monitor, signal.SIGSTOP)
    count = f"SELECT count(*) FROM {scene.system.kind.events_table}"
    before = scene.system.rows(count)
    try:
        scene.await_moment(lambda: scene.system.rows(count) != before, "a commit")
        scene.signal(scene.await_role("worker"), signal.SIGKILL)
    finally:
        scene.signal(monitor, signal.SIGKILL)
    yield


@fault
def pusher_kill(scene: Scene) -> Iterator[None]:
    scene.signal(scene.await_role("pusher"), signal.SIGKILL)
    yield


@fault
def monitor_kill(scene: Scene) -> Iterator[None]:
    scene.signal(scene.await_role("monitor"), signal.SIGKILL)
    yield


@fault
def sentinel_kill(scene: Scene) -> Iterator[None]:
    scene.signal(scene.await_role("sentinel"), signal.SIGKILL)
    yield


@fault
def cluster_kill(scene: Scene) -> Iterator[None]:
    os.killpg(scene.await_role("leader"), signal.SIGKILL)
    yield


@fault
def supervisor_kill(scene: Scene) -> Iterator[None]:
    scene.system.kill()
    yield
    scene.system.start()


@fault
def stop_worker(scene: Scene) -> Iterator[None]:
    worker = scene.await_role("worker")
    scene.signal(worker, signal.SIGSTOP)
    time.sleep(STOP_SECONDS[scene.long])
    yield
    scene.signal(worker, signal.SIGCONT)


@fault
def sigterm_under_load(scene: Scene) -> Iterator[None]:
    try:
        scene.system.stop(60)
    except subprocess.TimeoutExpired:
        scene.system.kill()
    yield
    scene.system.start()


@fault
def reload_under_load(scene: Scene) -> Iterator[None]:
    master, _ = scene.roles.gunicorn()
    scene.signal(master, signal.SIGHUP)
    yield


@fault
def secret_key_rotated(scene: Scene) -> Iterator[None]:
    """While batches and doorbells wait that were signed with the old key."""
    stopped = [scene.await_role(role) for role in ("pusher", "worker")]
    for pid in stopped:
        scene.signal(pid, signal.SIGSTOP)
    try:
        scene.await_moment(lambda: _waits(scene), "a doorbell that waits")
        scene.system.kill()
    finally:
        for pid in stopped:
            scene.signal(pid, signal.SIGKILL)
    scene.system.extra["SECRET_KEY"] = secrets.token_urlsafe(40)
    yield
    scene.system.start()


def _waits(scene: Scene) -> bool:
    try:
        return scene.system.rows("SELECT 1 FROM django_q_ormq") != []
    except psycopg.Error:
        return False


@fault
def client_aborts(scene: Scene) -> Iterator[None]:
    for number in range(scene.random.randint(10, 40)):
        scene.load.abort(f"c{scene.cycle}-a{number}", half=scene.random.random() < 0.3)
    yield


@fault
def clock_back(scene: Scene) -> Iterator[None]:
    """By up to two days, as the capture sees it."""
    scene.system.clock.write_text(str(-scene.random.uniform(1, 2 * 86_400)))
    yield
    scene.system.clock.unlink()
