# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""SESSION and IMAP: sessions, polls, and what a client leaves behind."""

import signal

import pytest

from servicehost import guid, wait_until

USER = "jane@example.org"


def known_user(client, new_session, user=USER, **fields):
    """A user whose maildrop is known, by a session that did something."""
    session = new_session()
    login = client.login(user, session)
    client.session(user, session, login["now"], fetched="1", retr=1,
                   retrieved=[(1, "none")], **fields)


def poll(client, new_session, user=USER, **fields):
    session = new_session()
    login = client.login(user, session, rip="192.0.2.1", tls=True)
    client.session(user, session, login["now"], **fields)
    return session


def rows(service, columns, user=USER):
    return service.sql("SELECT %s FROM pop3.session WHERE username = %%s "
                       "ORDER BY started_at" % columns, (user,))


def test_session_row(service, client, new_session):
    session = new_session()
    login = client.login(USER, session)
    client.session(USER, session, login["now"], fetched="2:4,7", removed="2",
                   retr=4, top=5, dele=1, bytes=123456, auth_user="admin",
                   dsession="abc", device="phone", duration=17,
                   retrieved=[(2, "expunge"), (3, "none"), (4, "hide"),
                              (7, "none")])
    service.wait_sessions(USER, 1)
    assert rows(service, "ended_by, retr, top, dele, bytes, fetched::text, "
                "retrieved::text, removed::text, auth_user, dovecot_session, "
                "device, remote_address, tls, uidnext, uidnext_end, messages, "
                "extract(epoch from ended_at - started_at)::int") == [
        ("quit", 4, 5, 1, 123456, "{[2,5),[7,8)}", "{[2,5),[7,8)}",
         "{[2,3)}", "admin", "abc", "phone", "192.0.2.1", True, 11, 11, 10,
         17)]


def test_would_remove(service, client, new_session):
    session = new_session()
    login = client.login(USER, session)
    client.tell("SESSION", [
        ("would", {"uid": 4, "guid": guid(4), "size": 99,
                   "reason": "expired-retrieved"})],
        user=USER, session=session, started=login["now"], duration=1,
        ended_by="quit", guid=guid(USER), uidvalidity=1, uidnext=5,
        uidnext_end=5, messages=4)
    drop = client.login(USER, new_session()).items_of("maildrop")[0]
    assert drop["would"] == "4"


def test_repeated_session_is_recorded_once(service, client, new_session):
    session = new_session()
    login = client.login(USER, session)
    for _ in range(2):
        client.session(USER, session, login["now"], fetched="1", retr=1,
                       retrieved=[(1, "none")])
    client.login(USER, new_session())
    assert len(rows(service, "1")) == 1
    assert service.audit(USER) == [("repeat", None, None)]


def test_polls_are_folded(make_service, new_session):
    service = make_service(settings={"poll_interval": "1 s"})
    client = service.client()
    known_user(client, new_session)
    for _ in range(5):
        poll(client, new_session)
    poll(client, new_session, rip="2001:db8::7")
    wait_until(lambda: service.value(
        "SELECT sum(polls) FROM pop3.session WHERE ended_by = 'poll'") == 6,
        "the polls to be written")
    # the hour may have turned meanwhile
    assert service.sql(
        "SELECT remote_address, sum(polls), bool_and(tls) FROM pop3.session "
        "WHERE ended_by = 'poll' GROUP BY 1 ORDER BY 1") == [
        ("192.0.2.1", 5, True), ("2001:db8::7", 1, True)]


def test_polls_are_written_at_the_end(service, client, new_session):
    known_user(client, new_session)
    poll(client, new_session)
    poll(client, new_session)
    # the service has read them once it answers this
    client.ask("UIDS", maildrop=1)
    service.kill(signal.SIGTERM)
    assert service.value("SELECT sum(polls) FROM pop3.session "
                         "WHERE ended_by = 'poll'") == 2


def test_record_polls(make_service, new_session):
    service = make_service(settings={"record_polls": "yes"})
    client = service.client()
    known_user(client, new_session)
    poll(client, new_session)
    poll(client, new_session)
    service.wait_sessions(USER, 3)
    assert [row[0] for row in rows(service, "ended_by")] == ["quit"] * 3


@pytest.mark.parametrize("fields", [
    {"uidnext": 12, "uidnext_end": 12, "messages": 11}, {"uidnext_end": 12},
    {"messages": 9}, {"retr": 1}, {"top": 1}, {"dele": 1}, {"fetched": "3"},
    {"removed": "3"}, {"ended_by": "drop"}, {"auth_user": "admin"},
    {"uidvalidity": 2}], ids=str)
def test_what_is_no_poll(service, client, new_session, fields):
    known_user(client, new_session)
    poll(client, new_session, **fields)
    service.wait_sessions(USER, 2)


