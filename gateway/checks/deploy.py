"""Checks for production only (`manage.py check --deploy`)."""

from __future__ import annotations

import ipaddress
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, register
from django.db import connections

from gateway.checks.reading import TAG, database, read, warning
from gateway.conf import conf

LOCAL_PROXY_HINT = """\
Anything on this machine is believed. A local nginx that faces clients itself must set or strip, \
in the `location` that passes requests on:
    proxy_set_header CF-Connecting-IP "";
    proxy_set_header CF-Ray "";
    proxy_set_header CF-IPCountry "";
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Request-ID $request_id;
    proxy_set_header X-Request-Start "t=${msec}";%s
Behind Cloudflare, leave the three CF- headers as they come and let only Cloudflare's networks reach nginx. \
With no proxy on this machine, take loopback out of TRUSTED_PROXIES."""


@register(TAG, deploy=True)
def check_deployment(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """W010, W011."""
    problems = []
    networks = read(lambda: conf.trusted_proxies) or ()
    loopback = [str(network) for network in networks if _holds_loopback(network)]
    if loopback:
        others = read(
            lambda: [name for name in conf.edge_id_headers if name not in ("CF-Ray", "X-Request-ID")]
        )
        hint = LOCAL_PROXY_HINT % "".join(f'\n    proxy_set_header {name} "";' for name in others or ())
        problems.append(warning(10, f"TRUSTED_PROXIES: trusts loopback ({', '.join(loopback)})", hint))
    entry = database(conf.legacy_database)
    if entry and connections[conf.legacy_database].vendor == "sqlite" and not apps.is_installed("stats"):
        text = (
            f"LEGACY_DATABASE: {conf.legacy_database!r} is a file of this host, which the worker can't read"
        )
        problems.append(warning(11, text, "Set LEGACY_DATABASE_URL to a server that both hosts reach."))
    return problems


def _holds_loopback(network: Any) -> bool:
    if isinstance(network, str):
        return False
    loopback = ipaddress.ip_network("127.0.0.0/8" if network.version == 4 else "::1/128")
    return bool(network.overlaps(loopback))
