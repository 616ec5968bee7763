"""What each exception of an endpoint answers. What is inside of us stays in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from gateway.logs import printable
from legacy_collector.collector import CollectorRefused
from stats.api.problems import FieldError, Refused, problem
from stats.errors import is_environment, is_timeout
from stats.reports import InvalidFilter, ReportTimedOut

logger = logging.getLogger(__name__)

CHALLENGE = 'Bearer realm="tallygate"'
RETRY_SECONDS = 5
TOO_LONG = "The answer took too long. A shorter range or another filter is quicker."


def answer_with_problems(api: NinjaAPI) -> None:
    """Every exception of an endpoint becomes a problem."""
    for exception, handler in HANDLERS:
        api.add_exception_handler(exception, handler)


def _malformed(request: HttpRequest, error: ValidationError) -> HttpResponse:
    found = [
        FieldError(field=_field_of(one["loc"]), message=one["msg"])
        for one in error.errors
        if one["type"] != "none_required"  # a parameter that may be left out may not be None when it is given
    ]
    return problem(422, "Some parameters do not have the form that the API's document asks for.", found)


def _field_of(location: Sequence[str | int]) -> str:
    """The parameter's own name, of `("path", "id")` and of `("query", "parameters", "limit", "int")`."""
    names = [str(part) for part in location[1:] if part != "parameters"]
    return names[0] if names else ""


def _refused(request: HttpRequest, error: Refused | InvalidFilter) -> HttpResponse:
    message = str(error).removeprefix(f"{error.field}: ")
    return problem(400, f"{error.field}: {message}", [FieldError(field=error.field, message=message)])


def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if error.status_code == 401:
        text = "A bearer token or the session of a staff user is needed."
        return problem(401, text, headers={"WWW-Authenticate": CHALLENGE})
    return problem(error.status_code, error.message)


def _bad_request(request: HttpRequest, error: Exception) -> HttpResponse:
    return problem(400, "The request can't be read: too many parameters, or one that no URL may have.")


def _not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem(404, str(error) or "There is nothing here.")


def _timed_out(request: HttpRequest, error: ReportTimedOut) -> HttpResponse:
    return problem(503, TOO_LONG)


def _away(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.warning("API could not read: %s", printable(str(error)))
    text = "The database can't answer at the moment."
    return problem(503, text, headers={"Retry-After": str(RETRY_SECONDS)})


def _database_error(request: HttpRequest, error: Error) -> HttpResponse:
    if is_timeout(error):
        return problem(503, TOO_LONG)
    return _away(request, error) if is_environment(error) else _unexpected(request, error)


def _unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("API failed: %s", printable(request.path), exc_info=error)
    return problem(500, "Something went wrong here; the server's log says what.")


HANDLERS: tuple[tuple[type[Exception], Callable[..., HttpResponse]], ...] = (
    (ValidationError, _malformed),
    (Refused, _refused),
    (InvalidFilter, _refused),
    (HttpError, _http_error),
    (Http404, _not_found),
    (SuspiciousOperation, _bad_request),
    (BadRequest, _bad_request),
    (ReportTimedOut, _timed_out),
    (CollectorRefused, _away),
    (Error, _database_error),
    (Exception, _unexpected),
)
