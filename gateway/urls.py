"""The project's URLs. Composition only: each page lives with the app that serves it."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path, re_path
from django.views.generic import RedirectView

from gateway import views

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="root"),
    path("admin/", admin.site.urls),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("favicon.ico", views.favicon, name="favicon"),
    path("api/test", views.api_test, name="api_test"),
    # Not `<path:…>`, which takes neither an empty rest nor a line break; a replayed path may have both.
    re_path(r"^api/test/.*", views.api_test),
]
