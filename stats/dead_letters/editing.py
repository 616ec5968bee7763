"""A payload that a person mends before it is redriven: validated as the consumer will, id and time fixed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec
from django.db import transaction
from django.utils.translation import gettext

from gateway.conf import conf
from gateway.events import InvalidEvent, UndecodableEvent, decode, encode_batch, fields_of, split_batch
from gateway.idempotency import check_timestamp, extract_timestamp, is_valid_idempotent_id
from stats.dead_letters.burying import known_of
from stats.dead_letters.settling import as_batch
from stats.models import DeadLetter

MAX_LENGTH = 1_000_000  # characters of a payload that can be edited
MAX_DIFF = 10_000  # characters of a change that the admin log keeps


class InvalidPayload(ValueError):
    """A payload that the consumer would bury again, or another event's. Names the field and what is wrong."""


class NotDead(Exception):
    """It has been redriven or discarded: what was decided about it is about what it held then."""


class ChangedMeanwhile(Exception):
    """Somebody else has changed it since it was shown."""


@dataclass(frozen=True, slots=True)
class Edited:
    """What an edit did; an empty `diff` says that nothing has changed."""

    letter: DeadLetter
    diff: str


@dataclass(frozen=True, slots=True)
class _Identity:
    """What of an event stays as it was received; None where it can't be read, and may be given."""

    event_id: str | None
    timestamp: int | None


def edit(letter_id: int, payload: str, version: str) -> Edited:
    """Puts `payload` in the letter's place and keeps the first one as `original`.

    `version` is that of the payload which the person saw (`version_of`). Raises InvalidPayload, NotDead,
    ChangedMeanwhile, DeadLetter.DoesNotExist, django.db.Error.
    """
    with transaction.atomic(using=conf.database):
        letter = DeadLetter.objects.using(conf.database).select_for_update().get(pk=letter_id)
        if letter.state != DeadLetter.State.DEAD:
            raise NotDead
        if version != version_of(letter.payload):
            raise ChangedMeanwhile
        check_payload(payload, letter.original or letter.payload)
        before, after = letter.payload, _compact(payload)
        diff = _diff(before, after)
        if diff:
            letter.original = letter.original or before
            letter.payload = after
            letter.event_id, letter.route = known_of(after)
            letter.save(update_fields=["original", "payload", "event_id", "route"])
    return Edited(letter, diff)


def version_of(payload: str) -> str:
    return sha256(payload.encode()).hexdigest()[:16]


def check_payload(payload: str, received: str) -> None:
    """Raises InvalidPayload unless the consumer would take it, as the event (or batch) that was received."""
    if len(payload) > MAX_LENGTH:
        told = gettext("payload: %(count)s characters are more than %(most)s")
        raise InvalidPayload(told % {"count": f"{len(payload):,}", "most": f"{MAX_LENGTH:,}"})
    events = _events(payload)
    for number, event in enumerate(events, 1):
        place = _place(number, events)
        try:
            decode(event)
        except InvalidEvent as error:
            raise InvalidPayload(f"{place}{error}") from None
    _check_identities([_identity(event) for event in events], _identities(received))


def _events(payload: str) -> list[bytes]:
    """As the queue would deliver it."""
    if fields_of(payload) is None and not payload.lstrip().startswith("["):
        try:
            decode(payload)
        except InvalidEvent as error:
            raise InvalidPayload(str(error)) from None
    try:
        events = split_batch(as_batch(payload)[0])
    except UndecodableEvent as error:
        raise InvalidPayload(str(error)) from None
    if not events:
        raise InvalidPayload(gettext("payload: holds no event"))
    return events


def _identities(received: str) -> list[_Identity] | None:
    """None where not even the number of events can be read."""
    try:
        return [_identity(event) for event in split_batch(as_batch(received)[0])]
    except UndecodableEvent:
        return None


def _identity(event: bytes) -> _Identity:
    """A valid id is fixed, and its time with it; without one, a time that could be one."""
    fields = fields_of(event) or {}
    event_id, timestamp = fields.get("idempotent_id"), fields.get("timestamp")
    if is_valid_idempotent_id(event_id):
        return _Identity(event_id, extract_timestamp(event_id))
    try:
        check_timestamp(timestamp)  # type: ignore[arg-type]  # that is what it checks
    except ValueError:
        return _Identity(None, None)
    return _Identity(None, timestamp)


def _check_identities(given: Sequence[_Identity], received: Sequence[_Identity] | None) -> None:
    if received is None:
        return
    if len(given) != len(received):
        told = gettext("payload: holds %(given)s events, and %(received)s were received")
        raise InvalidPayload(told % {"given": f"{len(given):,}", "received": f"{len(received):,}"})
    for number, (mine, theirs) in enumerate(zip(given, received, strict=True), 1):
        place = _place(number, given)
        if theirs.event_id not in (None, mine.event_id):
            raise InvalidPayload(place + _kept("idempotent_id", theirs.event_id))
        if theirs.timestamp not in (None, mine.timestamp):
            raise InvalidPayload(place + _kept("timestamp", theirs.timestamp))


def _place(number: int, events: Sequence[object]) -> str:
    """Of one event among several."""
    return gettext("event %(number)s: ") % {"number": number} if len(events) > 1 else ""


def _kept(field: str, value: object) -> str:
    return gettext("%(field)s: must stay %(value)s") % {"field": field, "value": value}


def _compact(payload: str) -> str:
    """A valid payload in one line; of an array each event by itself, since commas too many are forgiven."""
    events = [msgspec.json.format(event, indent=-1) for event in _events(payload)]
    return (encode_batch(events) if payload.lstrip().startswith("[") else events[0]).decode()


def _diff(before: str, after: str) -> str:
    """Line by line, as `diff -u` shows it; empty if they say the same."""
    lines = list(difflib.unified_diff(_lines(before), _lines(after), n=1, lineterm=""))[2:]
    text = "\n".join(lines)
    left_out = len(text) - MAX_DIFF
    return text if left_out <= 0 else f"{text[:MAX_DIFF]}\n\u2026 {left_out:,} more characters"


def _lines(payload: str) -> list[str]:
    try:
        return msgspec.json.format(payload, indent=2).splitlines()
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return payload.splitlines()
