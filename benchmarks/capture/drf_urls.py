"""The view as Django REST framework has it."""

from __future__ import annotations

from django.urls import path
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class Item(APIView):
    renderer_classes = [JSONRenderer]

    def get(self, request: Request, area: str, number: int) -> Response:
        return Response({"area": area, "number": number, "name": "a thing that somebody asked for"})


urlpatterns = [path("api/<slug:area>/items/<int:number>", Item.as_view())]
