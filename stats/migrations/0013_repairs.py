import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    """What a person asked for is a row of its own, so that it outlives page and process."""

    dependencies = [("stats", "0012_alerts")]

    operations = [
        migrations.CreateModel(
            name="Repair",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(help_text="What is done.", max_length=32)),
                (
                    "parameters",
                    models.JSONField(default=dict, help_text="To what; as it was asked for."),
                ),
                ("cursor", models.JSONField(help_text="Where the next chunk goes on.", null=True)),
                ("by", models.CharField(max_length=150)),
                ("note", models.TextField(blank=True, default="")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("running", "running"),
                            ("done", "done"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                (
                    "asked_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("started_at", models.DateTimeField(null=True)),
                (
                    "moved_at",
                    models.DateTimeField(help_text="When its last chunk was committed.", null=True),
                ),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "total",
                    models.BigIntegerField(
                        help_text="How many there were, if they could be counted.", null=True
                    ),
                ),
                ("done", models.BigIntegerField(default=0)),
                (
                    "failed",
                    models.BigIntegerField(default=0, help_text="Looked at, and left as they were."),
                ),
                ("error", models.TextField(blank=True, default="")),
            ],
            options={
                "verbose_name": "repair",
                "verbose_name_plural": "repairs",
                "ordering": ["-id"],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["waiting", "running"])),
                        fields=["id"],
                        name="repair_unfinished",
                    ),
                    models.Index(fields=["asked_at"], name="repair_asked_at"),
                ],
            },
        ),
    ]
