"""Who may read: the bearer of a token, or a staff user with a session."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connections, router
from django.http import HttpRequest
from ninja.errors import AuthenticationError, AuthorizationError
from ninja.security import APIKeyCookie, HttpBearer

from gateway.conf import conf
from gateway.deadline import deadline
from stats import tokens
from stats.models import ApiToken

SECONDS = 3.0  # bound on finding out who asks


class BearerToken(HttpBearer):
    """A token of the admin's page. One that is sent and not known ends the request, session or not."""

    def __call__(self, request: HttpRequest) -> ApiToken | None:
        # Not the inherited one, which logs the whole header under DEBUG.
        secret = tokens.bearer(request.headers.get("Authorization", ""))
        return None if secret is None else self.authenticate(request, secret)

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken:
        with deadline(connections[conf.database], SECONDS):
            found = tokens.recognise(token)
            if found is None:
                raise AuthenticationError()
            tokens.note_use(found)
        return found


class StaffSession(APIKeyCookie):
    """The session of a staff user, who needs `permission`, too, where rows of single requests are read.

    Without a CSRF check: every endpoint is a GET that changes nothing, and its answer can't be read by the
    page of another origin.
    """

    param_name = settings.SESSION_COOKIE_NAME

    def __init__(self, permission: str | None = None) -> None:
        super().__init__(csrf=False)
        self._permission = permission

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        if not key or not key.isprintable():  # a NUL, which no session has and the database refuses
            return None
        with deadline(connections[router.db_for_read(get_user_model())], SECONDS):
            user = request.user
            if not user.is_authenticated:
                return None
            if not user.is_staff:
                raise AuthorizationError(message="The API is for staff users.")
            if self._permission and not user.has_perm(self._permission):
                raise AuthorizationError(message=f"The permission {self._permission} is needed.")
        return user


ANYONE_KNOWN = (BearerToken(), StaffSession())


def permitted(permission: str) -> tuple[BearerToken, StaffSession]:
    """As everywhere, but a session's user needs this permission, as for the admin's page of the same rows."""
    return BearerToken(), StaffSession(permission)
