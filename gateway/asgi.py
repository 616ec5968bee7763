"""The entry point for ASGI servers."""

from __future__ import annotations

from gateway.application import prepare

prepare()

import django  # noqa: E402 - the settings come first
from django.core.handlers.asgi import ASGIHandler, ASGIRequest  # noqa: E402

from gateway.lifespan import with_lifespan  # noqa: E402
from gateway.tolerance import Tolerant  # noqa: E402


class Request(Tolerant, ASGIRequest):  # type: ignore[override]  # Django fills COOKIES lazily, too
    pass


class Handler(ASGIHandler):
    request_class = Request


django.setup(set_prefix=False)
application = with_lifespan(Handler())
