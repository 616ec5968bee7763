"""Admin pages of days and of the archive's files."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from gateway.admin import search, text
from gateway.admin.readonly import ReadOnlyAdmin
from stats.models import ArchivedFile, TrafficDay


class ByDay(ReadOnlyAdmin):
    """Found by its day."""

    search_fields = ("pk",)
    search_help_text = _("Day (UTC)")
    search_examples = (("2025-11-23", _("A day (UTC).")),)

    def search(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        period = search.parse(term).period
        return rows.filter(period.on_days("day") if period else Q(pk__in=[]))

    @display(description=_("Day (UTC)"))
    def day_utc(self, row: TrafficDay | ArchivedFile) -> str:
        return text.day(row.day)


@admin.register(TrafficDay)
class TrafficDayAdmin(ByDay):
    """Which days take events, are merged, and have their rows dropped."""

    list_display = ("day_utc", "state", "last_arrival", "merged", "hours_dropped", "sealed")
    fields = ("day_utc", "state", "version", "last_arrival", "merged", "hours_dropped", "sealed")
    ordering = ("-day",)
    empty_text = _("No event has been stored yet.")

    @display(description=_("State"))
    def state(self, day: TrafficDay) -> SafeString:
        if day.sealed_at:
            told = gettext("Its events are dropped: what still arrives is a dead letter")
            return text.label(gettext("sealed"), "info", told)
        return text.label(pgettext("day", "open"), "success", gettext("Takes events"))

    @display(description=_("Last arrival (UTC)"))
    def last_arrival(self, day: TrafficDay) -> str:
        return text.utc(day.last_arrival_at)

    @display(description=_("Daily statistics"))
    def merged(self, day: TrafficDay) -> SafeString:
        if day.is_rolled_up:
            return text.label(gettext("merged"), "success")
        told = gettext("Read from the hourly statistics until its hours are merged")
        return text.label(gettext("from hours"), "", told)

    @display(description=_("Hours dropped (UTC)"))
    def hours_dropped(self, day: TrafficDay) -> str:
        return text.utc(day.hours_dropped_at)

    @display(description=_("Sealed (UTC)"))
    def sealed(self, day: TrafficDay) -> str:
        return text.utc(day.sealed_at)


@admin.register(ArchivedFile)
class ArchivedFileAdmin(ByDay):
    """The files of the archive: `manage.py restore_archive DAY` brings a day back."""

    list_display = ("day_utc", "part", "name_cut", "events_shown", "size", "written", "verified")
    fields = (
        *("day_utc", "part", "name_shown", "events_shown", "size", "sha256"),
        *("first_id", "last_id", "day_version", "written", "verified"),
    )
    ordering = ("-day", "part")
    empty_text = _("No day has been archived yet. A day is, before its events are dropped.")

    @display(description=_("File"))
    def name_cut(self, file: ArchivedFile) -> str:
        return text.one_line(file.name)

    @display(description=_("File"))
    def name_shown(self, file: ArchivedFile) -> str:
        return text.whole(file.name)

    @display(description=_("Events"))
    def events_shown(self, file: ArchivedFile) -> str:
        return text.count(file.events)

    @display(description=_("Size"))
    def size(self, file: ArchivedFile) -> str:
        return text.size(file.bytes)

    @display(description=_("Written (UTC)"))
    def written(self, file: ArchivedFile) -> str:
        return text.utc(file.written_at)

    @display(description=_("Verified (UTC)"))
    def verified(self, file: ArchivedFile) -> str:
        return text.utc(file.verified_at)
