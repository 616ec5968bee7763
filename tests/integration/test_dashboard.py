"""The admin's first page shows what the reports say, how the pipeline is, and what to do where nothing is."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from gateway import queue
from gateway.events import TrafficEvent, encode
from legacy_collector.collector import collect
from stats import read_from, reports
from stats.consumer import drain
from stats.dashboard.strip import strip
from stats.models import Event
from tests.integration.admin_pages import staff
from tests.integration.api_traffic import ROUTES, database_away, traffic

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _as_the_settings_say(store: None) -> Iterator[None]:
    yield
    read_from.forget()


@pytest.fixture
def events(make_event: Callable[..., TrafficEvent]) -> list[TrafficEvent]:
    return traffic(make_event)


def page(client: Client, address: str = "") -> str:
    answer = client.get(f"/admin/{address}")
    assert answer.status_code == 200
    return answer.content.decode()


def plain(text: str) -> str:
    """What a reader sees."""
    without = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", without)).split())


def charts(text: str) -> dict[str, Any]:
    found = re.findall(r'aria-label="([^:"]+): [^"]*" data-type="\w+" data-value="([^"]+)"', text)
    return {title: json.loads(html.unescape(data)) for title, data in found}


def test_its_figures_are_those_of_the_reports(events: list[TrafficEvent], admin_client: Client) -> None:
    seen = plain(page(admin_client))
    found = reports.overview(reports.Range.last("24h")).current
    assert found.requests == len(events) == Event.objects.count()
    assert f"Requests {found.requests}" in seen
    assert f"Error rate {found.error_rate:.1%}" in seen
    assert found.clients is not None
    assert f"Clients {found.clients.estimate:.0f}" in seen
    for route in ROUTES:
        assert route in seen


def test_its_charts_add_up_to_the_requests(events: list[TrafficEvent], admin_client: Client) -> None:
    for last in ("1h", "24h", "7d", "30d"):
        found = charts(page(admin_client, f"?last={last}"))
        shown = sum(sum(one["data"]) for one in found["Requests"]["datasets"])
        assert shown == reports.overview(reports.Range.last(last)).current.requests, last
    assert set(found) == {"Requests", "Response times, ms", "Clients"}


def test_its_percentiles_are_those_of_the_hours(events: list[TrafficEvent], admin_client: Client) -> None:
    lines = {
        one["label"]: one["data"] for one in charts(page(admin_client))["Response times, ms"]["datasets"]
    }
    series = reports.timeseries(reports.Range.last("24h"), has_quantiles=True)
    assert set(lines) == {"p50", "p95", "p99"}
    for rank, values in lines.items():
        assert values == [getattr(bucket, rank) for bucket in series.buckets]
    known = [(bucket.p50, bucket.p95, bucket.p99) for bucket in series.buckets if bucket.requests]
    assert all(p50 <= p95 <= p99 for p50, p95, p99 in known)


def test_routes_are_searched_for_and_sorted(events: list[TrafficEvent], admin_client: Client) -> None:
    seen = plain(page(admin_client, "?search=orders&sort=p95"))
    table = seen[seen.index("Route Requests") :]
    assert "/api/orders" in table
    assert "/api/items" not in table
    assert "No route holds" in plain(page(admin_client, "?search=nowhere"))


def test_a_wrong_range_is_named_and_the_rest_stays(events: list[TrafficEvent], admin_client: Client) -> None:
    seen = plain(page(admin_client, "?start=yesterday&end=2025-11-23T12:00"))
    assert "start: 'yesterday' is no time, like 2025-11-23T12:00" in seen
    assert "Dead letters" in seen


def test_before_the_first_request_it_says_what_to_do(admin_client: Client, settings: Any) -> None:
    settings.TEST_ENDPOINT = True
    seen = plain(page(admin_client))
    assert "Nothing was counted in this time" in seen
    assert "curl http://testserver/api/test" in seen
    assert "replay_access_log" in seen


def test_stored_text_is_no_markup(make_event: Callable[..., TrafficEvent], admin_client: Client) -> None:
    now = int(time.time() * 1000)
    hostile = {"route": SCRIPT, "path": SCRIPT, "user_agent": SCRIPT, "country": "", "timestamp": now}
    queue.send([encode(make_event(**hostile))])
    drain()
    text = page(admin_client, f"?search={SCRIPT}")
    assert SCRIPT not in text
    assert html.escape(SCRIPT) in text


@pytest.mark.parametrize("address", ["?last=%00", "?search=%00", "?start=%00", "?sort=x&compare=y", "?p=9"])
def test_an_absurd_address_breaks_nothing(
    events: list[TrafficEvent], admin_client: Client, address: str
) -> None:
    assert "Requests" in page(admin_client, address)


def test_times_are_those_of_the_viewer_s_zone(events: list[TrafficEvent], admin_client: Client) -> None:
    utc = charts(page(admin_client))["Requests"]["labels"]
    admin_client.cookies["tallygate_zone"] = "Asia/Tokyo"
    assert charts(page(admin_client))["Requests"]["labels"] != utc
    admin_client.cookies["tallygate_zone"] = "../etc/passwd"
    assert charts(page(admin_client))["Requests"]["labels"] == utc


def test_the_read_path_answers_here_too(events: list[TrafficEvent], admin_client: Client) -> None:
    collect(events[:40], {"dual"}, replay=False)
    read_from.change(read_from.ReadSettings(0), by="ann")
    seen = plain(page(admin_client))
    assert "Answered by the legacy collector" in seen
    assert "Requests 40" in seen


def test_who_may_not_view_statistics_gets_the_list_of_pages(events: list[TrafficEvent], store: None) -> None:
    client = staff("view_event")
    text = page(client)
    assert 'id="tg-dashboard"' not in text
    assert 'id="tg-dashboard"' in page(staff_with_statistics())
    assert "Dead letters" not in plain(text)


def staff_with_statistics() -> Client:
    from django.contrib.auth.models import User

    User.objects.all().delete()
    return staff("view_pathstatshourly")


# --- the strip ---------------------------------------------------------------------------------------


def sign(name: str) -> tuple[str, str]:
    found = {one.name: one for one in strip()}[name]
    return found.figure, found.state


def test_each_part_has_a_figure_a_state_and_a_place_to_go(events: list[TrafficEvent]) -> None:
    found = strip()
    assert [one.name for one in found] == [
        *("Waiting", "Oldest", "Coming in", "Counted", "Consumer", "Dead letters"),
        *("Fallback", "Journal", "Mode", "Verification"),
    ]
    assert all(one.link for one in found if one.name != "Journal")
    assert sign("Waiting") == ("0 events", "good")
    assert sign("Mode") == ("queue", "good")
    assert sign("Consumer")[1] == "good"


def test_a_part_that_needs_repair_says_so(make_event: Callable[..., TrafficEvent]) -> None:
    queue.send([encode(make_event())])
    queue.enqueue([("[7]", 1)])
    assert sign("Waiting") == ("2 events", "good")
    drain()
    assert sign("Dead letters") == ("1 new", "warning")
    collect([make_event()], {"fallback"}, replay=True)
    assert sign("Fallback") == ("1 waiting", "warning")


def test_a_database_that_is_away_is_the_first_thing_said() -> None:
    with database_away():
        found = {one.name: one for one in strip()}
    assert found["Database"].state == "bad"
    assert found["Fallback"].figure == "0 waiting"
    assert found["Mode"].figure == "queue"


def test_all_of_it_on_an_empty_database_is_known(store: None) -> None:
    states = {one.name: one.state for one in strip()}
    assert states["Consumer"] == "warning"
    assert states["Verification"] == "unknown"
    assert set(states.values()) == {"good", "warning", "unknown"}


# --- one route ---------------------------------------------------------------------------------------

ROUTE = "/admin/stats/pathstatshourly/route/"


def test_the_page_of_a_route_says_what_its_report_says(
    events: list[TrafficEvent], admin_client: Client
) -> None:
    route = ROUTES[0]
    text = admin_client.get(ROUTE, {"route": route}).content.decode()
    mine = [event for event in events if event.route == route]
    seen = plain(text)
    assert f"Requests {len(mine)}" in seen
    found = charts(text)
    assert sum(sum(one["data"]) for one in found["Requests"]["datasets"]) == len(mine)
    assert sum(found["How long requests took, %"]["datasets"][0]["data"]) == pytest.approx(100, abs=0.1)
    newest_error = [event for event in mine if event.status >= 400][-1]
    slowest = max(mine, key=lambda event: event.response_time)
    for event in (newest_error, slowest):
        assert f"/admin/stats/event/{event.idempotent_id}/change/" in text
    assert (
        f"newest {len(mine)} events in this time; errors and slow requests of its newest {len(mine)}." in seen
    )


def test_a_click_on_a_route_keeps_the_range(events: list[TrafficEvent], admin_client: Client) -> None:
    text = html.unescape(page(admin_client, "?last=7d&search=orders"))
    link = next(found for found in re.findall(r'href="([^"]+)"', text) if found.startswith(ROUTE))
    assert link == f"{ROUTE}?route=%2Fapi%2Forders&last=7d"
    answer = html.unescape(admin_client.get(link).content.decode())
    assert 'href="/admin/?last=7d"' in answer


def test_a_route_that_nobody_asked_for_has_zeros(admin_client: Client) -> None:
    assert "Requests 0" in plain(admin_client.get(ROUTE, {"route": "/nowhere"}).content.decode())
    assert admin_client.get(ROUTE).status_code == 404


def test_who_may_not_view_events_sees_none_of_them(events: list[TrafficEvent], store: None) -> None:
    client = staff("view_pathstatshourly")
    seen = plain(client.get(ROUTE, {"route": ROUTES[0]}).content.decode())
    assert "Requests 30" in seen
    assert "Slowest requests" not in seen


def test_who_may_not_view_statistics_sees_no_route(events: list[TrafficEvent], store: None) -> None:
    assert staff("view_event").get(ROUTE, {"route": ROUTES[0]}).status_code == 403


def test_a_hostile_route_is_no_markup(make_event: Callable[..., TrafficEvent], admin_client: Client) -> None:
    now = int(time.time() * 1000)
    fields = {"route": SCRIPT, "path": SCRIPT, "timestamp": now, "status": 500}
    queue.send([encode(make_event(**fields))])
    drain()
    text = admin_client.get(ROUTE, {"route": SCRIPT}).content.decode()
    assert SCRIPT not in text
    assert html.escape(SCRIPT) in text
