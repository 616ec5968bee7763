"""What the consumer stores: events, statistics, dead letters, days, and how it is doing."""

from stats.models.alert_channels import AlertChannel, AlertDelivery
from stats.models.alerts import Alert, AlertRule, AlertState
from stats.models.consumer import ConsumerHeartbeat
from stats.models.days import ArchivedFile, TrafficDay
from stats.models.dead_letters import DeadLetter
from stats.models.events import Event
from stats.models.imported import ImportedHourly
from stats.models.jobs import JobRun
from stats.models.read_path import ReadChange, ReadComparison
from stats.models.reading import ApiToken, Snapshot
from stats.models.repairs import Repair
from stats.models.rollups import (
    PathStatsDaily,
    PathStatsHourly,
    Rollup,
    TopValues,
    TopValuesDaily,
    TopValuesHourly,
    TotalsDaily,
    TotalsHourly,
)
from stats.models.verification import VerificationReport
from stats.models.worker import WorkerStart

__all__ = [
    "Alert",
    "AlertChannel",
    "AlertDelivery",
    "AlertRule",
    "AlertState",
    "ApiToken",
    "ArchivedFile",
    "ConsumerHeartbeat",
    "DeadLetter",
    "Event",
    "ImportedHourly",
    "JobRun",
    "PathStatsDaily",
    "PathStatsHourly",
    "ReadChange",
    "ReadComparison",
    "Repair",
    "Rollup",
    "Snapshot",
    "TopValues",
    "TopValuesDaily",
    "TopValuesHourly",
    "TotalsDaily",
    "TotalsHourly",
    "TrafficDay",
    "VerificationReport",
    "WorkerStart",
]
