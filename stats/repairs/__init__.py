"""Repairs: what a person asked for is carried out beside the worker, chunk by chunk, each exactly once.

    repair = repairs.ask("purge", {"before": "2026-01-31T00:00Z"}, by="ada", note="a load test")

makes a row that people see (admin, "Repairs") and starts the command `carry_out_repairs` once the caller's
transaction has committed. Should that fail, the row waits, and the bell beside the worker starts it within
seconds; it takes up what was abandoned (a killed process, a restarted host) the same way.

A kind of repair is a function that does one bounded chunk in the transaction it is called in:

    @repairs.kind("purge", title=_("Purge the queue"), permission="gateway.purge_queuedbatch")
    def purge(repair: Repair) -> Chunk:
        ids = ...  # at most some hundred, from repair.parameters, behind repair.cursor
        return Chunk(done=len(ids), cursor=ids[-1] if ids else None)

Its module is named in `kinds.MODULES`. What a chunk did, how many that were and where the next goes on commit
together, and the row is locked meanwhile. So a process that is killed loses nothing and repeats nothing, two
processes take turns, and `cancel` comes between two chunks. A chunk that raises what is the environment's
fault is tried again later; any other exception ends the repair as failed, with what earlier chunks did kept.

A kind may name another one that takes it back (`undone_by`): for a minute after its end, the page of a repair
offers that, as a repair of its own.

The admin log gets an entry when a repair is asked for, and one when it ends, with how many.
"""

from stats.repairs.asking import NotUndoable, ask, cancel, may_be_undone, start_if_left, undo
from stats.repairs.carrying_out import carry_out_all
from stats.repairs.kinds import Chunk, Kind, UnknownKind, all_kinds, find, kind

__all__ = [
    "Chunk",
    "Kind",
    "NotUndoable",
    "UnknownKind",
    "all_kinds",
    "ask",
    "cancel",
    "carry_out_all",
    "find",
    "kind",
    "may_be_undone",
    "start_if_left",
    "undo",
]
