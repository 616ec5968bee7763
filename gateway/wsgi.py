"""The entry point for gunicorn and other WSGI servers."""

from __future__ import annotations

from gateway.application import prepare

prepare()

import django  # noqa: E402 - the settings come first
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest  # noqa: E402

from gateway.tolerance import Tolerant  # noqa: E402


class Request(Tolerant, WSGIRequest):  # type: ignore[override]  # Django fills COOKIES lazily, too
    pass


class Handler(WSGIHandler):
    request_class = Request


django.setup(set_prefix=False)
application = Handler()
