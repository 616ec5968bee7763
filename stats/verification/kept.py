"""Reports that are kept."""

from __future__ import annotations

import msgspec

from gateway.conf import conf
from stats.models import VerificationReport
from stats.verification.shapes import Report


def store(report: Report) -> VerificationReport:
    """Keeps it for the admin's page and the readiness. Raises django.db.Error."""
    return VerificationReport.objects.using(conf.database).create(
        since=report.since,
        until=report.until,
        made_at=report.made_at,
        verdict=report.verdict.value,
        error=report.error,
        compared=sum(row.compared for row in report.hours),
        details=msgspec.to_builtins(report),
    )


def load(kept: VerificationReport) -> Report:
    """As it was made. Raises msgspec.ValidationError for one of another version."""
    return msgspec.convert(kept.details, Report)
