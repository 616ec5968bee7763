from django.db import migrations


class Migration(migrations.Migration):
    """Who may have what waits replayed is said apart from who may look."""

    dependencies = [("legacy_collector", "0002_only_legacy")]

    operations = [
        migrations.AlterModelOptions(
            name="collectedevent",
            options={
                "ordering": ["-idempotent_id"],
                "permissions": [("replay_fallback", "Can have collected events replayed now")],
                "verbose_name": "collected event",
            },
        ),
    ]
