from django.db import migrations

TABLES = ("pathstatshourly", "pathstatsdaily", "totalshourly", "totalsdaily")


def store(how):
    return [
        f"ALTER TABLE stats_{table} ALTER COLUMN response_times SET STORAGE {how},"
        f" ALTER COLUMN clients SET STORAGE {how}"
        for table in TABLES
    ]


class Migration(migrations.Migration):
    """Summaries are dense already: to try to compress them each time they are written is lost labour."""

    dependencies = [("stats", "0005_routes_in_indexes")]

    operations = [migrations.RunSQL(store("EXTERNAL"), store("EXTENDED"))]
