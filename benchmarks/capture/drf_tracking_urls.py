"""The view with drf-api-tracking's mixin."""

from __future__ import annotations

from django.urls import path
from rest_framework_tracking.mixins import LoggingMixin

from benchmarks.capture.drf_urls import Item


class TrackedItem(LoggingMixin, Item):
    pass


urlpatterns = [path("api/<slug:area>/items/<int:number>", TrackedItem.as_view())]
