"""Tallygate's settings as one object of typed properties, read from Django's settings when first used.

Reading late lets a project of one's own set only what it wants to change; every default stands here and
nowhere else. What was read is kept until a setting changes (`override_settings`): a request reads a dozen,
and Django looks for one that is not set anew each time, which takes microseconds.
"""

from __future__ import annotations

from typing import Any

from django.core.signals import setting_changed

from gateway.conf.alerting import AlertSettings
from gateway.conf.capture import DEFAULT_EXCLUDE, CaptureSettings
from gateway.conf.consuming import ConsumingSettings
from gateway.conf.cutover import CutoverSettings
from gateway.conf.keeping import KeepingSettings
from gateway.conf.pages import PageSettings
from gateway.queue_settings import q_cluster

__all__ = ["DEFAULT_EXCLUDE", "ESTIMATORS", "JOURNAL_MODES", "MODES", "conf", "q_cluster"]

MODES = ("legacy", "dual", "sample", "queue")
JOURNAL_MODES = ("os", "fsync", "off")
ESTIMATORS = ("sketch", "reservoir")


class TrafficSettings(
    AlertSettings, CaptureSettings, ConsumingSettings, CutoverSettings, KeepingSettings, PageSettings
):
    """What the README's configuration table lists, one property a setting."""


conf = TrafficSettings()


def _forget(**_: Any) -> None:
    conf.forget()


setting_changed.connect(_forget, dispatch_uid="gateway.conf")
