"""Dead letters: what could not be counted, and what a person can do about it.

A letter is dead until somebody redrives or discards it, and dead again where that is undone. Each of these
changes the letter and the queue in one transaction, under the letter's lock, so that an event is in one place
at any time: a dead or discarded letter, a batch of the queue, or the statistics.

A redrive from the admin waits a minute in the queue (`UNDO_SECONDS`), and undoing it deletes the batch. That
is safe against the consumer without asking how far it is: a batch is counted in the transaction that deletes
its row, under the row's lock (`queue.hold`), so either the undo finds the row and the event is uncounted, or
it does not and the letter stays redriven. A consumer that has claimed the batch and not begun finds it gone.
"""

from stats.dead_letters.burying import Failure, bury, letters_of
from stats.dead_letters.editing import (
    MAX_LENGTH,
    ChangedMeanwhile,
    Edited,
    InvalidPayload,
    NotDead,
    check_payload,
    edit,
    version_of,
)
from stats.dead_letters.filters import Filter
from stats.dead_letters.grouping import Group, groups
from stats.dead_letters.settling import (
    UNDO_SECONDS,
    Undone,
    discard,
    discard_some,
    hasten,
    may_undo_discard,
    redrive,
    redrive_some,
    undo,
)

__all__ = [
    "MAX_LENGTH",
    "UNDO_SECONDS",
    "ChangedMeanwhile",
    "Edited",
    "Failure",
    "Filter",
    "Group",
    "InvalidPayload",
    "NotDead",
    "Undone",
    "bury",
    "check_payload",
    "discard",
    "discard_some",
    "edit",
    "groups",
    "hasten",
    "letters_of",
    "may_undo_discard",
    "redrive",
    "redrive_some",
    "undo",
    "version_of",
]
