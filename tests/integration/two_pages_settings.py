"""For servers of which only the end is looked at: to load all pages takes longer than what they do."""

from tests.app_settings import *  # noqa: F403

ROOT_URLCONF = "tests.integration.two_pages_urls"
