"""`/metrics`: the request side's counters and the pipeline's vitals, as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Callable

from django.db import Error, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from gateway import metrics
from gateway.client import is_trusted
from gateway.conf import conf
from gateway.deadline import deadline
from stats import tokens, vitals
from stats.pipeline_metrics import PipelineCollector

AUTH_SECONDS = 2.0
# A proxy adds at least one of these; a client can add them, too, but can't take them away.
FORWARDING = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_FORWARDED",
    "HTTP_X_REAL_IP",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_CF_CONNECTING_IP",
    "HTTP_CF_RAY",
    "HTTP_VIA",
)


@never_cache
@require_safe
@transaction.non_atomic_requests(using=conf.database)
def metrics_view(request: HttpRequest) -> HttpResponse:
    """For a peer in `METRICS_ALLOWED_NETWORKS` that speaks for itself, or for the bearer of a token.

    Without the database it still answers with what the processes of this host have counted.
    """
    try:
        if not (_is_near(request) or _bears_token(request)):
            text = "A token, or an address in METRICS_ALLOWED_NETWORKS, is needed.\n"
            headers = {"WWW-Authenticate": 'Bearer realm="tallygate"'}
            return HttpResponse(text, status=401, content_type="text/plain; charset=utf-8", headers=headers)
    except (Error, OSError):
        text = "The token can't be checked: the database is away.\n"
        return HttpResponse(text, status=503, content_type="text/plain; charset=utf-8")
    encode, content_type = _encoder(request.headers.get("Accept", ""))
    registry = metrics.registry()
    registry.register(PipelineCollector(vitals.take()))
    return HttpResponse(encode(registry), content_type=content_type)


def _encoder(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """The format that was asked for; the usual one where that is none."""
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is no number
        return choose_encoder("")


def _is_near(request: HttpRequest) -> bool:
    """Whether the peer itself asks, from an allowed network.

    A header never lets anyone in. What comes through a proxy has the proxy's address, often loopback, and
    so is never near: it needs a token.
    """
    if any(name in request.META for name in FORWARDING):
        return False
    return is_trusted(str(request.META.get("REMOTE_ADDR") or ""), conf.metrics_networks)


def _bears_token(request: HttpRequest) -> bool:
    secret = tokens.bearer(request.headers.get("Authorization", ""))
    if secret is None:
        return False
    with deadline(connections[conf.database], AUTH_SECONDS):
        token = tokens.recognise(secret)
        if token is not None:
            tokens.note_use(token)
    return token is not None
