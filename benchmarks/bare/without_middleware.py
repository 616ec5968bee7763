"""The project's settings without the middleware: what a request costs that nobody counts."""

from gateway.settings import *  # noqa: F403
from gateway.settings import MIDDLEWARE

MIDDLEWARE = [name for name in MIDDLEWARE if name != "gateway.middleware.TrafficMiddleware"]
