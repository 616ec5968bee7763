"""The queue: a table of batches in PostgreSQL, and a django-q2 task as its doorbell.

The only module that touches `QueuedBatch`, and the only producer-side use of django-q2. A doorbell that
is lost, doubled or late does no harm, since whoever runs drains all that is due.

A batch is claimed (its delivery counted and committed), then worked on in a second transaction that holds
its row (`hold`), and ends in one of four ways: `finish`, `retry`, `halve` or, where the environment
failed, `give_back`.
"""

from gateway.queue.attendance import Depth, depth, is_due, is_unattended
from gateway.queue.deliveries import Claimed, claim, claim_ahead, finish, give_back, hold, retry
from gateway.queue.doorbell import ring
from gateway.queue.parts import fits, halve, put_off, surely_fits
from gateway.queue.returning import due_in, hasten, put_back, take_out
from gateway.queue.sending import QueueRefused, enqueue, send, send_unreadable
from gateway.queue.transactions import lock_key

__all__ = [
    "Claimed",
    "Depth",
    "QueueRefused",
    "claim",
    "claim_ahead",
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
    "put_back",
    "put_off",
    "retry",
    "ring",
    "send",
    "send_unreadable",
    "surely_fits",
    "take_out",
]
