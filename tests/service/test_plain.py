# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What was recorded in plain SQL becomes part of a service's chain."""

from servicehost import wait_until

PAUSE = "SELECT pop3.pause(%s)"


def without_chain(service):
    return service.value("SELECT count(*) FROM pop3.audit "
                         "WHERE chain_id IS NULL")


def chained(service):
    wait_until(lambda: without_chain(service) == 0, "rows to be chained")


def test_rows_of_functions_for_people(service):
    service.sql(PAUSE, ("a",))
    service.sql("SELECT pop3.resume()")
    chained(service)
    assert [event for event, _, _ in service.audit()] == ["paused", "resumed"]


def test_rows_from_before_the_service(make_service):
    """More than go in one record, and some days before."""
    service = make_service()
    service.expect("rows are in the default partitions")
    service.stop()
    service.sql("INSERT INTO pop3.audit (at, event) "
                "SELECT now() - make_interval(secs => n * 1000), 'restored' "
                "FROM generate_series(0, 450) n")
    service.start()
    chained(service)
    assert service.value("SELECT count(*) FROM pop3.audit "
                         "WHERE event = 'restored'") == 451
    assert service.value("SELECT count(*) FROM pop3.audit "
                         "WHERE event = 'unused'") == 0


def test_two_services(make_service):
    """Each row is in one chain, whichever is faster."""
    first = make_service()
    second = make_service(pg=first.pg, dbname=first.dbname)
    for _ in range(10):
        first.sql("INSERT INTO pop3.audit (event) "
                  "SELECT 'restored' FROM generate_series(1, 20)")
        chained(first)
    assert first.value("SELECT count(*) FROM pop3.audit "
                       "WHERE event = 'restored'") == 200
    assert first.value("SELECT count(*) FROM pop3.chain") == 2
    # checked at the end: numbers without gaps, and seals
    second.stop()


def test_records_go_on_beside_it(service, client, new_session):
    user = "jane@example.org"
    for n in range(30):
        service.sql("INSERT INTO pop3.audit (event) VALUES ('restored')")
        session = new_session()
        login = client.login(user, session)
        client.session(user, session, login["now"], fetched="1", retr=1)
    client.login(user, new_session())
    service.wait_sessions(user, 30)
    chained(service)
