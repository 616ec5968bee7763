"""Jobs: run now, by the clock or not at all, and what came of it."""

from __future__ import annotations

import fcntl
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.urls import reverse
from django_q.models import Schedule

from gateway import queue
from gateway.models import QueuedBatch
from legacy_collector.collector import collect
from stats import background, jobs, tasks
from stats.models import JobRun, VerificationReport
from tests.integration.admin_pages import texts

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


@pytest.fixture
def started(store, monkeypatch) -> list[tuple[str, ...]]:
    """What would have been started."""
    commands: list[tuple[str, ...]] = []

    def start(*command: str, alone_as: str = "") -> bool:
        commands.append((*command, alone_as))
        return True

    monkeypatch.setattr(background, "start", start)
    return commands


@pytest.fixture
def at_once(store, monkeypatch) -> None:
    """What is started is over when it was started."""

    def start(*command: str, alone_as: str = "") -> bool:
        with pytest.raises(SystemExit):
            call_command(*command, stdout=StringIO())
        return True

    monkeypatch.setattr(background, "start", start)


def run(client, job, **more):
    return client.post(reverse("admin:stats_job_run"), {"job": job, **more}, follow=True)


# --- a run -------------------------------------------------------------------------------------------


def test_every_job_runs_and_says_what_came_of_it(at_once):
    for job in jobs.JOBS.values():
        jobs.begin(job, by="ada")
    rows = list(JobRun.objects.order_by("pk"))
    assert [row.job for row in rows] == list(jobs.JOBS)
    for row in rows:
        assert (row.asked_by, row.exit_code in (0, 1), row.ended_at is not None) == ("ada", True, True)
        assert row.output


