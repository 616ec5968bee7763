"""The project's URLs. Composition only: each page lives with the app that serves it."""

from __future__ import annotations

from django.contrib import admin
from django.http import Http404
from django.urls import include, path, re_path
from django.views.defaults import page_not_found
from django.views.generic import RedirectView
from django.views.i18n import set_language

from gateway import views
from gateway.login_page import log_in

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="root"),
    # Django's "view on site", which no page here offers, asks the database for whatever the path says.
    re_path(r"^admin/r/", page_not_found, {"exception": Http404()}),
    path("admin/language/", set_language, name="set_language"),  # where unfold's switch sends its choice
    path("admin/login/", log_in),  # before the admin's own, whose name it keeps
    path("admin/", admin.site.urls),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("favicon.ico", views.favicon, name="favicon"),
    path("", include("stats.urls")),
    path("api/test", views.api_test, name="api_test"),
    # Not `<path:…>`, which takes neither an empty rest nor a line break; a replayed path may have both.
    re_path(r"^api/test/.*", views.api_test),
]
