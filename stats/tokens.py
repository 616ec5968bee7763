"""Bearer tokens: made, recognised, revoked. Of a token only its digest is kept."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from datetime import timedelta

from django.db import Error, connections, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from gateway.conf import conf
from gateway.logs import printable
from stats.models import ApiToken

logger = logging.getLogger(__name__)

BEGINNING = "tg_"
SECRET_BYTES = 32
SHOWN = 8  # characters kept in clear: too few to help a guesser, enough to tell tokens apart
USE_NOTED_AFTER = timedelta(minutes=1)

_FORM = re.compile(r"tg_[A-Za-z0-9_-]{43}", re.ASCII)


def issue(token: ApiToken) -> str:
    """Gives a new token its secret, saves it, and returns the secret, which nobody can read again.

    Raises django.db.Error.
    """
    secret = BEGINNING + secrets.token_urlsafe(SECRET_BYTES)
    token.digest = digest_of(secret)
    token.prefix = secret[:SHOWN]
    token.save(using=conf.database)
    logger.info("API token made: %s | Prefix: %s", printable(token.name), token.prefix)
    return secret


def digest_of(secret: str) -> str:
    """SHA-256 without salt or stretching: 256 random bits can't be guessed from it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def bearer(header: str) -> str | None:
    """The secret of an `Authorization` header; None unless its scheme is Bearer."""
    scheme, _, secret = header.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def recognise(secret: str) -> ApiToken | None:
    """The token with this secret, if it was made and not revoked. Raises django.db.Error.

    The database compares digests: how far one of them agrees tells nothing of the secret.
    """
    if not _FORM.fullmatch(secret):
        return None
    known = ApiToken.objects.using(conf.database).filter(revoked_at=None)
    return known.filter(digest=digest_of(secret)).first()


def note_use(token: ApiToken) -> None:
    """Remembers that the token is in use, once a minute at most. Never raises, never waits for a lock."""
    if token.last_used_at and timezone.now() - token.last_used_at < USE_NOTED_AFTER:
        return
    try:
        with transaction.atomic(using=conf.database), connections[conf.database].cursor() as cursor:
            cursor.execute(
                "UPDATE stats_apitoken SET last_used_at = clock_timestamp() WHERE id ="
                " (SELECT id FROM stats_apitoken WHERE id = %s"
                "  AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - make_interval(secs => %s))"
                "  FOR UPDATE SKIP LOCKED)",
                [token.pk, USE_NOTED_AFTER.total_seconds()],
            )
    except Error as error:
        # A standby, or a disk that is full, can still be read.
        logger.warning("Use of API token %s could not be noted: %s", token.prefix, printable(str(error)))


def revoke(tokens: QuerySet[ApiToken]) -> int:
    """Makes the tokens worthless from the next request on; how many were not so before."""
    return tokens.filter(revoked_at=None).update(revoked_at=Now())
