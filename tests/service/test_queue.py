# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Records that the database refuses, and the end of the service."""

import os
import shutil
import signal
import time

import pytest

from servicehost import Fail, wait_until

USER = "jane@example.org"
POISON = "poison@example.org"

POISON_TRIGGER = """
CREATE FUNCTION public.poison() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'poison';
END $$;
CREATE TRIGGER poison BEFORE INSERT ON {table} FOR EACH ROW
    WHEN (NEW.username LIKE 'poison%%') EXECUTE FUNCTION public.poison();
"""


def did_something(client, session, user=USER, uid=1):
    client.session(user, session, "%.3f" % time.time(), fetched=str(uid), retr=1,
                   retrieved=[(uid, "none")])


def test_refused_record_is_quarantined(service, client, new_session):
    service.expect("goes to pop3.quarantine")
    service.sql(POISON_TRIGGER.format(table="pop3.session"))
    for number in range(1, 101):
        did_something(client, new_session(),
                      POISON if number in (30, 31, 77) else USER, uid=number)
    client.login(POISON, new_session())
    service.wait_sessions(USER, 97)
    assert [row[0] for row in service.sql(
        "SELECT event FROM pop3.audit ORDER BY seq")] == ["quarantined"] * 3
    records = [row[0] for row in service.sql(
        "SELECT record FROM pop3.quarantine")]
    assert len(records) == 3
    assert all(record.startswith("record_session(") and POISON in record
               for record in records)
    # the others kept their order
    uids = [row[0] for row in service.sql(
        "SELECT lower(fetched) FROM pop3.session ORDER BY seq")]
    assert uids == sorted(uids)
    assert len(service.log_lines("goes to pop3.quarantine")) == 3


def test_refused_intent_is_not_kept(service, client, new_session):
    service.expect("record_intent of user %s was refused: poison" % POISON)
    service.sql(POISON_TRIGGER.format(table="pop3.audit"))
    session = new_session()
    login = client.login(POISON, session)
    with pytest.raises(Fail) as fail:
        client.intent(POISON, session, login["version"], [1])
    assert fail.value.code == "temp"
    assert service.value("SELECT count(*) FROM pop3.quarantine") == 0
    assert service.value("SELECT count(*) FROM pop3.intent") == 0
    # others are not harmed
    session = new_session()
    login = client.login(USER, session)
    client.intent(USER, session, login["version"], [1])


def test_not_even_quarantined(service, client, new_session):
    service.expect("goes to pop3.quarantine",
                   "Not even the quarantine takes a record")
    service.sql(POISON_TRIGGER.format(table="pop3.session"))
    service.sql(POISON_TRIGGER.format(table="pop3.quarantine").replace(
        "public.poison", "public.poison2").replace("NEW.username LIKE "
                                                   "'poison%%'", "true"))
    did_something(client, new_session(), POISON)
    did_something(client, new_session())
    service.wait_log("Not even the quarantine takes a record")
    service.wait_sessions(USER, 1)


def test_sigterm_writes_what_is_queued(make_service, new_session):
    service = make_service(settings={"batch_interval": "1 s"})
    client = service.client()
    for number in range(3000):
        did_something(client, new_session(), uid=number + 1)
    # read by the service once it answers this
    client.ask("UIDS", maildrop=1)
    service.kill(signal.SIGTERM)
    assert service.value("SELECT count(*) FROM pop3.session") == 3000


def test_killed_service_is_started_again(service, client, new_session):
    """What was committed stays, the chain goes on. For what was queued see
    test_log.py."""
    service.expect(r"child \d+ killed with signal 9")
    session = new_session()
    login = client.login(USER, session)
    client.intent(USER, session, login["version"], [1])
    service.kill(signal.SIGKILL)
    assert client.is_closed()
    service.wait_log("The database can be used", 2)
    other = service.client()
    reply = other.intent(USER, session, login["version"], [1], repeat=True)
    assert reply["lease"] == "60"
    other.outcome(USER, session)
    service.wait_audit(USER, ["intent", "committed"])
    assert service.value("SELECT count(*) FROM pop3.chain") == 1


def test_reload_with_clients_takes_another_chain(make_service, new_session):
    # else Dovecot ends the old one soon
    service = make_service(extra="shutdown_clients = no\n")
    client = service.client()
    did_something(client, new_session(), uid=1)
    service.wait_sessions(USER, 1)
    service.reload()
    service.wait_log("The database can be used", 2)
    other = service.client()
    for number in range(2, 52):
        did_something(client, new_session(), uid=number)
        did_something(other, new_session(), uid=number + 1000)
    service.wait_sessions(USER, 101)
    assert service.value("SELECT count(*) FROM pop3.chain") == 2
    names = os.listdir(service.path("state", "pop3-policy"))
    assert sorted(n for n in names if n.startswith("chain")) == [
        "chain", "chain.2"]


def test_reload_without_clients_keeps_the_chain(service, new_session):
    client = service.client()
    did_something(client, new_session())
    service.wait_sessions(USER, 1)
    client.close()
    pids = service.pids()
    service.reload()
    wait_until(lambda: service.pids() and not set(pids) & set(service.pids()),
               "a new service")
    service.wait_log("The database can be used", 2)
    did_something(service.client(), new_session())
    service.wait_sessions(USER, 2)
    # the new one may have started before the old one ended
    assert service.value("SELECT count(*) FROM pop3.chain") <= 2


def test_chain_file(service):
    path = service.path("state", "pop3-policy", "chain")
    assert os.stat(path).st_mode & 0o777 == 0o600
    with open(path) as file:
        chain = file.read()
    assert service.sql("SELECT chain_id::text FROM pop3.chain") == [
        (chain.rstrip("\n"),)]
    service.kill(signal.SIGTERM)
    service.wait_log("The database can be used", 2)
    with open(path) as file:
        assert file.read() == chain


def test_damaged_chain_file(make_service, new_session):
    service = make_service(wait=False, settings={"state_dir": "/nonexistent"})
    service.expect("/nonexistent", "Fatal", "command startup failed")
    state = service.path("damaged")
    os.mkdir(state)
    with open(os.path.join(state, "chain"), "w") as file:
        file.write("not an id\n")
    for path in (state, os.path.join(state, "chain")):
        shutil.chown(path, "dovecot", "dovecot")
    service.settings["state_dir"] = state
    service.write_settings()
    service.wait_log(r"damaged/chain does not hold a UUID")
    os.unlink(os.path.join(state, "chain"))

    # the master waits for a while, and then starts it for a client
    def client():
        try:
            return service.client()
        except ConnectionError:
            return None
    wait_until(client, "the service to be started again").login(
        USER, new_session())


@pytest.mark.parametrize("code,failures", [
    ("23514", 3), ("XX001", 3), ("P0001", 1), ("22000", 1)])
def test_record_refused_for_a_while(service, client, new_session, code,
                                    failures):
    """A constraint or a corruption may be mended: the record is kept."""
    service.sql("""
        CREATE SEQUENCE public.tries;
        CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql
            SECURITY DEFINER AS $$
        BEGIN
            IF nextval('public.tries') <= %d THEN
                RAISE EXCEPTION 'not now' USING ERRCODE = '%s';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON pop3.session FOR EACH ROW
            EXECUTE FUNCTION public.refuse()""" % (failures, code))
    did_something(client, new_session())
    service.wait_sessions(USER, 1)
    assert service.value("SELECT count(*) FROM pop3.quarantine") == 0
