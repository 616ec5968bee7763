"""The entry point for gunicorn and other WSGI servers."""

from __future__ import annotations

import gc

from gateway.application import prepare

prepare()
# What is loaded now stays; to look for garbage in it meanwhile would be a seventh of the time.
gc.disable()

import django  # noqa: E402 - the settings come first
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest  # noqa: E402
from django.urls import get_resolver  # noqa: E402

from gateway.tolerance import Tolerant  # noqa: E402


class Request(Tolerant, WSGIRequest):  # type: ignore[override]  # Django fills COOKIES lazily, too
    pass


class Handler(WSGIHandler):
    request_class = Request


django.setup(set_prefix=False)
application = Handler()
# Django reads the URLs at the first request. Read now, they and all they import are shared by the workers of
# a server that loads the application before it forks, and no client waits for them.
_ = get_resolver().url_patterns
# What is here now stays for good: no collection of garbage needs to look at it again.
gc.collect()
gc.freeze()
gc.enable()
