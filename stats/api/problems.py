"""Errors as problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from django.http import HttpResponse
from ninja import Schema
from pydantic import Field

MEDIA_TYPE = "application/problem+json"


class FieldError(Schema):
    field: str = Field(description="Name of the parameter.")
    message: str


class Problem(Schema):
    """What went wrong, as RFC 9457 has it."""

    type: str = Field(description="Always about:blank: the status says what kind of problem it is.")
    title: str
    status: int
    detail: str
    errors: list[FieldError] = Field(description="Parameters that can't be used, if that is the problem.")


class Refused(Exception):
    """A parameter whose form is right, and that still can't be used."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def problem(
    status: int,
    detail: str,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """The answer for a problem."""
    title = HTTPStatus(status).phrase
    body = Problem(type="about:blank", title=title, status=status, detail=detail, errors=list(errors))
    return HttpResponse(body.model_dump_json(), status=status, content_type=MEDIA_TYPE, headers=headers)
