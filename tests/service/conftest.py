# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Fixtures of the service's tests.

service       a running service with a database of its own
make_service  makes services with other settings: make_service(settings={...})
own_service   like service, with a PostgreSQL of its own, to be killed

A test fails when the service logs an error that it did not expect
(host.expect()), and when a chain has a gap. The log is printed with a failure.
"""

import itertools
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [_HERE, os.path.join(os.path.dirname(_HERE), "lib")]

import pytest

from pg import PrivatePostgres
from servicehost import ServiceHost

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres():
    with PrivatePostgres() as pg:
        pg.create_database("template_pop3")
        pg.install_schema(dbname="template_pop3")
        yield pg


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.failed and report.when in ("setup", "call"):
        for host in getattr(item, "service_hosts", []):
            report.sections.append(("service's log", host.log()[-8000:]))


@pytest.fixture
def make_service(request, postgres):
    hosts = []
    request.node.service_hosts = hosts

    def make(pg=None, dbname=None, wait=True, **options):
        if pg is None:
            pg = postgres
            if dbname is None:
                dbname = "service%d_%d" % (os.getpid(), next(_numbers))
                pg.create_database(dbname, "template_pop3")
        host = ServiceHost(pg, dbname, **options)
        hosts.append(host)
        return host.start(wait=wait)

    yield make
    for host in hosts:
        host.stop()
    keys = {}
    for host in hosts:
        keys.update(host.keys())
    for host in hosts:
        complaints = host.complaints()
        assert not complaints, "\n".join(complaints)
        if host.pg.process is not None and \
           host.value("SELECT to_regclass('pop3.chain')::text"):
            host.check_chains(keys)
    for host in hosts:
        host.cleanup()
    for dbname in {host.dbname for host in hosts if host.pg is postgres}:
        postgres.drop_database(dbname)


@pytest.fixture
def service(make_service):
    return make_service()


@pytest.fixture
def client(service):
    return service.client()


@pytest.fixture
def own_postgres():
    with PrivatePostgres(fsync=True) as pg:
        pg.install_schema()
        yield pg


# PostgreSQL first, so that it ends last
@pytest.fixture
def own_service(own_postgres, make_service):
    return make_service(pg=own_postgres, dbname=own_postgres.dbname)


@pytest.fixture
def new_session():
    """Returns a new session id at each call."""
    return lambda: os.urandom(16).hex()
