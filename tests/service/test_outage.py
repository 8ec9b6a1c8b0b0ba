# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The database goes away, comes back, and loses answers. No record is lost and
none is written twice: every test ends with a check of the chains."""

import threading
import time

import pytest

from pgproxy import Proxy
from servicehost import Fail, wait_until

USER = "jane@example.org"
AWAY = "The database cannot be used"


@pytest.fixture
def proxy(postgres):
    proxy = Proxy(postgres.directory)
    yield proxy
    proxy.close()


@pytest.fixture
def proxied(proxy, postgres, make_service):
    """A service whose connections go through the proxy: (service, proxy)."""
    dbname = "proxied%d" % time.monotonic_ns()
    postgres.create_database(dbname, "template_pop3")
    service = make_service(pg=postgres, dbname=dbname, settings={
        "connect": proxy.uri(postgres.uri("pop3_service", dbname)),
        "query_timeout": "2 s"})
    return service, proxy


def did_something(client, session, user=USER, started=None, uid=1):
    client.session(user, session, started or "%.3f" % time.time(),
                   fetched=str(uid), retr=1, retrieved=[(uid, "none")])


def backends(service, role="writer"):
    return service.sql("SELECT pid FROM pg_stat_activity WHERE "
                       "application_name LIKE %s", ("pop3-policy %s%%" % role,))


def test_killed_postgres(own_service, own_postgres, new_session):
    service = own_service
    service.expect(AWAY)
    client = service.client()
    session = new_session()
    login = client.login(USER, session)
    client.intent(USER, session, login["version"], [1])
    for _ in range(100):
        did_something(client, new_session())
    own_postgres.stop("immediate")
    client.outcome(USER, session)
    for _ in range(100):
        did_something(client, new_session())
    assert client.login(USER, new_session())["offline"] == "1"
    with pytest.raises(Fail) as fail:
        client.login("stranger@example.org", new_session())
    assert fail.value.code == "temp"
    own_postgres.start()
    # once it is there again everything is written, before this is answered
    wait_until(lambda: service.log_contains("used again"), "the database")
    client.login(USER, new_session())
    service.wait_sessions(USER, 200)
    assert [row[0] for row in service.audit(USER)] == ["intent", "committed"]
    assert len(service.log_lines(AWAY)) == 1
    assert len(service.log_lines("used again")) == 1


def test_refusals_while_away_are_quick(own_service, own_postgres,
                                       new_session):
    service = own_service
    service.expect(AWAY)
    client = service.client()
    session = new_session()
    login = client.login(USER, session)
    own_postgres.stop()
    service.wait_log(AWAY)
    time.sleep(1.1)
    start = time.monotonic()
    for number in range(20):
        with pytest.raises(Fail) as fail:
            client.login("stranger@example.org", new_session())
        assert fail.value.code == "temp"
        with pytest.raises(Fail) as fail:
            client.intent(USER, session, login["version"], [1], no=number + 1)
        assert fail.value.code == "temp"
    assert time.monotonic() - start < 10
    own_postgres.start()
    wait_until(lambda: service.log_contains("used again"), "the database")
    client.login(USER, new_session())
    assert service.audit(USER) == []


def test_answer_lost_after_commit(proxied, new_session):
    """The intent is durable, the connection breaks before the answer."""
    service, proxy = proxied
    service.expect(AWAY)
    client = service.client()
    session = new_session()
    login = client.login(USER, session)
    proxy.hold_ends()
    number = client.send("INTENT", [("message", {
        "uid": 7, "guid": "0" * 32, "size": 1, "action": "expunge",
        "reason": "dele"})], user=USER, session=session, no=1,
        version=login["version"], guid="1" * 32, uidvalidity=1)
    did_something(client, new_session())
    service.wait_audit(USER, ["intent"])
    proxy.cut()
    assert client.receive(number)["lease"] == "60"
    did_something(client, new_session())
    service.wait_sessions(USER, 2)
    assert service.audit(USER) == [("intent", 7, "dele")]


def test_stale_answer_lost_after_commit(proxied, new_session):
    service, proxy = proxied
    service.expect(AWAY)
    client = service.client()
    session = new_session()
    client.login(USER, session)
    proxy.hold_ends()
    number = client.send("INTENT", [("message", {
        "uid": 7, "guid": "0" * 32, "size": 1, "action": "expunge",
        "reason": "dele"})], user=USER, session=session, no=1,
        version="stale", guid="1" * 32, uidvalidity=1)
    service.wait_audit(USER, ["intent"])
    proxy.cut()
    with pytest.raises(Fail) as fail:
        client.receive(number)
    assert fail.value.code == "stale"
    service.wait_audit(USER, ["intent", "released"])


def test_connection_lost_before_commit(proxied, new_session):
    """What was sent did not arrive: it is sent again."""
    service, proxy = proxied
    service.expect(AWAY)
    client = service.client()
    session = new_session()
    login = client.login(USER, session)
    with service.pg.connect(dbname=service.dbname, autocommit=False) as lock:
        # the batch hangs behind this lock when its connection breaks
        lock.cursor().execute("LOCK TABLE pop3.session IN EXCLUSIVE MODE")
        for _ in range(10):
            did_something(client, new_session())
        wait_until(lambda: service.value(
            "SELECT count(*) FROM pg_locks WHERE NOT granted"),
            "the writer to hang")
        service.sql("SELECT pg_terminate_backend(%s)", backends(service)[0])
        wait_until(lambda: service.log_contains(AWAY), "the loss")
    lock.close()
    service.wait_sessions(USER, 10)
    reply = client.intent(USER, session, login["version"], [1])
    assert reply["lease"] == "60"


def test_intent_that_timed_out_is_abandoned(own_service, own_postgres,
                                            new_session):
    """It is not known to its session, so it must be repairable."""
    service = own_service
    service.expect("no answer from the database", AWAY)
    client = service.client()
    session = new_session()
    login = client.login(USER, session)
    own_postgres.pause()
    start = time.monotonic()
    with pytest.raises(Fail) as fail:
        client.intent(USER, session, login["version"], [1])
    assert fail.value.code == "temp"
    assert 3 < time.monotonic() - start < 8
    client.close()
    own_postgres.resume()
    other = service.client()

    def intents():
        try:
            return other.login(USER, new_session()).items_of("intent")
        except Fail:
            return []
    found = wait_until(intents, "the intent to be abandoned")
    assert found[0]["session"] == session
    assert [row[0] for row in service.audit(USER)] == ["intent"]


def test_writer_killed_again_and_again(service, new_session):
    """Under load, with a killer that hardly sleeps."""
    service.expect(AWAY, "requests failed since")
    stop = threading.Event()

    def killer():
        while not stop.is_set():
            service.sql("SELECT pg_terminate_backend(pid) FROM "
                        "pg_stat_activity WHERE application_name = "
                        "'pop3-policy writer' AND datname = current_database()")
            time.sleep(0.5)
    thread = threading.Thread(target=killer)
    thread.start()
    client = service.client()
    sent, confirmed, end = 0, set(), time.monotonic() + 12
    number = 0
    try:
        while time.monotonic() < end:
            number += 1
            session = new_session()
            try:
                login = client.login(USER, session)
                client.intent(USER, session, login["version"], [number])
            except Fail as fail:
                assert fail.code in ("temp", "stale")
            else:
                confirmed.add(number)
                client.outcome(USER, session)
            for _ in range(5):
                did_something(client, new_session())
                sent += 1
    finally:
        stop.set()
        thread.join()
    wait_until(lambda: service.value(
        "SELECT count(*) FROM pop3.session WHERE ended_by = 'quit'") == sent,
        "%d sessions" % sent, timeout=60)
    intents = [uid for event, uid, _ in service.audit(USER)
               if event == "intent"]
    assert len(confirmed) > 20
    assert len(intents) == len(set(intents))
    assert confirmed <= set(intents)
    assert service.value("SELECT count(*) FROM pop3.audit "
                         "WHERE event = 'committed'") == len(confirmed)
    assert service.value("SELECT count(*) FROM pop3.audit "
                         "WHERE event = 'repeat'") == 0


def test_readers_come_back(service, client, new_session):
    service.expect(AWAY, "requests failed since")
    for _ in range(3):
        client.login(USER, new_session())
        service.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name LIKE 'pop3-policy reader%%' AND "
                    "datname = current_database()")
        wait_until(lambda: len(backends(service, "reader")) == 2,
                   "the readers to be back")


def test_slow_database(make_service, new_session):
    """A question that takes too long is answered in time, and the next one is
    not harmed."""
    service = make_service(settings={"query_timeout": "500 ms"})
    service.expect("requests failed since", AWAY)
    client = service.client()
    client.login(USER, new_session())
    lock = service.pg.connect(dbname=service.dbname, autocommit=False)
    lock.cursor().execute("LOCK TABLE pop3.maildrop IN ACCESS EXCLUSIVE MODE")
    for user in (USER, "stranger@example.org"):
        start = time.monotonic()
        if user == USER:
            assert client.login(user, new_session())["offline"] == "1"
        else:
            with pytest.raises(Fail) as fail:
                client.login(user, new_session())
            assert fail.value.code == "temp"
        assert time.monotonic() - start < 2
    lock.close()
    assert "offline" not in client.login(USER, new_session())


def test_lock_in_the_way_quarantines_nothing(make_service, new_session):
    service = make_service(settings={"query_timeout": "200 ms"})
    client = service.client()
    lock = service.pg.connect(dbname=service.dbname, autocommit=False)
    lock.cursor().execute("LOCK TABLE pop3.session IN EXCLUSIVE MODE")
    for _ in range(20):
        did_something(client, new_session())
    time.sleep(2)
    lock.close()
    service.wait_sessions(USER, 20)
    assert service.value("SELECT count(*) FROM pop3.quarantine") == 0


def test_attempts_back_off(proxied, new_session):
    service, proxy = proxied
    service.expect(AWAY)
    proxy.refuse()
    time.sleep(6)
    attempts = len(proxy.attempts)
    # three connections, and one for upkeep that may be there: each after
    # about 0.1, 0.2, 0.4, 0.8, 1.6, 3.2 s; without back-off there would be
    # hundreds
    assert 10 <= attempts <= 60
    assert len(service.log_lines(AWAY)) == 1
    proxy.refuse(False)
    wait_until(lambda: service.log_contains("used again"), "the database")
    service.client().login(USER, new_session())


def test_records_kept_while_away(own_service, own_postgres, new_session):
    """Several thousand, with their order."""
    service = own_service
    service.expect(AWAY, r"pop3\.maintain\(\) failed")
    client = service.client()
    own_postgres.stop()
    service.wait_log(AWAY)
    for number in range(5000):
        did_something(client, new_session(), user="user%d@example.org" %
                      (number % 10), uid=number + 1)
    own_postgres.start()
    wait_until(lambda: service.value("SELECT count(*) FROM pop3.session") ==
               5000, "5000 sessions", timeout=60)
    assert service.value(
        "SELECT count(*) FROM (SELECT lower(fetched) AS uid, "
        "lag(lower(fetched)) OVER (ORDER BY seq) AS before "
        "FROM pop3.session) s WHERE uid <= before") == 0


def test_imap_users_while_away(own_service, own_postgres, new_session):
    """Their names are kept, and written before the next login is answered."""
    service = own_service
    service.expect(AWAY)
    client = service.client()
    users = ["user%d@example.org" % number for number in range(500)]
    for user in users:
        did_something(client, new_session(), user)
    client.login(users[-1], new_session())
    own_postgres.stop()
    service.wait_log(AWAY)
    for _ in range(2):
        for user in users:
            client.tell("IMAP", user=user)
    own_postgres.start()
    wait_until(lambda: service.log_contains("used again"), "the database")
    client.login(users[-1], new_session())
    assert service.value("SELECT imap_used_at IS NOT NULL FROM pop3.maildrop "
                         "WHERE username = %s", (users[-1],))
    wait_until(lambda: service.value(
        "SELECT count(*) FROM pop3.maildrop WHERE imap_used_at IS NOT NULL")
        == 500, "all of them")


def test_too_many_records_while_away(own_service, own_postgres, new_session):
    """Sessions are dropped then, an outcome never is."""
    service = own_service
    service.expect(AWAY, "no more are kept", "were dropped while",
                   r"child \d+ killed with signal 9")
    client = service.client()
    session = new_session()
    login = client.login(USER, session)
    client.intent(USER, session, login["version"], [1])
    own_postgres.stop()
    service.wait_log(AWAY)
    client.outcome(USER, session)
    # one with retrievals is kept as well
    client.session(USER, session, login["now"], fetched="4", retr=1,
                   retrieved=[(4, "none")])
    line = ("SESSION\t0\tuser=many@example.org\tsession=%032x\t"
            "started=%.3f\tended_by=drop\tretr=1\n")
    for start in range(0, 101000, 1000):
        client.send_raw("".join(line % (number + 1, time.time())
                                for number in range(start, start + 1000)))
    service.wait_log("no more are kept")
    own_postgres.start()
    service.wait_audit(USER, ["intent", "committed"])
    service.wait_log(r"\d+ records were dropped while the database was away")
    service.wait_sessions(USER, 1)
    # the others would take their time
    service.kill()


def test_more_logins_than_the_database_serves(make_service, new_session):
    """Questions that would be answered too late are not asked, so that it
    recovers as soon as the load ends."""
    service = make_service(settings={"query_timeout": "2 s",
                                     "offline_users": "0"})
    service.expect("requests failed since")
    service.sql("""
        CREATE OR REPLACE FUNCTION pop3.policies_known() RETURNS text
            LANGUAGE plpgsql SECURITY DEFINER
            SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            PERFORM pg_sleep(0.03);
            RETURN (SELECT concat_ws('.', g.generation, g.changed_by)
                      FROM pop3.generation g);
        END $$""")
    client = service.client()
    client.login(USER, new_session())
    sent = 0
    for _ in range(50):
        for _ in range(20):
            client.send("LOGIN", user=USER, session=new_session())
            sent += 1
        time.sleep(0.1)
    answers = {"ok": 0, "does not keep up": 0, "other": 0}
    for _ in range(sent):
        try:
            client.receive()
            answers["ok"] += 1
        except Fail as fail:
            answers["does not keep up" if "does not keep up" in fail.text
                    else "other"] += 1
    assert answers["does not keep up"] > answers["other"], answers
    start = time.monotonic()
    client.login(USER, new_session())
    assert time.monotonic() - start < 2
    assert answers["ok"] > 20


def test_locked_user_does_not_hold_up_others(service, client, new_session):
    """Somebody works on one user's rows in psql and does not commit."""
    service.expect("no answer from the database within")
    other = "other@example.org"
    did_something(client, new_session(), uid=1)
    client.login(USER, new_session())
    session = new_session()
    login = client.login(other, session)
    with service.pg.connect(dbname=service.dbname, autocommit=False) as lock:
        lock.cursor().execute("SELECT 1 FROM pop3.maildrop "
                              "WHERE username = %s FOR UPDATE", (USER,))
        for uid in range(2, 5):
            did_something(client, new_session(), uid=uid)
        time.sleep(0.2)
        for number in range(1, 7):
            start = time.monotonic()
            client.intent(other, session, login["version"], [number],
                          no=number)
            assert time.monotonic() - start < 2
            did_something(client, new_session(), uid=4 + number)
            time.sleep(0.3)
        # he goes on with what is known, after a wait
        assert client.login(USER, new_session())["offline"] == "1"
        assert service.value("SELECT count(*) FROM pop3.session "
                             "WHERE username = %s", (USER,)) == 1
        lock.rollback()
    lock.close()
    client.login(USER, new_session())
    service.wait_sessions(USER, 10)
    uids = [row[0] for row in service.sql(
        "SELECT lower(fetched) FROM pop3.session WHERE username = %s "
        "ORDER BY seq", (USER,))]
    assert uids == list(range(1, 11))
    assert service.value("SELECT count(*) FROM pop3.quarantine") == 0


