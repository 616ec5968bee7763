from benchmarks.bare.models import BareEvent


def store(request_id: str, path: str) -> None:
    """The task: one row an event."""
    BareEvent.objects.create(request_id=request_id, path=path)
