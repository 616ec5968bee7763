"""What holds for every URL below `/stats/api/`, the document included."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt

from gateway.conf import conf
from stats.api.problems import problem

View = Callable[..., HttpResponse]


def guarded(pattern: URLPattern | URLResolver) -> URLPattern:
    """The same pattern; what it answers is a problem where it is an error, and is kept in no cache."""
    assert isinstance(pattern, URLPattern), "django-ninja makes patterns, no nested ones"
    pattern.callback = _guarded(pattern.callback)
    return pattern


@csrf_exempt
def nothing(request: HttpRequest, path: str = "") -> HttpResponse:
    """For a path below the API's that is none of its own."""
    return _private(problem(404, "There is nothing here; /stats/api/docs lists what there is."))


def _guarded(view: View) -> View:
    # Without a CSRF check, which would answer 403 where 405 is true: nothing here changes anything. A report
    # has a transaction of its own, with its own isolation and bounds, also under ATOMIC_REQUESTS.
    @csrf_exempt
    @transaction.non_atomic_requests(using=conf.database)
    @wraps(view)
    def answer(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if request.method != "GET":
            return _private(problem(405, "Only GET is allowed here.", headers={"Allow": "GET"}))
        try:
            return _private(view(request, *args, **kwargs))
        except Http404:
            return nothing(request)

    return answer


def _private(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "private, no-store"
    patch_vary_headers(response, ["Authorization", "Cookie"])
    return response
