"""`manage.py pause_consumer`: batches wait until it is resumed."""

from __future__ import annotations

from stats import pausing
from stats.management.consumer_switch import ConsumerSwitch


class Command(ConsumerSwitch):
    """Exit code 0 when it rests, 1 when the database can't be asked."""

    help = (
        "Has the consumer rest: what is in work is finished, then batches wait until resume_consumer. It "
        "shows signs of life meanwhile. Exit code: 0 it is paused, 1 the database can't be asked."
    )
    name = "pause_consumer"
    switch = pausing.pause
    takes_note = True
    changed = "The consumer rests: batches wait until resume_consumer."
    unchanged = "Nothing to do: it rests already."
