"""The catalogue of the request side's counters: one name, one meaning, one place.

prometheus-client keeps them in files under `PROMETHEUS_MULTIPROC_DIR`, so they are summed over all
processes of the host and outlive the process that counted.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.values import ValueClass

# Events that the request path made.
captured = Counter("tallygate_captured", "Requests turned into events")
# Requests whose event could not be made; the reason is in the log.
capture_failed = Counter("tallygate_capture_failed", "Requests that could not be turned into events")
# Requests from the edge that had been seen before and got the first one's id.
repeats = Counter("tallygate_repeats", "Repeated edge requests given the first one's id")
# Batches for which the memory of repeats could not be asked: repeats among them count as requests.
repeats_unchecked = Counter("tallygate_repeats_unchecked", "Edge requests not checked for repeats")
# X-Request-Start headers of trusted proxies that were unreadable or too far from the arrival.
start_ignored = Counter("tallygate_request_start_ignored", "X-Request-Start headers ignored")
# Events a store committed.
sent = Counter("tallygate_sent", "Events committed to the queue")
collected = Counter("tallygate_collected", "Events committed to the legacy collector")
# Events the queue refused and the collector took.
fallback = Counter("tallygate_fallback", "Events that fell back to the legacy collector")
# Events lost: no store took them and the process could hold no more, or it ended.
dropped = Counter("tallygate_dropped", "Events dropped")


def total(counter: Counter) -> int:
    """The counter summed over all processes, living and dead, that share the folder."""
    name = counter.describe()[0].name + "_total"
    registry = CollectorRegistry()
    if ValueClass.__name__ == "MmapedValue":
        MultiProcessCollector(registry)
    else:
        registry.register(counter)
    value = registry.get_sample_value(name)
    return int(value or 0)
