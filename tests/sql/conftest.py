# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A private PostgreSQL per run, and an empty database for each test."""

import itertools
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from pg import PrivatePostgres  # noqa: E402
from sqlhelp import Database  # noqa: E402

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres():
    """The server; its database "pop3" is the installed schema, untouched."""
    server = PrivatePostgres()
    try:
        server.start()
        server.install_schema(test=True)
        yield server
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def shared(postgres):
    """A database that tests use one after the other: emptying one is much
    faster than making one."""
    postgres.create_database("shared", template="pop3")
    database = Database(postgres, "shared")
    database.prepare_wipe()
    yield database
    database.close()


@pytest.fixture
def db(shared):
    """An empty database. At the end every chain must be without gaps and
    duplicates, and the counts in maildrop must be right."""
    shared.wipe()
    yield shared
    shared.check()


@pytest.fixture
def fresh(postgres):
    """A newly installed database, for tests that change more than rows."""
    name = "fresh_%d" % next(_numbers)
    postgres.create_database(name, template="pop3")
    database = Database(postgres, name)
    try:
        yield database
        database.check()
    finally:
        database.close()
        postgres.drop_database(name)
