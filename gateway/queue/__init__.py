"""The queue: a table of batches in PostgreSQL, and a django-q2 task as its doorbell.

The only module that touches `QueuedBatch`, and the only producer-side use of django-q2. A doorbell that
is lost, doubled or late does no harm, since whoever runs drains all that is due.

A batch is claimed (its delivery counted and committed), then worked on in a second transaction that holds
its row (`hold`), and ends in one of four ways: `finish`, `retry`, `halve` or, where the environment
failed, `give_back`. What waits, people may look at and repair: `survey`, `deliver_now`, `take`.
"""

from gateway.queue.attendance import Depth, depth, is_due, is_unattended, now
from gateway.queue.deliveries import Claimed, claim, claim_ahead, finish, give_back, hold, retry
from gateway.queue.doorbell import ring
from gateway.queue.parts import fits, halve, put_off, surely_fits
from gateway.queue.returning import due_in, hasten, put_back, take_out
from gateway.queue.selection import KINDS, UNDER_WAY, Selection, Survey, deliver_now, survey, take
from gateway.queue.sending import QueueRefused, enqueue, send, send_events, send_unreadable
from gateway.queue.transactions import lock_key

__all__ = [
    "KINDS",
    "UNDER_WAY",
    "Claimed",
    "Depth",
    "QueueRefused",
    "Selection",
    "Survey",
    "claim",
    "claim_ahead",
    "deliver_now",
    "depth",
    "due_in",
    "enqueue",
    "finish",
    "fits",
    "give_back",
    "halve",
    "hasten",
    "hold",
    "is_due",
    "is_unattended",
    "lock_key",
    "now",
    "put_back",
    "put_off",
    "retry",
    "ring",
    "send",
    "send_events",
    "send_unreadable",
    "surely_fits",
    "survey",
    "take",
    "take_out",
]
