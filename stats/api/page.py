"""The page of the API's document."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from ninja import NinjaAPI, Swagger
from ninja.openapi.docs import ABS_TPL_PATH


class Page(Swagger):
    """With scripts of this server wherever Django finds ninja's files, so that ninja need be no app.

    As an app every process would load it, with all of pydantic. Without its files they come from a CDN.
    """

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        if _is_found(self.template):
            # Which ninja takes by its path where it is no app.
            self.template_cdn = str(ABS_TPL_PATH / "swagger.html")
        return super().render_page(request, api, **kwargs)


def _is_found(template: str) -> bool:
    try:
        get_template(template)
    except TemplateDoesNotExist:
        return False
    return True