def postpone(client, user, session, version, uids, how, no=1):
    return client.intent(user, session, version, uids, no=no, postpone=how)


def test_intent_is_postponed(own_service, own_postgres, new_session):
    """Not without the client's consent; each is recorded once."""
    service = own_service
    service.expect(AWAY)
    client = service.client()
    session = new_session()
    login = client.login(USER, session)
    own_postgres.stop()
    service.wait_log(AWAY)
    time.sleep(1.1)
    with pytest.raises(Fail) as fail:
        client.intent(USER, session, login["version"], [1])
    assert fail.value.code == "temp"
    for no, how in enumerate(["may", "must", "must"], 2):
        reply = postpone(client, USER, session, login["version"], [no], how,
                         no)
        assert reply["offline"] == "1" and "lease" not in reply
        # others see it when the UPDATE was done
        drops = client.login(USER, new_session()).items_of("maildrop")
        assert [drop["hidden"] for drop in drops] == \
            [drop["postponed"] for drop in drops] == ["2"] * (no > 2)
        if no == 3:
            # this one failed after all
            client.outcome(USER, session, "failed", no, postponed=1)
        elif no == 2:
            client.outcome(USER, session, "committed", no, postponed=1)
    # one that the session did not get the answer to, and a process that ended
    client.outcome(USER, session, "failed", 4)
    other = service.client()
    assert postpone(other, USER, new_session(), login["version"], [5],
                    "must")["offline"] == "1"
    other.close()
    wait_until(lambda: "2,5" == client.login(USER, new_session()).items_of(
        "maildrop")[0]["hidden"], "the end of the connection")
    own_postgres.start()
    wait_until(lambda: service.log_contains("used again"), "the database")
    login = client.login(USER, new_session())
    (drop,) = login.items_of("maildrop")
    assert drop["hidden"] == drop["postponed"] == "2,5"
    assert [(item["uid"], item["reason"])
            for item in login.items_of("postponed")] == [
                ("2", "dele"), ("5", "dele")]
    # nobody else has ever seen the others
    assert service.audit(USER) == [
        ("postponed", 2, "dele"), ("postponed", 5, "dele")]


