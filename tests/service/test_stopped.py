# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Removals by policy are stopped, by pop3.pause() or the breaker: what the
service tells mail processes, and its log."""

import pytest

from servicehost import Fail

USER = "jane@example.org"


@pytest.fixture
def enforcing(service):
    service.sql("SELECT pop3.set_policy('*', 'enforcement', 'enforce')")
    service.sql("SELECT pop3.set_policy('*', 'expire_retrieved', '1d')")
    return service


def test_login_and_limits_say_so(enforcing, client, new_session):
    reply = client.login(USER, new_session())
    assert "paused" not in reply
    version = reply["version"]
    enforcing.sql("SELECT pop3.pause('test')")
    enforcing.expect("Removals by policy are stopped by an administrator")
    for reply in (client.login(USER, new_session()),
                  client.ask("LIMITS", user=USER, session=new_session())):
        assert reply["paused"] == "1"
        # the one that pop3.record_intent() compares with
        assert reply["version"] == version + ".stopped" == \
            enforcing.sql("SELECT pop3.policy_version(%s)", (USER,))[0][0]
        assert reply["p.expire_retrieved"] == "86400"
    enforcing.sql("SELECT pop3.resume()")
    for reply in (client.login(USER, new_session()),
                  client.ask("LIMITS", user=USER, session=new_session())):
        assert "paused" not in reply and reply["version"] == version


def test_it_is_logged_once(enforcing, client, new_session):
    enforcing.sql("SELECT pop3.pause('test')")
    enforcing.expect("Removals by policy are stopped by an administrator")
    for _ in range(3):
        client.login(USER, new_session())
    enforcing.sql("SELECT pop3.resume()")
    for _ in range(3):
        client.login(USER, new_session())
    enforcing.wait_log("Info: .*Removals by policy go on")
    assert len(enforcing.log_lines(
        "Warning: .*Removals by policy are stopped by an administrator"
        ".*doveadm pop3-policy resume")) == 1
    assert len(enforcing.log_lines("Removals by policy go on")) == 1


def test_what_was_decided_before_is_stale(enforcing, client, new_session):
    session = new_session()
    version = client.login(USER, session)["version"]
    enforcing.sql("SELECT pop3.pause('test')")
    enforcing.expect("Removals by policy are stopped by an administrator")
    with pytest.raises(Fail) as failure:
        client.intent(USER, session, version, [3], reason="retrieved")
    assert failure.value.code == "stale"
    version = client.login(USER, session, again=True)["version"]
    with pytest.raises(Fail) as failure:
        client.intent(USER, session, version, [3], no=2, reason="retrieved")
    assert failure.value.code == "stale"
    client.intent(USER, session, version, [3], no=3, reason="dele")


def test_the_breaker(enforcing, client, new_session):
    enforcing.sql("SELECT pop3.set_breaker(1, 10)")
    enforcing.expect("The breaker stopped all removals by policy")
    session = new_session()
    version = client.login(USER, session)["version"]
    client.intent(USER, session, version, list(range(1, 11)),
                  reason="expired-retrieved")
    assert not enforcing.log_contains("breaker")
    with pytest.raises(Fail) as failure:
        client.intent(USER, session, version, [11], no=2,
                      reason="expired-retrieved")
    assert failure.value.code == "stale"
    # it is asked again then
    assert client.login(USER, session, again=True)["paused"] == "1"
    client.login(USER, new_session())
    enforcing.wait_log("Error: .*The breaker stopped all removals by policy"
                       ".*doveadm pop3-policy confirm")
    assert len(enforcing.log_lines("The breaker stopped")) == 1
    assert enforcing.sql("SELECT count(*) FROM pop3.audit "
                         "WHERE event = 'breaker'") == [(1,)]
    enforcing.sql("SELECT pop3.confirm_breaker()")
    version = client.login(USER, session, again=True)["version"]
    client.intent(USER, session, version, [11], no=3,
                  reason="expired-retrieved")


def test_what_was_known_last_says_so(own_service, own_postgres, new_session):
    """LIMITS, without the database."""
    own_service.expect("Removals by policy are stopped", "requests failed",
                       "The database cannot be used")
    own_service.sql("SELECT pop3.pause('test')")
    client = own_service.client()
    reply = client.ask("LIMITS", user=USER, session=new_session())
    assert reply["paused"] == "1" and "cached" not in reply
    own_postgres.stop("immediate")
    own_service.wait_log("The database cannot be used")
    reply = client.ask("LIMITS", user=USER, session=new_session())
    assert (reply["cached"], reply["paused"]) == ("1", "1")
