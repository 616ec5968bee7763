"""What this app answers: the API, and `/metrics`."""

from __future__ import annotations

from django.urls import include, path, re_path

from stats.api.application import api
from stats.api.guard import guarded, nothing
from stats.exposition import metrics_view

_patterns, _app_name, _namespace = api.urls

urlpatterns = [
    path("stats/api/", include(([guarded(one) for one in _patterns], _app_name), namespace=_namespace)),
    re_path(r"^stats/api(?:/(?P<path>.*))?$", nothing),
    path("metrics", metrics_view, name="metrics"),
]
