from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class LegacyCollectorConfig(AppConfig):
    name = "legacy_collector"
    verbose_name = _("Legacy collector")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from legacy_collector import checks  # noqa: F401  (registers the system checks)
        from legacy_collector.schedule import create_schedule

        post_migrate.connect(create_schedule, sender=self, dispatch_uid="legacy_collector.schedule")
