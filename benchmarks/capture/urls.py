"""The one view of the measured app."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.urls import path


def item(request: HttpRequest, area: str, number: int) -> JsonResponse:
    return JsonResponse({"area": area, "number": number, "name": "a thing that somebody asked for"})


urlpatterns = [path("api/<slug:area>/items/<int:number>", item)]
