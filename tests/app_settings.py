"""What the servers of tests/integration/test_servers.py run under: the running test's own databases."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

EMBEDDED_POSTGRES = False  # the tests keep it up
DATABASES["default"]["NAME"] = os.environ["TALLYGATE_TEST_DATABASE"]
DATABASES["legacy"]["NAME"] = os.environ["TALLYGATE_TEST_LEGACY"]

# Long enough that a server which forgets to send what waits is caught.
TRAFFIC_LINGER = 1.0
ALLOWED_HOSTS = ["127.0.0.1"]
