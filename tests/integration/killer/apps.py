import os
import signal

from django.apps import AppConfig

DEADLY = "/deadly"


class KillerConfig(AppConfig):
    name = "tests.integration.killer"

    def ready(self) -> None:
        from stats import consumer

        really_store = consumer.store

        def store(events, beside):
            if any(event.path.endswith(DEADLY) for event in events):
                os.kill(os.getpid(), signal.SIGKILL)
            return really_store(events, beside)

        consumer.store = store