def test_first_session_is_no_poll(service, client, new_session):
    poll(client, new_session)
    service.wait_sessions(USER, 1)
    assert client.login(USER, new_session()).items_of("maildrop") != []


def test_view_is_the_same_after_polls(service, client, new_session):
    """They resolve nothing, but also move no watermark."""
    known_user(client, new_session)
    service.wait_sessions(USER, 1)
    service.sql("SELECT pop3_test.age(%s, '40 days')", (USER,))
    session = new_session()
    login = client.login(USER, session)
    client.session(USER, session, login["now"], uidnext=15, uidnext_end=15,
                   messages=14)
    service.wait_sessions(USER, 2)
    service.sql("SELECT pop3_test.age(%s, '20 days')", (USER,))
    service.sql("SELECT pop3.set_policy(%s, 'view_since', "
                "(now() - interval '30 days')::date::text)", (USER,))

    def view():
        return client.login(USER, new_session()).items_of(
            "maildrop")[0]["view_from"]
    assert view() == "11"
    for _ in range(3):
        poll(client, new_session, uidnext=15, uidnext_end=15, messages=14)
    assert view() == "11"
    session = new_session()
    login = client.login(USER, session)
    client.session(USER, session, login["now"], uidnext=17, uidnext_end=17,
                   messages=16)
    assert view() == "11"
    assert len(rows(service, "1")) == 3


def test_session_lost_with_its_process(service, client, new_session):
    session = new_session()
    client.login(USER, session, rip="192.0.2.9", dsession="abc", tls=True,
                 device="phone")
    client.close()
    service.wait_sessions(USER, 1)
    assert rows(service, "ended_by, remote_address, dovecot_session, tls, "
                "device, mailbox_guid") == [
        ("lost", "192.0.2.9", "abc", True, "phone", None)]


def test_session_after_its_loss_was_recorded(service, client, new_session):
    """The process was slow, not gone: it repeats on another connection."""
    session = new_session()
    login = client.login(USER, session)
    client.close()
    service.wait_sessions(USER, 1)
    other = service.client()
    other.session(USER, session, login["now"], fetched="1", retr=1,
                  retrieved=[(1, "none")])
    other.login(USER, new_session())
    assert [row[0] for row in rows(service, "ended_by")] == ["quit"]
    assert service.audit(USER) == []


def test_clients_are_not_lost_when_the_service_stops(service, client,
                                                     new_session):
    client.login(USER, new_session())
    service.kill(signal.SIGTERM)
    assert client.is_closed()
    assert service.value("SELECT count(*) FROM pop3.session") == 0


def test_imap_use(service, client, new_session):
    known_user(client, new_session)
    for _ in range(3):
        client.tell("IMAP", user=USER)
    client.login(USER, new_session())
    assert service.value("SELECT imap_used_at > now() - interval '1 minute' "
                         "FROM pop3.maildrop WHERE username = %s", (USER,))


def test_many_sessions_on_one_connection(service, client, new_session):
    """As a pop3 process that serves one session after the other."""
    for number in range(300):
        user = "user%d@example.org" % (number % 7)
        session = new_session()
        login = client.login(user, session)
        client.intent(user, session, login["version"], [number + 1])
        client.outcome(user, session)
        client.session(user, session, login["now"], dele=1,
                       removed=str(number + 1))
    wait_until(lambda: service.value("SELECT count(*) FROM pop3.session") ==
               300, "300 sessions")
    assert service.value("SELECT count(*) FROM pop3.audit "
                         "WHERE event = 'committed'") == 300


def test_message_reported_twice(service, client, new_session):
    """As one that would be removed: found due, and then fetched again."""
    session = new_session()
    login = client.login(USER, session)
    would = [("would", {"uid": uid, "guid": guid(uid), "size": 99,
                        "reason": reason})
             for uid, reason in ((7, "expired-retrieved"), (4, "dele"),
                                 (7, "dele"))]
    client.tell("SESSION", would, user=USER, session=session,
                started=login["now"], duration=1, ended_by="quit",
                guid=guid(USER), uidvalidity=1, uidnext=8, uidnext_end=8,
                messages=7)
    service.wait_sessions(USER, 1)
    assert service.sql("SELECT uid, reason FROM pop3.would_remove "
                       "ORDER BY uid") == [(4, "dele"),
                                           (7, "expired-retrieved")]


def test_message_retrieved_twice_is_refused(service, client, new_session):
    service.expect("SESSION refused|is there twice")
    session = new_session()
    login = client.login(USER, session)
    # the order is that of the client
    client.session(USER, session, login["now"], fetched="2,9", retr=2,
                   retrieved=[(9, "none"), (2, "none")])
    client.session(USER, new_session(), login["now"], fetched="2,9", retr=2,
                   retrieved=[(9, "none"), (2, "none"), (9, "none")])
    service.wait_log("is there twice")
    client.login(USER, new_session())
    service.wait_sessions(USER, 1)
