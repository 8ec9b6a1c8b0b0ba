# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A plugin of pytest that spreads tests over pytest-xdist's workers
(`-p spread --dist loadgroup'): each test by itself, since a few files take
most of the time, but tests that share a fixture of their file by one worker
and one after the other, so that it is not made again and again."""

import pytest


def shared(item):
    """The names of the fixtures that the file of a test keeps for several."""
    return sorted(
        name for name, found in item._fixtureinfo.name2fixturedefs.items()
        if found[-1].scope == "module"
        and found[-1].func.__module__ == item.module.__name__)


def pytest_collection_modifyitems(items):
    for item in items:
        names = shared(item)
        if names:
            item.add_marker(pytest.mark.xdist_group(
                ".".join([item.module.__name__] + names)))
    # groups first: what ends last should be short
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)
