"""System checks of Tallygate's settings (`manage.py check --tag traffic`, some only with `--deploy`).

| id           | what is wrong                                                                            |
|--------------|------------------------------------------------------------------------------------------|
| gateway.E001 | TRAFFIC_QUEUE is no dictionary, or has an unknown key                                    |
| gateway.E002 | a value of TRAFFIC_QUEUE has the wrong type or lies out of range                         |
| gateway.E003 | TRAFFIC_QUEUE: max_concurrency is not 1: two consumers would fight over every batch      |
| gateway.E004 | TRAFFIC_LINGER is longer than max_batch_timeout                                          |
| gateway.E005 | TRAFFIC_DATABASE names no entry of DATABASES, or one that is not PostgreSQL              |
| gateway.E006 | LEGACY_DATABASE names no entry of DATABASES, or the queue's own                          |
| gateway.E010 | Q_CLUSTER is missing or no dictionary                                                    |
| gateway.E011 | Q_CLUSTER does not use the ORM broker on TRAFFIC_DATABASE                                |
| gateway.E012 | Q_CLUSTER: workers is not 1                                                              |
| gateway.E013 | Q_CLUSTER: no timeout, so a task that hangs hangs for ever                               |
| gateway.E014 | Q_CLUSTER: retry is less than twice the timeout, so tasks run again while they run       |
| gateway.E015 | Q_CLUSTER: max_attempts is not finite                                                    |
| gateway.E016 | Q_CLUSTER: sync, so requests would do the consumer's work                                |
| gateway.E017 | Q_CLUSTER has another name than TRAFFIC_QUEUE, so nobody would answer the doorbell       |
| gateway.E018 | TRAFFIC_DRAIN_SECONDS is not under half the task's timeout                               |
| gateway.E019 | TRAFFIC_LEASE is longer than the task's timeout                                          |
| gateway.E020 | STATS_MODE is unknown                                                                    |
| gateway.E021 | an entry of TRUSTED_PROXIES, or of another list of networks, is no network               |
| gateway.E022 | an entry of TRAFFIC_EXCLUDE is no prefix and no valid pattern                            |
| gateway.E023 | a number (of seconds, events) has the wrong type or lies out of range                    |
| gateway.E024 | a switch is neither True nor False                                                       |
| gateway.E025 | VAR_DIR can't be written                                                                 |
| gateway.E026 | a dotted path (TRAFFIC_COLLECTOR, READINESS_CHECKS) can't be imported                    |
| gateway.E027 | TRAFFIC_EDGE_ID_HEADERS is no list of header names                                       |
| gateway.E028 | CLIENT_HASH_KEY is no text                                                               |
| gateway.E029 | TRAFFIC_JOURNAL is unknown                                                               |
| gateway.E030 | STATS_ESTIMATOR is unknown                                                               |
| gateway.E031 | READ_FROM is no share of the readers, or an entry of its lists is no reader             |
| gateway.E040 | a number of days (retention) or ARCHIVE_PART_EVENTS has the wrong type or is out of range |
| gateway.E041 | what is derived from the events would be dropped before them                             |
| gateway.E042 | STORAGES["archive"] can't be used, though events are to be archived                      |
| gateway.W001 | the middleware is not in MIDDLEWARE: nothing is counted                                  |
| gateway.W002 | the middleware is not the first: what stands before it is neither timed nor counted      |
| gateway.W003 | CLIENT_HASH_KEY is empty: addresses can be worked out from a plain hash                  |
| gateway.W004 | Q_CLUSTER: save_limit is not -1: every task locks and loads all saved ones               |
| gateway.W005 | the database's pool waits longer than TRAFFIC_SEND_TIMEOUT                               |
| gateway.W006 | the database has no connect_timeout within a few seconds: an outage blocks the sender    |
| gateway.W010 | deploy: loopback is trusted: what the local proxy must set or strip                      |
| gateway.W011 | deploy: the collector is a SQLite file, but the consumer runs elsewhere                  |

A check reads what anyone may have written, so it believes no type and never raises.

Tallygate's commands run these alone (`requires_system_checks = (TAG,)`): Django's own load every page of the
project, which takes longer than most commands.
"""

from gateway.checks import capture, cluster, databases, deploy, queue, read_path, retention, values  # noqa: F401  (each registers its own)
from gateway.checks.reading import TAG

__all__ = ["TAG"]
