from django.db import models


class BareEvent(models.Model):
    request_id = models.TextField()
    path = models.TextField()

    class Meta:
        db_table = "bare_event"

    def __str__(self) -> str:
        return self.request_id
