from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("stats", "0004_paused_consumer")]

    # The busiest routes of a range are added up from these indexes alone: the rows are wide with summaries.
    operations = [
        migrations.RemoveIndex("pathstatshourly", name="pathstatshourly_hour"),
        migrations.AddIndex(
            "pathstatshourly",
            models.Index(fields=["-hour", "-requests"], include=["route"], name="pathstatshourly_hour"),
        ),
        migrations.RemoveIndex("pathstatsdaily", name="pathstatsdaily_day"),
        migrations.AddIndex(
            "pathstatsdaily",
            models.Index(fields=["-day", "-requests"], include=["route"], name="pathstatsdaily_day"),
        ),
    ]
