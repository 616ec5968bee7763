from django.db import migrations, models


class Migration(migrations.Migration):
    """What people may do to batches that wait: a permission each."""

    dependencies = [("gateway", "0003_modes_timings_drills")]

    operations = [
        migrations.AlterModelOptions(
            name="queuedbatch",
            options={
                "permissions": [
                    ("deliver_now", "Can have queued batches delivered at once"),
                    ("move_batch", "Can move queued batches to the dead letters"),
                    ("purge_queue", "Can purge the queue"),
                ],
                "verbose_name": "queued batch",
                "verbose_name_plural": "queued batches",
            },
        ),
        migrations.AlterField(
            model_name="queuedbatch",
            name="claim",
            field=models.UUIDField(help_text="The delivery under way, or one that nobody ended.", null=True),
        ),
    ]
