"""Requests are grouped by pattern, or by a path without its ids."""

from __future__ import annotations

import pytest
from django.urls import include, path, re_path, resolve
from hypothesis import given
from hypothesis import strategies as st

from gateway.events import MAX_ROUTE
from gateway.routes import NOT_FOUND, PLACEHOLDER, normalize_path, route_of


def view(request, **kwargs):
    """Never called."""


urlpatterns = [
    path("", view),
    path("users/<int:pk>/", view),
    path("shop/", include([path("items/<slug:name>", view), re_path(r"^old/(?P<year>[0-9]{4})/$", view)])),
    re_path(r"^exact\Z", view),
    re_path(r"^any/.*$", view),
    re_path(r"^some/.+", view),
    path("files/<path:rest>", view),
]


@pytest.mark.parametrize(
    ("requested", "route"),
    [
        ("/", "/"),
        ("/users/12/", "/users/<int:pk>/"),
        ("/shop/items/blue-12", "/shop/items/<slug:name>"),
        ("/shop/old/2024/", "/shop/old/(?P<year>[0-9]{4})/"),
        ("/exact", "/exact"),
        ("/any/12/x", "/any/{id}/x"),
        ("/some/12/x", "/some/{id}/x"),
        ("/files/a/12.txt", "/files/a/12.txt"),
    ],
)
def test_a_matched_pattern_is_the_route_unless_it_takes_any_rest(requested, route):
    assert route_of(requested, resolve(requested, urlconf=__name__).route) == route


def test_an_unmatched_path_is_its_own_route():
    assert route_of("/wp-login.php", None) == "/wp-login.php"
    assert route_of("/orders/17", None) == "/orders/{id}"


def test_unmatched_requests_that_were_not_found_share_a_route(settings):
    routes = {route_of(path, pattern, 404) for path in ("/a", "/b/1") for pattern in (None, "<path:rest>")}
    assert routes == {NOT_FOUND}
    assert route_of("/orders/17", "orders/<int:pk>", 404) == "/orders/<int:pk>"

    settings.STATS_GROUP_NOT_FOUND = False
    assert route_of("/b/1", None, 404) == "/b/{id}"


def test_ids_are_left_in_the_path_where_that_is_wanted(settings):
    settings.STATS_NORMALIZE_IDS = False
    assert route_of("/orders/17", None) == "/orders/17"


@pytest.mark.parametrize(
    "segment",
    [
        "0",
        "12345678901234567890",
        "7d444840-9dc0-11d1-b245-5ffdce74fad2",
        "7D444840-9DC0-11D1-B245-5FFDCE74FAD2",
        "d41d8cd98f00b204e9800998ecf8427e",
        "2024-02-29",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    ],
)
def test_an_id_like_segment_is_replaced(segment):
    assert normalize_path(f"/a/{segment}/b") == f"/a/{PLACEHOLDER}/b"


@pytest.mark.parametrize(
    "path", ["/v1/docs:batchGet", "/api/v2", "/deadbeef", "/deadbeefdeadbeef", "/a1", "/x-1", "//", "/1.txt"]
)
def test_a_segment_that_says_something_is_kept(path):
    assert normalize_path(path) == path


@given(st.text())
def test_a_path_normalizes_once(text):
    normalized = normalize_path(text)
    assert normalize_path(normalized) == normalized
    assert normalized.count("/") == text.count("/")


@given(st.text(min_size=1), st.one_of(st.none(), st.text()))
def test_a_route_is_storable_whatever_matched(text, pattern):
    route = route_of(text, pattern)
    assert 1 <= len(route) <= MAX_ROUTE
    assert "\x00" not in route
    route.encode()
