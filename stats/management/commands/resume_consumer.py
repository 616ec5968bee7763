"""`manage.py resume_consumer`: a paused consumer goes on."""

from __future__ import annotations

from stats import pausing
from stats.management.consumer_switch import ConsumerSwitch


class Command(ConsumerSwitch):
    """Exit code 0 when it works, 1 when the database can't be asked."""

    help = "Has a paused consumer go on. Exit code: 0 it goes on, 1 the database can't be asked."
    name = "resume_consumer"
    switch = pausing.resume
    changed = "The consumer works again."
    unchanged = "Nothing to do: it was not paused."
