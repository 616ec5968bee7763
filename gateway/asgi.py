"""The entry point for ASGI servers."""

from __future__ import annotations

from gateway.application import prepare

prepare()

from django.core.asgi import get_asgi_application  # noqa: E402 - the settings come first

from gateway.lifespan import with_lifespan  # noqa: E402

application = with_lifespan(get_asgi_application())