def test_session_that_is_offline_stays_so(client, service, new_session):
    """Whether the database is back or not."""
    session = new_session()
    login = client.login(USER, session)
    reply = postpone(client, USER, session, login["version"], [1], "must")
    assert reply["offline"] == "1"
    service.wait_audit(USER, ["postponed"])
    # too late to be as if it had not been
    client.outcome(USER, session, "failed")
    service.wait_audit(USER, ["postponed", "released"])


def test_intents_behind_one_that_hangs(own_service, own_postgres,
                                       new_session):
    """What was sent is not known to be durable, what was not is postponed."""
    service = own_service
    service.expect("no answer from the database", AWAY)
    clients = [(service.client(), new_session()) for _ in range(5)]
    logins = [client.login(USER, session) for client, session in clients]
    own_postgres.pause()
    sent = []
    for uid, ((client, session), login) in enumerate(
            zip(clients, logins), 1):
        sent.append(client.send("INTENT", [("message", {
            "uid": uid, "guid": "%032x" % uid, "size": 1,
            "action": "expunge", "reason": "dele"})], user=USER,
            session=session, no=1, version=login["version"], guid="1" * 32,
            uidvalidity=1, postpone="may"))
        time.sleep(0.1)
    answers = []
    for (client, _), number in zip(clients, sent):
        try:
            answers.append(client.receive(number)["offline"])
        except Fail as fail:
            answers.append(fail.code)
    assert answers == ["temp"] + ["1"] * 4
    own_postgres.resume()
    service.wait_audit(USER, ["intent"] + ["postponed"] * 4)
    assert [uid for _, uid, _ in service.audit(USER)] == [1, 2, 3, 4, 5]


def test_offline_may_be_switched_off(proxy, make_service, postgres,
                                     new_session):
    dbname = "never%d" % time.monotonic_ns()
    postgres.create_database(dbname, "template_pop3")
    service = make_service(pg=postgres, dbname=dbname, settings={
        "connect": proxy.uri(postgres.uri("pop3_service", dbname)),
        "offline_time": "0 s"})
    service.expect(AWAY)
    client = service.client()
    session = new_session()
    login = client.login(USER, session)
    proxy.refuse()
    service.wait_log(AWAY)
    with pytest.raises(Fail) as fail:
        client.login(USER, new_session())
    assert fail.value.code == "temp"
    for how in ("may", "must"):
        with pytest.raises(Fail) as fail:
            postpone(client, USER, session, login["version"], [1], how)
        assert fail.value.code == "temp"
    proxy.refuse(False)
    wait_until(lambda: service.log_contains("used again"), "the database")
