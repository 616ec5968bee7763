"""For servers of which only the end is looked at: what they load takes longer than all that is asked of them."""

from tests.app_settings import *  # noqa: F403

ROOT_URLCONF = "tests.integration.two_pages_urls"
