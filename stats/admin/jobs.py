"""Admin pages of the jobs: what runs by the clock, what came of it, and a button to run it now."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import Error
from django.forms import Script
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_q.models import Schedule
from unfold.decorators import display

from gateway.admin import text
from gateway.admin.readonly import ReadOnlyAdmin
from gateway.conf import conf
from stats import jobs
from stats.admin import fallback, job_list
from stats.admin.actions import acting, allowed, write_down
from stats.admin.job_forms import HoursForm
from stats.errors import one_line
from stats.models import JobRun

FOREVER = -1  # django-q2's repeats of a schedule; 0 switches it off


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyAdmin):
    """What was run, newest first."""

    list_display = ("started", "job_shown", "outcome", "took", "who", "said")
    list_deferred: ClassVar = ()
    fields = ("job_shown", "outcome", "started", "took", "who", "command", "process", "output_shown")
    change_form_outer_before_template = "stats/jobs/run_under_way.html"
    empty_text = _("No job has run yet.")

    class Media:
        css = {"all": ["stats/queue.css"]}
        js = (Script("stats/watched.js", defer=True),)

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        return [
            path("jobs/", guarded(self.jobs_view), name="stats_jobs"),
            path("jobs/run/", guarded(self.run_view), name="stats_job_run"),
            path("jobs/switch/", guarded(self.switch_view), name="stats_job_switch"),
            path("fallback/", guarded(self.fallback_view), name="stats_fallback"),
            path("fallback/replay/", guarded(self.replay_view), name="stats_fallback_replay"),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        context["took"] = self.took(obj)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    # --- the jobs --------------------------------------------------------------------------------------

    def jobs_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._jobs_page(request, HoursForm())

    def _jobs_page(self, request: HttpRequest, form: HoursForm) -> HttpResponse:
        context = {
            **self._page(request, _("Jobs")),
            "jobs": job_list.jobs_shown(request),
            "others": job_list.other_schedules(),
            "form": form,
        }
        return TemplateResponse(request, "stats/jobs/jobs.html", context)

    @acting("run")
    def run_view(self, request: HttpRequest) -> HttpResponse:
        job = jobs.JOBS.get(request.POST.get("job", ""))
        if job is None or job.permission != "stats.run_job":
            raise BadRequest("job: there is none of this name that is run here.")
        arguments: list[str] = []
        if job is jobs.VERIFICATION:
            form = HoursForm(request.POST)
            if not form.is_valid():
                return self._jobs_page(request, form)
            arguments = form.arguments
        return self._begin(request, job, arguments)

    @acting("switch")
    def switch_view(self, request: HttpRequest) -> HttpResponse:
        """Has the clock leave a schedule out, or take it up again."""
        number, wanted = request.POST.get("schedule", ""), request.POST.get("on", "")
        if not number.isascii() or not number.isdigit() or len(number) > 18 or wanted not in ("0", "1"):
            raise BadRequest("schedule, on: a number, and 0 or 1.")
        schedule = get_object_or_404(Schedule.objects.using(conf.database), pk=int(number))
        is_on = wanted == "1"
        schedule.repeats = FOREVER if is_on else 0
        schedule.save(update_fields=["repeats"])
        told = gettext("%(name)s runs by the clock.") if is_on else gettext("%(name)s is switched off.")
        messages.success(request, told % {"name": text.whole(schedule.name or schedule.func)})
        write_down(request, Schedule, "Switched on" if is_on else "Switched off", schedule)
        return redirect("admin:stats_jobs")

    def _begin(self, request: HttpRequest, job: jobs.Job, arguments: list[str]) -> HttpResponse:
        try:
            run = jobs.begin(job, request.user.get_username(), arguments)
        except Error as error:
            messages.error(request, gettext("Not started: %(error)s") % {"error": one_line(error)})
            return redirect("admin:stats_jobs")
        command = " ".join([job.name, *run.arguments])
        write_down(request, JobRun, f"Ran {command}", run)
        if run.ended_at is None:
            messages.info(request, gettext("Started. This page shows what comes of it."))
        return redirect("admin:stats_jobrun_change", run.pk)

    # --- the fallback ----------------------------------------------------------------------------------

    def fallback_view(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm("legacy_collector.view_collectedevent"):
            raise PermissionDenied
        context = {**self._page(request, _("Fallback")), **fallback.context()}
        return TemplateResponse(request, "stats/jobs/fallback.html", context)

    @acting("replay")
    def replay_view(self, request: HttpRequest) -> HttpResponse:
        answer = self._begin(request, jobs.REPLAY, [])
        return answer if self.has_view_permission(request) else redirect("admin:stats_fallback")

    def _page(self, request: HttpRequest, title: Any) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "media": self.media,
            "notice": self.notice(request),
            "may": allowed(request),
        }

    # --- columns and fields ----------------------------------------------------------------------------

    @display(description=_("Started (UTC)"))
    def started(self, run: JobRun) -> str:
        return text.utc(run.started_at)

    @display(description=_("Job"))
    def job_shown(self, run: JobRun) -> str:
        return job_list.title_of(run)

    @display(description=_("Outcome"))
    def outcome(self, run: JobRun) -> SafeString:
        return job_list.outcome(run)

    @display(description=_("Took"))
    def took(self, run: JobRun) -> str:
        return job_list.took(run)

    @display(description=_("Asked for by"))
    def who(self, run: JobRun) -> str:
        return job_list.who(run)

    @display(description=_("What it said"))
    def said(self, run: JobRun) -> str:
        return text.one_line(run.output.strip().rpartition("\n")[2])

    @display(description=_("Command"))
    def command(self, run: JobRun) -> str:
        return text.code(" ".join(["manage.py", run.job, *map(str, run.arguments)]))

    @display(description=_("Process"))
    def process(self, run: JobRun) -> str:
        return f"{run.pid} @ {text.whole(run.host)}" if run.pid else "-"

    @display(description=_("What it said"))
    def output_shown(self, run: JobRun) -> str:
        return text.block(run.output)
