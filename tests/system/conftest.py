# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Fixtures of the system tests.

host        a private host with default settings, shared by the tests of a
            run (of a worker with pytest-xdist)
make_host   makes hosts with other settings: make_host(mail_format="mdbox")
make_module_host  the same for the fixtures of a module
user        a user name of the test's own
owner       the Owner of that user's mailbox on `host'

A test fails when a host's log tells of a crash that it did not expect
(host.expect_log()). The ends of the logs are printed with a failure.
"""

import gc
import itertools
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "lib"))

import pytest

from host import PrivateHost, template_postgres
from owner import Owner

# Nothing that tests leave behind is waited for, and to look for what can be
# freed takes a tenth of their time.
gc.set_threshold(20000, 100, 100)

_hosts = []
_numbers = itertools.count(1)


def _start(**options):
    # tests change the database behind the service's back
    if options.get("policy", True):
        options["service_settings"] = {
            "login_cache": "no", **(options.get("service_settings") or {})}
    host = PrivateHost(**options)
    _hosts.append(host)
    try:
        return host.start()
    except BaseException:
        _hosts.remove(host)
        host.cleanup()
        raise


def _end(host):
    _hosts.remove(host)
    host.cleanup()


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL that several hosts have databases in."""
    pg = template_postgres()
    yield pg
    pg.cleanup()


@pytest.fixture(scope="session")
def _shared_host(postgres):
    host = _start(pg=postgres)
    yield host
    _end(host)


@pytest.fixture
def host(_shared_host, _no_crash):
    return _shared_host


def _make_hosts(request):
    """Yields a function that makes hosts, and ends them."""
    made = []

    def make(own_pg=False, **options):
        if options.get("policy", True) and not own_pg:
            options.setdefault("pg", request.getfixturevalue("postgres"))
        made.append(_start(**options))
        return made[-1]

    yield make
    crashed = [line for host in made for line in host.crashes()]
    for host in made:
        _end(host)
    assert not crashed, "in the log:\n" + "\n".join(crashed)


@pytest.fixture
def make_host(request, _no_crash):
    """make_host(**options of PrivateHost): a running host for this test. Its
    database is in the shared PostgreSQL unless own_pg=True."""
    yield from _make_hosts(request)


@pytest.fixture(scope="module")
def make_module_host(request):
    """The same, for fixtures whose hosts the tests of a file share."""
    yield from _make_hosts(request)


@pytest.fixture
def user(request):
    """Letters, digits and an underscore at example.org, unique in the run."""
    name = re.sub(r"\W+", "_", request.node.name).strip("_").lower()
    return "%s_%d@example.org" % (name[:40], next(_numbers))


@pytest.fixture
def owner(host, user):
    return Owner(host, user)


@pytest.fixture
def _no_crash():
    yield
    crashed = [line for host in _hosts for line in host.crashes()]
    assert not crashed, "in the log:\n" + "\n".join(crashed)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for host in _hosts:
            report.sections.append(
                ("Dovecot's log in %s" % host.directory, host.log()))
            if host.pg is not None:
                report.sections.append(("PostgreSQL's log", host.pg.log(30)))
