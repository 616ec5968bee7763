"""django-q2's ORM broker, with patience for a database that is away.

With the stock one the pusher sleeps ten seconds and dies when the queue can't be read, and the monitor dies
at once when a task can't be acknowledged; each is missing until somebody makes a new one. The pusher also
dies of a task that is signed well but can't be unpickled, again and again, whenever its lock ends.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from django.db import Error, connections
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from gateway.logs import printable

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
CHECK_SECONDS = 5.0  # between two looks whether the connection is sound
COMPLAINT_SECONDS = 30.0  # an outage is a line now and then
TASK_KEYS = {"id", "name", "func", "args", "kwargs"}  # without one of them a process of the cluster dies

WAITING = "SELECT id FROM django_q_ormq WHERE key = %s AND lock < clock_timestamp() ORDER BY id LIMIT %s"
# Asked again whether nobody works on them: another cluster may have been faster.
TAKE = """
UPDATE django_q_ormq SET lock = clock_timestamp() + make_interval(secs => %s)
WHERE id = ANY(%s) AND lock < clock_timestamp() RETURNING id, payload
"""


class PatientBroker(ORM):
    """Looks again a little later, and leaves what it could not acknowledge to a second delivery.

    A task of ours that comes twice does no harm: it is only a doorbell.
    """

    _complained_at = float("-inf")
    _check_at = float("-inf")

    @staticmethod
    def get_connection(list_key: str | None = None) -> Any:
        """As the stock one, which connects, and so lets no cluster start while the database is away."""
        try:
            return ORM.get_connection(list_key)
        except (Error, OSError):
            # Whoever uses it connects again, and gets the error where it is understood.
            connections[Conf.ORM].close()
            return OrmQ.objects.using(Conf.ORM)

    def dequeue(self) -> list[tuple[int, Any]] | None:
        """The oldest task that nobody works on, if any; otherwise it waits a little.

        Asked some times a second while nothing happens, so it is one statement that is cheap to plan, where
        the stock one compiles a query and asks whether the connection is sound.
        """
        try:
            tasks = self._take()
        except (Error, OSError) as error:
            self._complain("Task queue can't be read", error)
            time.sleep(PAUSE_SECONDS)
            return None
        if not tasks:
            time.sleep(Conf.POLL)
        return [task for task in tasks if self._keep(*task)]

    def _take(self) -> list[tuple[int, Any]]:
        now = time.monotonic()
        if now >= self._check_at:
            self._check_at = now + CHECK_SECONDS
            self.get_connection()  # closes one that is too old or broken
        with connections[Conf.ORM].cursor() as cursor:
            cursor.execute(WAITING, [self.list_key, Conf.BULK])
            waiting = [row[0] for row in cursor.fetchall()]
            if not waiting:
                return []
            cursor.execute(TAKE, [Conf.RETRY, waiting])
            return sorted(cursor.fetchall())

    def _keep(self, task_id: int, payload: Any) -> bool:
        """Whether a task can be read. One that can't can never run, and is deleted."""
        reason = _unreadable(payload)
        if reason:
            logger.error("Task %d can't be read, so it can't ever run, and is dropped: %s", task_id, reason)
            self.delete(task_id)
        return not reason

    def delete(self, task_id: int) -> None:
        try:
            super().delete(task_id)
        except (Error, OSError) as error:
            self._complain("Task can't be acknowledged and will come again", error)

    def _complain(self, what: str, error: Exception) -> None:
        connections[Conf.ORM].close()
        if time.monotonic() - self._complained_at >= COMPLAINT_SECONDS:
            self._complained_at = time.monotonic()
            logger.warning("%s: %s", what, " ".join(str(error).split()))


def _unreadable(payload: Any) -> str:
    """Why the pusher could not hand this task on; empty if it could."""
    try:
        task = SignedPackage.loads(payload)
    except Exception as error:  # noqa: BLE001  (to unpickle is to run what others wrote)
        return f"{type(error).__name__}: {printable(str(error)):.200}"
    if not isinstance(task, dict):
        return f"it holds no task, but {type(task).__name__}"
    missing = sorted(TASK_KEYS - task.keys())
    return f"it has no {', '.join(missing)}" if missing else ""
