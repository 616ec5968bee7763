"""The catalogue of the metrics that the database tells; `gateway.metrics` has those of the processes."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from gateway.queue import Depth
from stats.models import ConsumerHeartbeat
from stats.vitals import LETTERS_CAP, Consumer, Vitals


class PipelineCollector(Collector):
    """Metrics of one look at the pipeline. What could not be asked is absent, never zero."""

    def __init__(self, found: Vitals) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        found = self._found
        yield _gauge("database_up", "Whether the queue's database answered", int(found.database_up))
        yield _gauge("vitals_failed", "Parts of the pipeline that could not be asked", len(found.problems))
        if found.consumer is not None:
            yield from _consumer(found.consumer)
        if found.backlog is not None:
            yield from _backlog(found.backlog)
        if found.dead_letters is not None:
            text = f"Dead letters that wait for a decision, {LETTERS_CAP} of a reason at most"
            letters = GaugeMetricFamily("tallygate_dead_letters", text, labels=["reason"])
            for reason, count in sorted(found.dead_letters.items()):
                letters.add_metric([reason], count)
            yield letters
        if found.firing is not None:
            firing = GaugeMetricFamily("tallygate_alerts_firing", "Alerts that are open", labels=["severity"])
            for severity, count in sorted(found.firing.items()):
                firing.add_metric([severity], count)
            yield firing


def _consumer(consumer: Consumer) -> Iterator[Metric]:
    yield _counter("consumed", "Events counted by the consumer", consumer.events)
    yield _counter("duplicates", "Events that had been counted before", consumer.duplicates)
    yield _counter("buried", "Dead letters made by the consumer", consumer.dead_letters)
    yield SummaryMetricFamily(
        "tallygate_batch_seconds",
        "Batches counted, and the seconds of the transactions that counted them",
        count_value=consumer.batches,
        sum_value=consumer.seconds,
    )
    age = "Seconds since the consumer last showed a sign of life"
    yield _gauge("consumer_heartbeat_age_seconds", age, consumer.heartbeat_age_seconds)
    is_open = consumer.breaker == ConsumerHeartbeat.Breaker.OPEN
    yield _gauge("consumer_breaker_open", "Whether the consumer's breaker is open", int(is_open))


def _backlog(backlog: Depth) -> Iterator[Metric]:
    yield _gauge("backlog_batches", "Batches in the queue, the one under work included", backlog.batches)
    yield _gauge("backlog_events", "Events in the queue", backlog.events)
    yield _gauge("backlog_oldest_seconds", "Age of the oldest batch in the queue", backlog.oldest_seconds)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"tallygate_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"tallygate_{name}", text, value=value)
