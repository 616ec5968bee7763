"""The admin's pages of the cutover: modes are chosen there, verifications and readiness looked at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from gateway import modes
from gateway.admin.navigation import sections
from gateway.models import ModeChange
from stats.models import VerificationReport
from stats.verification import Report, Verdict
from stats.verification import store as keep
from stats.verification.shapes import Hour, Inside, RollupMismatch, Route
from tests.integration.admin_pages import staff
from tests.integration.admin_rows import SCRIPT

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

MODES = "/admin/gateway/modechange/"
REPORTS = "/admin/stats/verificationreport/"
READINESS = f"{REPORTS}readiness/"
DAY = datetime(2025, 11, 23, tzinfo=UTC)


@pytest.fixture
def admin(store: None, admin_client: Client) -> Iterator[Client]:
    yield admin_client
    modes.forget()


def report(**changes: object) -> Report:
    values: dict[str, object] = {
        "since": DAY,
        "until": DAY + timedelta(days=1),
        "made_at": DAY + timedelta(days=1, hours=2),
        "seconds": 1.5,
        "tolerance": 0.01,
        "verdict": Verdict.FAILS,
        "error": 0.0123,
        "findings": [f"route {SCRIPT}: 50 in the queue path, 25 in the collector"],
        "hours": [
            Hour(
                hour=DAY,
                mode="dual",
                sample_rate=0.01,
                queue=4_950,
                collector=5_000,
                missing_in_queue=50,
                verdict=Verdict.FAILS,
            )
        ],
        "routes": [Route(route=SCRIPT, queue=50, collector=25, missing_in_collector=25)],
        "missing_in_queue": [f"1763856000{number:03d}-00000000" for number in range(300)],
        "missing_in_collector": [],
        "explained": {"waiting to be replayed": 40, "dead letters": 0, "nowhere": 10},
        "inside": Inside(rows=4_950, mismatches=[RollupMismatch(hour=DAY, rows=1, totals=2, routes=3)]),
        **changes,
    }
    return Report(**values)  # type: ignore[arg-type]


# --- modes -------------------------------------------------------------------------------------------


def test_a_mode_is_chosen_and_in_force_with_who_and_why(admin):
    answer = admin.post(f"{MODES}add/", {"mode": "sample", "sample_rate": "0.05", "note": "a week of dual"})
    assert answer.status_code == 302
    assert modes.in_force() == modes.InForce("sample", 0.05)
    row = ModeChange.objects.first()
    assert (row.changed_by, row.note) == ("admin", "a week of dual")
    assert LogEntry.objects.get().object_id == str(row.pk)
    page = admin.get(MODES).content.decode()
    assert "5.000%" in page
    assert "the settings (STATS_MODE)" in page
    assert "a week of dual" in admin.get(f"{MODES}{row.pk}/change/").content.decode()


@pytest.mark.parametrize(
    ("mode", "rate"), [("both", "0.1"), ("sample", "0"), ("sample", "1.5"), ("sample", "nan"), ("", "0.1")]
)
def test_a_wrong_choice_is_refused_in_the_form(admin, mode, rate):
    answer = admin.post(f"{MODES}add/", {"mode": mode, "sample_rate": rate, "note": ""})
    assert answer.status_code == 200
    assert not ModeChange.objects.exists()


def test_the_form_begins_with_what_is_in_force(admin, settings):
    settings.STATS_MODE = "dual"
    page = admin.get(f"{MODES}add/").content.decode()
    assert '<option value="dual" selected>' in page


def test_history_is_not_rewritten(admin):
    made = modes.change("dual", by="ann")
    assert admin.post(f"{MODES}{made.pk}/change/", {"mode": "queue", "sample_rate": "0.5"}).status_code == 403
    assert admin.post(f"{MODES}{made.pk}/delete/", {"post": "yes"}).status_code == 403
    assert ModeChange.objects.first().mode == "dual"


def test_who_may_look_may_not_choose(store):
    client = staff("view_modechange")
    assert client.get(MODES).status_code == 200
    assert client.get(f"{MODES}add/").status_code == 403
    assert client.post(f"{MODES}add/", {"mode": "queue", "sample_rate": "0.1"}).status_code == 403


def test_staff_without_permissions_see_none_of_the_pages(store):
    client = staff()
    assert [client.get(url).status_code for url in (MODES, REPORTS, READINESS)] == [403, 403, 403]


# --- verifications -----------------------------------------------------------------------------------


def test_a_report_shows_what_differs_and_runs_nothing_of_it(admin):
    row = keep(report())
    assert "does not hold" in admin.get(REPORTS).content.decode()
    page = admin.get(f"{REPORTS}{row.pk}/change/").content.decode()

    assert SCRIPT not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;: 50 in the queue path" in page
    for shown in ("1.230%", "4,950", "of these: 40 waiting to be replayed", "and 100 more", "1 hours whose"):
        assert shown in page


def test_a_report_of_another_version_is_shown_as_far_as_it_goes(admin):
    row = keep(report())
    VerificationReport.objects.update(details={"hours": 7})
    page = admin.get(f"{REPORTS}{row.pk}/change/").content.decode()
    assert "made by another version" in page
    assert "1.230%" in page


def test_a_report_that_holds_says_so(admin):
    row = keep(report(verdict=Verdict.HOLDS, error=0.0, findings=[], routes=[], missing_in_queue=[]))
    page = admin.get(f"{REPORTS}{row.pk}/change/").content.decode()
    assert "Every route is counted alike." in page
    assert "Nothing." in page


def test_nothing_verified_says_what_to_do(admin):
    assert "verify_counts --store" in admin.get(REPORTS).content.decode()


# --- readiness ---------------------------------------------------------------------------------------


def test_the_gate_is_shown_with_what_to_do(admin):
    page = admin.get(READINESS).content.decode()
    assert "The gate is closed" in page
    assert "manage.py fallback_drill, while there is traffic" in page
    assert page.count("not enough data") >= 5


def test_the_sidebar_leads_there_and_marks_one_page(admin):
    assert READINESS in admin.get("/admin/").content.decode()
    for url, title in ((READINESS, "Readiness"), (REPORTS, "Verification"), (f"{MODES}add/", "Mode")):
        request = RequestFactory().get(url)
        request.user = User.objects.get(username="admin")
        items = [item for section in sections(request) for item in section["items"]]
        assert [item["title"] for item in items if item["active"]] == [title]
