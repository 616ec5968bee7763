"""The table of the buffer and its thread."""

from django.db import models


class Hit(models.Model):
    at = models.DateTimeField()
    path = models.TextField()
    method = models.TextField()
    status = models.IntegerField()
    milliseconds = models.FloatField()
    address = models.TextField()
    user_agent = models.TextField()

    class Meta:
        app_label = "capture"
        db_table = "capture_hit"

    def __str__(self) -> str:
        return self.path
