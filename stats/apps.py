from django.apps import AppConfig
from django.db.models.signals import post_migrate


class StatsConfig(AppConfig):
    name = "stats"
    verbose_name = "Traffic"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from stats import bell, refresher
        from stats.schedule import create_schedules

        bell.install()
        refresher.install()
        post_migrate.connect(create_schedules, sender=self, dispatch_uid="stats.schedule")
