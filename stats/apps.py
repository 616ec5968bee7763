from django.apps import AppConfig


class StatsConfig(AppConfig):
    name = "stats"
    verbose_name = "Traffic"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from stats import bell

        bell.install()
