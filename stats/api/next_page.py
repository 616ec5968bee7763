"""The way to the next page, in a header that every kind of answer can have (RFC 8288)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse


def link_to_next(request: HttpRequest, answer: HttpResponse, name: str, value: object) -> None:
    """`Link: <?…>; rel="next"` with the request's own parameters, and `name` set to `value` unless None."""
    if value is None:
        return
    query = request.GET.copy()
    query[name] = str(value)
    answer["Link"] = f'<?{query.urlencode()}>; rel="next"'
