import django.core.validators
import django.db.models.functions.datetime
from django.db import migrations, models


def percent(name, **more):
    validators = [django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)]
    return models.FloatField(verbose_name=name, validators=validators, **more)


def key():
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


NOW = django.db.models.functions.datetime.Now


class Migration(migrations.Migration):
    dependencies = [("stats", "0007_verification")]

    operations = [
        migrations.CreateModel(
            name="ReadChange",
            fields=[
                ("id", key()),
                (
                    "percent",
                    percent(
                        "percent from the queue path",
                        help_text="Readers that the queue path answers, in percent; the legacy collector answers the"
                        " others."
                    ),
                ),
                (
                    "queue_readers",
                    models.TextField(
                        blank=True,
                        help_text="Whatever the percentage: user:NAME or token:NAME, one a line or with commas"
                        " between.",
                        verbose_name="always from the queue path",
                    ),
                ),
                (
                    "legacy_readers",
                    models.TextField(
                        blank=True, help_text="Likewise.", verbose_name="always from the collector"
                    ),
                ),
                (
                    "compared_percent",
                    percent(
                        "percent compared",
                        default=0,
                        help_text="Answers, in percent, that are compared with the other path's, in the background.",
                    ),
                ),
                ("changed_at", models.DateTimeField(db_default=NOW())),
                ("changed_by", models.CharField(max_length=150)),
                ("note", models.TextField(blank=True)),
            ],
            options={
                "verbose_name": "change of the read path",
                "verbose_name_plural": "changes of the read path",
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("percent__gte", 0), ("percent__lte", 100)),
                        name="readchange_percent",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("compared_percent__gte", 0), ("compared_percent__lte", 100)),
                        name="readchange_compared_percent",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ReadComparison",
            fields=[
                ("id", key()),
                ("made_at", models.DateTimeField(db_default=NOW())),
                ("report", models.CharField(max_length=20)),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                (
                    "served",
                    models.CharField(help_text="The path that answered the reader.", max_length=10),
                ),
                ("queue_requests", models.BigIntegerField()),
                ("collector_requests", models.BigIntegerField()),
                (
                    "difference",
                    models.FloatField(
                        help_text="Share of the requests that are on one side only, at least."
                    ),
                ),
                (
                    "differing",
                    models.JSONField(
                        help_text="What differs most: name, requests and errors of the queue path and of the"
                        " collector."
                    ),
                ),
            ],
            options={
                "verbose_name": "comparison of answers",
                "verbose_name_plural": "comparisons of answers",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("difference__gt", 0)),
                        fields=["-id"],
                        name="readcomparison_differing",
                    ),
                    models.Index(fields=["made_at"], name="readcomparison_made_at"),
                ],
            },
        ),
    ]
