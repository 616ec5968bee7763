import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    """A pause says why, a run of a job what came of it, and batches that a person took out are letters."""

    dependencies = [("stats", "0014_dead_letters_repaired")]

    operations = [
        migrations.AddField(
            model_name="consumerheartbeat",
            name="paused_note",
            field=models.TextField(blank=True, db_default="", help_text="Why."),
        ),
        migrations.AlterModelOptions(
            name="consumerheartbeat",
            options={
                "permissions": [("pause_consumer", "Can pause and resume the consumer")],
                "verbose_name": "consumer",
            },
        ),
        migrations.AlterField(
            model_name="deadletter",
            name="reason",
            field=models.CharField(
                choices=[
                    ("undecodable", "no readable JSON"),
                    ("schema", "breaks the event schema"),
                    ("too_old", "before 2001-09-09"),
                    ("future", "ahead of the database's clock for an hour"),
                    ("collision", "same id as a different request"),
                    ("exhausted", "failed on every delivery"),
                    ("late", "its day has been dropped"),
                    ("moved", "moved out of the queue by a person"),
                    ("purged", "purged from the queue by a person"),
                ],
                max_length=16,
            ),
        ),
        migrations.CreateModel(
            name="JobRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("job", models.CharField(help_text="The command.", max_length=64)),
                ("arguments", models.JSONField(default=list)),
                (
                    "asked_by",
                    models.TextField(blank=True, default="", help_text="Empty: the clock did."),
                ),
                (
                    "started_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("host", models.TextField(blank=True, default="")),
                ("pid", models.IntegerField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "exit_code",
                    models.SmallIntegerField(help_text="None: it ended without a word.", null=True),
                ),
                (
                    "output",
                    models.TextField(blank=True, default="", help_text="What it said, the end of it."),
                ),
            ],
            options={
                "verbose_name": "run of a job",
                "verbose_name_plural": "runs of jobs",
                "ordering": ["-id"],
                "permissions": [("run_job", "Can run a job now")],
                "default_permissions": ("view",),
                "indexes": [models.Index(fields=["job", "-id"], name="jobrun_job")],
            },
        ),
    ]
