import logging
import os
import sys
from importlib import import_module

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

logger = logging.getLogger(__name__)

LOADED_BEFORE_FORKS = ("stats.consumer", "stats.snapshot")


class StatsConfig(AppConfig):
    name = "stats"
    verbose_name = _("Traffic")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from stats import bell, refresher, worker_starts
        from stats.alerts.defaults import create_rules
        from stats.schedule import create_schedules

        bell.install()
        refresher.install()
        worker_starts.install()
        post_migrate.connect(create_schedules, sender=self, dispatch_uid="stats.schedule")
        post_migrate.connect(create_rules, sender=self, dispatch_uid="stats.alerts")
        if sys.argv[1:2] == ["qcluster"]:
            _load_before_forks()
            _come_after_requests()


def _load_before_forks() -> None:
    """Loads in the cluster's first process what its worker needs: its pages are then shared by all five."""
    try:
        for name in LOADED_BEFORE_FORKS:
            import_module(name)
    except Exception:
        # As in the tasks: the cluster runs, and each task says what is wrong.
        logger.exception("Not loaded: %s", name)


def _come_after_requests() -> None:
    """Here, not in a supervisor alone: a cluster may be started by itself."""
    try:
        from gateway import priority
        from gateway.conf import conf

        priority.lower(os.getpid(), conf.worker_nice)
    except Exception:
        # The system checks say what is wrong with the setting.
        logger.exception("Priority of the worker is not lowered")
