"""The API put together: its routers, its errors, and its document."""

from __future__ import annotations

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.schema import NinjaGenerateJsonSchema

from stats.api import dead_letters, events, failures, pipeline, reports, routes
from stats.api.authentication import ANYONE_KNOWN
from stats.api.page import Page
from stats.api.problems import MEDIA_TYPE, Problem

DESCRIPTION = """\
Figures of the requests that passed the gateway. All endpoints only read.

Send `Authorization: Bearer tg_…` (tokens are made in the admin), or use the session of a staff user.
Durations are milliseconds, times ISO 8601 with their offset. Counts are exact; whatever is an estimate says
so beside its value (`is_exact`, `is_lower_bound`, `estimated`, bounds). `coverage` is the time that the
figures are really about, and `data_source` where they come from. Errors are problem details (RFC 9457): 422
for a parameter of the wrong form, 400 for one that can't be used.
"""
ERRORS = {
    400: "A parameter that can't be used",
    401: "No token or session, or one that is not known",
    403: "Not a staff user, or not permitted",
    404: "Nothing is there",
    405: "Only GET is allowed",
    422: "A parameter of the wrong form",
    500: "Something went wrong here",
    503: "The database is away, or the answer took too long",
}
TABLES = ("routes", "timeseries", "top_values", "events", "dead_letters")


class StatsAPI(NinjaAPI):
    """Adds to the document what every operation has in common."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        document = super().get_openapi_schema(**options)
        document["components"]["schemas"].update(_problem_schemas())
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"].update(_errors())
                if operation["operationId"] in TABLES:
                    operation["responses"][200]["content"]["text/csv"] = {"schema": {"type": "string"}}
        return document


def _errors() -> dict[int, dict[str, Any]]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    found: dict[int, dict[str, Any]] = {
        status: {"description": text, "content": content} for status, text in ERRORS.items()
    }
    found[401]["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}, "required": True}}
    return found


def _problem_schemas() -> dict[str, Any]:
    schema = Problem.model_json_schema(
        ref_template="#/components/schemas/{model}",
        schema_generator=NinjaGenerateJsonSchema,
        mode="serialization",
    )
    return {**schema.pop("$defs"), "Problem": schema}


api = StatsAPI(
    title="Tallygate statistics",
    version="1",
    description=DESCRIPTION,
    urls_namespace="stats-api",
    # By default it has the document of every host but localhost judged by another.
    docs=Page({"validatorUrl": None}),
    auth=ANYONE_KNOWN,
)
failures.answer_with_problems(api)
for _module in (reports, routes, events, dead_letters, pipeline):
    api.add_router("", _module.router)
