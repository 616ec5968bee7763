"""The entry point for gunicorn and other WSGI servers."""

from __future__ import annotations

from gateway.application import prepare

prepare()

from django.core.wsgi import get_wsgi_application  # noqa: E402 - the settings come first

application = get_wsgi_application()
