"""What the reports answer. Times are aware, in the zone that was asked for; durations are milliseconds."""

from stats.estimators import Distinct
from stats.reports.shapes.events import Event, EventsPage, Notable
from stats.reports.shapes.figures import (
    Bin,
    Coverage,
    DataSource,
    DataSourceReason,
    Figures,
    Quantile,
    StatusClasses,
)
from stats.reports.shapes.routes import MixEntry, RouteKind, RouteReport, RouteRow, Routes
from stats.reports.shapes.totals import Bucket, Overview, TimeSeries, TopValue, TopValues

__all__ = [
    "Bin",
    "Bucket",
    "Coverage",
    "DataSource",
    "DataSourceReason",
    "Distinct",
    "Event",
    "EventsPage",
    "Figures",
    "MixEntry",
    "Notable",
    "Overview",
    "Quantile",
    "RouteKind",
    "RouteReport",
    "RouteRow",
    "Routes",
    "StatusClasses",
    "TimeSeries",
    "TopValue",
    "TopValues",
]