def test_a_job_that_still_runs_is_not_started_twice(store, settings):
    folder = settings.VAR_DIR / "background"
    folder.mkdir(exist_ok=True)
    with open(folder / "readiness.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        found = jobs.begin(jobs.JOBS["readiness"], by="ada")
    assert (found.exit_code, found.output) == (1, jobs.STILL_RUNS)


def test_a_job_that_fails_says_why(at_once, monkeypatch):
    bad = jobs.Job("verify_counts", "Verification", "", arguments=("--days", "0"))
    jobs.begin(bad)
    found = JobRun.objects.get()
    assert (found.exit_code, found.output) == (2, "--days: 0 is not at least 1")


def test_one_that_was_killed_is_ended_by_the_next(started, at_once):
    lost = JobRun.objects.create(job="readiness")
    jobs.begin(jobs.JOBS["readiness"])
    lost.refresh_from_db()
    assert (lost.exit_code, lost.output, lost.ended_at is not None) == (None, jobs.NO_WORD, True)


def test_the_last_runs_of_each_job_are_kept(at_once, monkeypatch):
    monkeypatch.setattr(jobs, "KEPT", 3)
    for _ in range(5):
        jobs.begin(jobs.JOBS["roll_up_days"])
    jobs.begin(jobs.JOBS["refresh_snapshot"])
    assert [JobRun.objects.filter(job=job).count() for job in ("roll_up_days", "refresh_snapshot")] == [3, 1]


def test_the_command_takes_a_run_that_is_known(store):
    with pytest.raises(CommandError, match="run: 7 is none that is known"):
        call_command("run_job", "7")


def test_the_clock_s_runs_are_kept_like_any_other(started):
    tasks.verify_counts()
    tasks.apply_retention()
    rows = list(JobRun.objects.order_by("pk"))
    assert [(row.job, row.arguments, row.asked_by) for row in rows] == [
        ("verify_counts", ["--store"], ""),
        ("apply_retention", [], ""),
    ]
    assert started == [(jobs.COMMAND, str(row.pk), row.job) for row in rows]


# --- the page ----------------------------------------------------------------------------------------


def test_the_page_lists_each_job_with_its_clock_and_its_last_run(admin_client, at_once):
    run(admin_client, "roll_up_days")
    Schedule.objects.create(name="of somebody else", func="os.getpid", schedule_type=Schedule.HOURLY)
    response = admin_client.get(reverse("admin:stats_jobs"))
    shown = {one.job.name: one for one in response.context["jobs"]}
    assert set(shown) == set(jobs.JOBS)
    assert shown["verify_counts"].clock.every == "40 1 * * *"
    assert (shown["readiness"].clock, shown["readiness"].run) == (None, None)
    assert (shown["roll_up_days"].run.exit_code, shown["roll_up_days"].who) == (0, "admin")
    assert [clock.name for clock in response.context["others"]][-1:] == ["of somebody else"]


def test_run_now_starts_it_and_shows_the_outcome(admin_client, at_once):
    response = run(admin_client, "readiness")
    found = JobRun.objects.get()
    assert response.redirect_chain[-1][0] == reverse("admin:stats_jobrun_change", args=[found.pk])
    assert "not all is well" in response.content.decode()
    assert "Not ready" in response.content.decode()
    assert LogEntry.objects.get().change_message == "Ran readiness"


def test_the_page_of_a_run_is_watched_until_it_has_ended(admin_client, started):
    response = run(admin_client, "readiness")
    shown = response.content.decode()
    assert "running" in shown
    assert "data-watched" in shown
    JobRun.objects.update(ended_at="2026-01-01T00:00Z", exit_code=0)
    assert "data-watched" not in admin_client.get(response.redirect_chain[-1][0]).content.decode()


def test_a_verification_takes_the_hours_that_are_chosen(admin_client, at_once):
    run(admin_client, "verify_counts", since="2026-01-01T10:00", until="2026-01-01T12:00")
    report = VerificationReport.objects.get()
    assert (report.since.hour, report.until.hour, report.since.day) == (10, 12, 1)


def test_hours_that_can_not_be_are_told_at_their_field(admin_client, started):
    for since, until, told in (
        ("2026-01-01T10:00", "", "Both, or neither"),
        ("2026-01-01T10:30", "2026-01-01T12:00", "Whole hours only"),
        ("2026-01-01T12:00", "2026-01-01T12:00", "Not after the beginning."),
        ("2999-01-01T10:00", "2999-01-01T12:00", "Not over yet."),
        ("yesterday", "2026-01-01T12:00", "Enter a valid date/time."),
    ):
        response = run(admin_client, "verify_counts", since=since, until=until)
        assert (response.status_code, told in response.content.decode()) == (200, True)
    assert started == []
    run(admin_client, "verify_counts", since="0001-01-01T00:00", until="9999-12-31T23:00")
    assert len(started) == 1


def test_no_other_command_can_be_run(admin_client, started):
    jobs_asked = ("", "x", "replay_fallback", "\x00")
    assert {run(admin_client, job).status_code for job in jobs_asked} == {400}
    assert started == []


def test_a_schedule_is_switched_off_and_on(admin_client):
    schedule = Schedule.objects.get(func="stats.tasks.apply_retention")
    for on, repeats, told in (("0", 0, "is switched off."), ("1", -1, "runs by the clock.")):
        response = admin_client.post(
            reverse("admin:stats_job_switch"), {"schedule": schedule.pk, "on": on}, follow=True
        )
        schedule.refresh_from_db()
        assert (schedule.repeats, told in texts(response)[0]) == (repeats, True)
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == [
        "Switched off",
        "Switched on",
    ]
    wrong = {"schedule": "x", "on": "1"}
    assert admin_client.post(reverse("admin:stats_job_switch"), wrong).status_code == 400


# --- the fallback ------------------------------------------------------------------------------------


def test_what_waits_is_shown_and_replayed_now(admin_client, at_once, make_event):
    page = reverse("admin:stats_fallback")
    assert "nothing is missing in the queue" in admin_client.get(page).content.decode()
    collect([make_event() for _ in range(3)], {"fallback"}, replay=True)
    collect([make_event()], {"legacy"}, replay=True)
    context = admin_client.get(page).context
    assert context["waiting"] == "4"
    assert {str(why): count for why, count in context["reasons"]} == {
        "the queue refused them": "3",
        "collected in mode legacy": "1",
    }

    response = admin_client.post(reverse("admin:stats_fallback_replay"), follow=True)

    assert "Replayed 4 events; 0 still wait." in response.content.decode()
    assert QueuedBatch.objects.get().events == queue.depth().events == 4
    assert "Replayed 4 events" in admin_client.get(page).content.decode()
    assert LogEntry.objects.get().change_message == "Ran replay_fallback"


def test_a_collector_that_can_not_be_asked_is_said(admin_client, store, monkeypatch):
    from legacy_collector import held
    from legacy_collector.database import CollectorRefused

    def refuse() -> None:
        raise CollectorRefused("it is <b>locked</b>")

    monkeypatch.setattr(held, "waiting", refuse)
    shown = admin_client.get(reverse("admin:stats_fallback")).content.decode()
    assert "The collector can't be asked: it is &lt;b&gt;locked&lt;/b&gt;" in shown
