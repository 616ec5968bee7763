"""The admin's log-in: who fails too often is told how long to wait (`gateway.login_throttle`).

The form is named in `UNFOLD["LOGIN"]["form"]`, and the view stands before the admin's own in the URLs.
"""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from unfold.forms import AuthenticationForm

from gateway import login_throttle
from gateway.client import network_hash_of
from gateway.login_throttle import TooManyFailures
from gateway.logs import printable

logger = logging.getLogger(__name__)

COOKIE = "tallygate_device"
COOKIE_SALT = "gateway.login_page.device"
COOKIE_DAYS = 180
MINUTE = 60  # seconds
TOO_MANY_REQUESTS = 429


class LogInForm(AuthenticationForm):
    """Says the same, in the same time, whether there is such an account or not."""

    request: HttpRequest
    seconds_to_wait: int | None = None

    def clean(self) -> dict[str, Any]:
        name, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not (name and password):
            return super().clean()
        try:
            attempt = login_throttle.begin(
                name, network_hash_of(self.request.META), device(self.request, name)
            )
            cleaned = super().clean()  # raises ValidationError, and then the try is a failure
            attempt.succeeded()
        except TooManyFailures as refused:
            self.seconds_to_wait = refused.seconds
            raise ValidationError(_wait(refused.seconds), code="throttled") from None
        except Error as error:
            # Who can't be counted can't be let in; the accounts are in the same database.
            logger.error("Nobody can log in: %s", printable(str(error)))
            self.user_cache = None
            raise ValidationError(
                _("Nobody can be logged in at the moment: the database does not answer."), code="unavailable"
            ) from None
        return cleaned


def log_in(request: HttpRequest) -> HttpResponse:
    """429 with `Retry-After` for who has to wait; a cookie for the device on which somebody came in."""
    response = admin.site.login(request)
    form = (getattr(response, "context_data", None) or {}).get("form")
    seconds = getattr(form, "seconds_to_wait", None)
    if seconds is not None:
        response.status_code = TOO_MANY_REQUESTS
        response["Retry-After"] = str(seconds)
    elif form is None and request.method == "POST" and request.user.is_authenticated:
        _remember_device(request, response)
    return response


def device(request: HttpRequest, name: str) -> str:
    """The device that the request's cookie names, if this account came in there; else empty."""
    said = request.get_signed_cookie(COOKIE, "", salt=COOKIE_SALT, max_age=COOKIE_DAYS * 86_400)
    return login_throttle.device_of(name, said or "")


def _remember_device(request: HttpRequest, response: HttpResponse) -> None:
    name = request.user.get_username()
    response.set_signed_cookie(
        COOKIE,
        login_throttle.device_cookie(name, device(request, name)),
        salt=COOKIE_SALT,
        max_age=COOKIE_DAYS * 86_400,
        path=reverse("admin:login"),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _wait(seconds: int) -> str:
    if seconds <= 2 * MINUTE:
        return ngettext(
            "Too many failed tries to log in. Try again in %(seconds)s second.",
            "Too many failed tries to log in. Try again in %(seconds)s seconds.",
            seconds,
        ) % {"seconds": seconds}
    minutes = -(-seconds // MINUTE)
    return ngettext(
        "Too many failed tries to log in. Try again in %(minutes)s minute.",
        "Too many failed tries to log in. Try again in %(minutes)s minutes.",
        minutes,
    ) % {"minutes": minutes}
