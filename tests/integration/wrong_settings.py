"""The project's settings with a mistake that a system check finds."""

from gateway.settings import *  # noqa: F403
from gateway.settings import Q_CLUSTER

Q_CLUSTER = {**Q_CLUSTER, "workers": 2}
