"""A progress bar on standard error, if that is a terminal, for commands that go through days of events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db.models import Sum
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.conf import conf
from stats.models import TotalsHourly, TrafficDay
from stats.retention.days import end_of

OnDay = Callable[[TrafficDay], Callable[[int], None]]


@contextmanager
def day_bar(passes: int = 1) -> Iterator[OnDay]:
    """Gives what is to be told of each day, and then of its events, which are read `passes` times."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None)

        def on_day(day: TrafficDay) -> Callable[[int], None]:
            events = None if bar.disable else expected_events(day)
            bar.reset(task, description=str(day), total=events and events * passes)
            return lambda events: bar.advance(task, events)

        yield on_day


def expected_events(day: TrafficDay) -> int | None:
    """As the hourly statistics say; None where they are gone."""
    end = end_of(day.day)
    hours = TotalsHourly.objects.using(conf.database).filter(hour__gte=end - timedelta(days=1), hour__lt=end)
    events: int | None = hours.aggregate(events=Sum("requests"))["events"]
    return events
