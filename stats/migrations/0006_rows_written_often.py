from django.db import migrations, models

SUMMARIES = ("pathstatshourly", "pathstatsdaily", "totalshourly", "totalsdaily")
WRITTEN_OFTEN = ("pathstatshourly", "totalshourly", "topvalueshourly", "consumerheartbeat", "trafficday")


def store(how):
    return [
        f"ALTER TABLE stats_{table} ALTER COLUMN response_times SET STORAGE {how},"
        f" ALTER COLUMN clients SET STORAGE {how}"
        for table in SUMMARIES
    ]


class Migration(migrations.Migration):
    """Rows that nearly every transaction of the consumer writes are to be written cheaply.

    Summaries are dense already, and to try to compress them each time is lost labour (EXTERNAL). An UPDATE that
    changes no indexed column and finds room on its page touches no index (HOT): so the number of requests is
    in none, half of each page stays free, and of a row with large summaries only pointers to them stay in it.
    Otherwise each version of a row leaves an entry in each index, which all later ones have to pass for as long
    as somebody's snapshot (a dump, a forgotten session) might need them.
    """

    dependencies = [("stats", "0005_routes_in_indexes")]

    operations = [
        migrations.RunSQL(store("EXTERNAL"), store("EXTENDED")),
        migrations.RunSQL(
            [f"ALTER TABLE stats_{table} SET (fillfactor = 50)" for table in WRITTEN_OFTEN],
            [f"ALTER TABLE stats_{table} RESET (fillfactor)" for table in WRITTEN_OFTEN],
        ),
        migrations.RunSQL(
            [f"ALTER TABLE stats_{table} SET (toast_tuple_target = 256)" for table in SUMMARIES],
            [f"ALTER TABLE stats_{table} RESET (toast_tuple_target)" for table in SUMMARIES],
        ),
        migrations.RemoveIndex("pathstatshourly", name="pathstatshourly_hour"),
        migrations.AddIndex(
            "pathstatshourly",
            models.Index(fields=["-hour"], include=["route"], name="pathstatshourly_hour"),
        ),
    ]
