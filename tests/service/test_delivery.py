# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What deliveries ask and say: LIMITS, EVICT, INTENT without a login, USAGE."""

import socket
import threading
import time

import pytest

from pgproxy import Proxy
from servicehost import Fail, guid, message, wait_until

USER = "jane@example.org"
OTHER = "joe@example.org"
AWAY = "The database cannot be used"
BOX = {"guid": guid(USER), "uidvalidity": 1}


def policy(service, scope="*", **parameters):
    for name, value in parameters.items():
        service.sql("SELECT pop3.set_policy(%s, %s, %s)",
                    (scope, name, value))


def limits(client, session, user=USER):
    return client.ask("LIMITS", user=user, session=session)


def evict(client, session, bytes=0, messages=0, user=USER):
    reply = client.ask("EVICT", user=user, session=session, guid=guid(user),
                       uidvalidity=1, bytes=bytes, messages=messages)
    return [int(i["uid"]) for i in reply.items_of("message")], reply


def usage(client, user=USER, bytes=1000, messages=1, **fields):
    client.tell("USAGE", user=user, bytes=bytes, messages=messages, **fields)


def recorded(service):
    return service.sql("SELECT username, bytes, messages, storage_limit, "
                       "message_limit, level FROM pop3.usage ORDER BY 1")


def retrieve(client, session, uids, user=USER, action="none", **fields):
    login = client.login(user, session)
    client.session(user, session, login["now"], retr=len(uids),
                   retrieved=[(uid, action) for uid in uids], **fields)


# --- LIMITS ---

def test_limits_are_the_policy_of_a_login(service, client, new_session):
    policy(service, enforcement="enforce", quota_storage="100M",
           quota_action="evict")
    policy(service, USER, quota_messages="50")
    for user in (USER, OTHER):
        login = client.login(user, new_session())
        reply = limits(client, new_session(), user)
        assert {k: v for k, v in reply.items() if k != "now"} == {
            k: v for k, v in login.items() if k not in ("now", "lease",
                                                        "items")}
        assert abs(float(reply["now"]) - float(login["now"])) < 10
    assert limits(client, new_session())["p.quota_messages"] == "50"


def test_limits_are_no_login(service, client, new_session):
    policy(service, enforcement="enforce", login_delay="60s")
    for _ in range(2):
        assert "wait" not in limits(client, new_session())
    assert service.value("SELECT count(*) FROM pop3.login") == 0
    assert service.value("SELECT count(*) FROM pop3.maildrop") == 0


def test_a_change_holds_from_the_next_delivery_on(service, client,
                                                  new_session):
    assert limits(client, new_session())["p.quota_storage"] == "-2"
    policy(service, USER, quota_storage="1000")
    assert limits(client, new_session())["p.quota_storage"] == "1000"
    assert limits(client, new_session(), OTHER)["p.quota_storage"] == "-2"


@pytest.mark.parametrize("verb,fields,missing", [
    ("LIMITS", {"user": USER}, "session"),
    ("LIMITS", {"session": "0" * 32}, "user"),
    ("EVICT", {"user": USER, "session": "0" * 32, "bytes": 1, "messages": 0,
               "uidvalidity": 1}, "guid"),
    ("EVICT", {"user": USER, "session": "0" * 32, "bytes": 1, "messages": 0,
               "guid": "0" * 32}, "uidvalidity"),
    ("EVICT", {"user": USER, "session": "0" * 32, "messages": 0, **BOX},
     "bytes"),
    ("EVICT", {"user": USER, "session": "0" * 32, "bytes": -1, "messages": 0,
               **BOX}, "bytes"),
    ("USAGE", {"user": USER, "messages": 1}, "bytes"),
    ("USAGE", {"user": USER, "bytes": 1, "messages": -1}, "messages"),
    ("USAGE", {"user": USER, "bytes": 1, "messages": 1, "level": 101},
     "level"),
    ("USAGE", {"user": USER, "bytes": 1, "messages": 1,
               "storage_limit": "much"}, "storage_limit")])
def test_wrong_fields(service, client, verb, fields, missing):
    service.expect("Request refused")
    with pytest.raises(Fail) as fail:
        client.ask(verb, **fields)
    assert fail.value.code == "invalid"
    assert "field %s " % missing in fail.value.text


# --- while the database is away ---

def test_limits_while_the_database_is_away(own_service, own_postgres,
                                           new_session):
    service = own_service
    service.expect(AWAY, "requests failed")
    policy(service, enforcement="enforce", quota_storage="1000")
    client = service.client()
    known = limits(client, new_session())
    assert "cached" not in known
    service.sql("SELECT pop3.set_policy(%s, 'quota_storage', '1')", (OTHER,))
    service.wait_policies()
    own_postgres.stop("immediate")
    service.wait_log(AWAY)
    start = time.monotonic()
    for _ in range(20):
        reply = limits(client, new_session())
        assert reply["cached"] == "1"
        assert {k: v for k, v in reply.items()
                if k not in ("now", "cached")} == {
            k: v for k, v in known.items() if k != "now"}
        assert 0 <= float(reply["now"]) - float(known["now"]) < 30
    assert time.monotonic() - start < 1
    # the policy of a domain is known for all its users; not that of one with
    # a row that nobody asked for
    assert limits(client, new_session(), "new@example.org")["version"] == \
        known["version"]
    with pytest.raises(Fail) as fail:
        limits(client, new_session(), OTHER)
    assert fail.value.code == "temp"
    own_postgres.start()
    wait_until(lambda: service.log_contains("used again"), "the database")
    policy(service, quota_storage="2000")
    reply = limits(client, new_session())
    assert "cached" not in reply and reply["p.quota_storage"] == "2000"


def test_what_a_login_saw_is_known(own_service, own_postgres, new_session):
    service = own_service
    service.expect(AWAY)
    client = service.client()
    service.sql("SELECT pop3.set_policy(%s, 'notify', 'yes')", (USER,))
    service.wait_policies()
    login = client.login(USER, new_session())
    own_postgres.stop("immediate")
    service.wait_log(AWAY)
    reply = limits(client, new_session())
    assert (reply["cached"], reply["version"]) == ("1", login["version"])
    own_postgres.start()
    wait_until(lambda: service.log_contains("used again"), "the database")


def test_limits_of_a_database_that_does_not_answer(postgres, make_service,
                                                   new_session):
    """Not held for longer than query_timeout."""
    proxy = Proxy(postgres.directory)
    try:
        dbname = "silent%d" % time.monotonic_ns()
        postgres.create_database(dbname, "template_pop3")
        service = make_service(pg=postgres, dbname=dbname, settings={
            "connect": proxy.uri(postgres.uri("pop3_service", dbname)),
            "query_timeout": "1 s"})
        service.expect(AWAY, "requests failed", "No answer|no answer")
        client = service.client()
        known = limits(client, new_session())
        service.sql("SELECT pop3.set_policy(%s, 'notify', 'yes')", (OTHER,))
        service.wait_policies()
        proxy.hold()
        start = time.monotonic()
        reply = limits(client, new_session())
        taken = time.monotonic() - start
        assert reply["cached"] == "1" and 0.9 < taken < 3
        assert reply["p.quota_storage"] == known["p.quota_storage"]
        start = time.monotonic()
        with pytest.raises(Fail) as fail:
            limits(client, new_session(), OTHER)
        assert fail.value.code == "temp"
        assert time.monotonic() - start < 3
    finally:
        proxy.close()


# --- EVICT ---

@pytest.fixture
def left(service, client, new_session):
    """3 and 1 retrieved in this order, 2 and 4 hidden in this order; 5 to 10
    not retrieved. Sizes are 1000 and the UID. EVICT waits until all is
    written."""
    for uid in (3, 1):
        retrieve(client, new_session(), [uid])
        evict(client, new_session())
        service.sql("SELECT pop3_test.age(%s, '1 hour')", (USER,))
    for uid in (2, 4):
        session = new_session()
        login = client.login(USER, session)
        client.intent(USER, session, login["version"], [uid], action="hide")
        client.outcome(USER, session)
        client.session(USER, session, login["now"])
        evict(client, new_session())
        service.sql("SELECT pop3_test.age(%s, '1 hour')", (USER,))
    return service


@pytest.mark.parametrize("bytes,messages,uids,more", [
    (0, 0, [], False), (1, 0, [2], True), (1002, 0, [2], True),
    (1003, 0, [2, 4], True), (2006, 1, [2, 4], True), (2007, 0, [2, 4, 3], True),
    (0, 1, [2], True), (0, 3, [2, 4, 3], True), (0, 4, [2, 4, 3, 1], False),
    (1, 3, [2, 4, 3], True), (10 ** 12, 0, [2, 4, 3, 1], False),
    (0, 100, [2, 4, 3, 1], False)])
def test_what_may_be_evicted(left, client, new_session, bytes, messages, uids,
                             more):
    found, reply = evict(client, new_session(), bytes, messages)
    assert found == uids
    assert reply.get("more") == ("1" if more else None)
    for item in reply.items_of("message"):
        uid = int(item["uid"])
        assert item == {k: str(v) for k, v in message(USER, uid).items()}


def test_nothing_is_evicted_of_a_maildrop_that_is_not_known(left, client,
                                                            new_session):
    assert evict(client, new_session(), 1, 1, OTHER)[0] == []
    assert client.ask("EVICT", user=USER, session=new_session(),
                      guid=guid(USER), uidvalidity=2, bytes=1,
                      messages=0).all_items == []


def evict_intent(client, session, version, uids, no=1, **fields):
    return client.intent(USER, session, version, uids, no=no, reason="quota",
                         **{"for": "<new@example.net>", "dsession": "lmtp1",
                            **fields})


def test_an_eviction(left, client, new_session):
    """Without a login: its rows tell what it was for, the state is gone, and
    what is under way is not named to others."""
    session = new_session()
    version = limits(client, session)["version"]
    assert evict_intent(client, session, version, [2, 4])["lease"] == "60"
    assert evict(client, new_session(), 1, 0)[0] == [3]
    client.outcome(USER, session)
    assert evict(client, new_session(), 0, 10)[0] == [3, 1]
    assert left.sql("SELECT event, uid, reason, action, detail, "
                    "dovecot_session FROM pop3.audit WHERE session_id = %s "
                    "ORDER BY seq", (session,)) == [
        ("intent", 2, "quota", "expunge", "room for <new@example.net>",
         "lmtp1"),
        ("intent", 4, "quota", "expunge", "room for <new@example.net>",
         "lmtp1"),
        ("committed", None, None, None, None, "lmtp1")]
    assert left.sql("SELECT rule, status, detail, count(*) "
                    "FROM pop3.report_deletion GROUP BY 1, 2, 3") == [
        ("quota", "committed", "room for <new@example.net>", 2)]


def test_a_failed_eviction_leaves_all(left, client, new_session):
    session = new_session()
    version = limits(client, session)["version"]
    evict_intent(client, session, version, [2])
    client.outcome(USER, session, "failed")
    assert evict(client, new_session(), 0, 2)[0] == [2, 4]


def test_a_policy_that_changed_is_stale(left, client, new_session):
    session = new_session()
    version = limits(client, session)["version"]
    policy(left, USER, pop3_hold="yes")
    with pytest.raises(Fail) as fail:
        evict_intent(client, session, version, [2])
    assert fail.value.code == "stale"
    version = limits(client, session)["version"]
    assert evict_intent(client, session, version, [2], no=2)


def test_deliveries_that_ended_are_no_lost_sessions(left, client,
                                                    new_session):
    before = left.value("SELECT count(*) FROM pop3.session")
    delivery = left.client()
    for result in ("committed", "failed", "unknown"):
        session = new_session()
        version = limits(delivery, session)["version"]
        for no, uid in enumerate({"committed": (2, 4), "failed": (3, 1),
                                  "unknown": (3,)}[result], 1):
            evict_intent(delivery, session, version, [uid], no=no)
            delivery.outcome(USER, session, result, no=no)
    limits(delivery, new_session())
    delivery.close()
    client.login(OTHER, new_session())
    assert left.value("SELECT count(*) FROM pop3.session") == before
    # the one that is not known may be repaired
    assert left.sql("SELECT state, count(*) FROM pop3.intent "
                    "GROUP BY 1 ORDER BY 1") == [("abandoned", 1),
                                                 ("closed", 6)]


def test_a_delivery_that_dies_leaves_its_intent_to_repair(left, client,
                                                          new_session):
    delivery = left.client()
    session = new_session()
    version = limits(delivery, session)["version"]
    evict_intent(delivery, session, version, [2])
    delivery.sock.shutdown(socket.SHUT_RDWR)
    delivery.close()
    wait_until(lambda: left.value("SELECT state FROM pop3.intent WHERE "
                                  "session_id = %s", (session,)) ==
               "abandoned", "the intent to be abandoned")
    items = client.login(USER, new_session()).items_of("intent")
    assert [item["session"] for item in items] == [session]
    assert left.value("SELECT count(*) FROM pop3.session "
                      "WHERE ended_by = 'lost'") == 0


# --- USAGE ---

def test_usage_is_written_when_the_service_ends(make_service):
    service = make_service()
    client = service.client()
    usage(client, bytes=5000, messages=3, storage_limit=10000,
          message_limit=10, level=0)
    usage(client, bytes=9000, messages=5, storage_limit=10000, level=80)
    usage(client, OTHER, bytes=0, messages=0)
    assert recorded(service) == []
    service.stop()
    assert recorded(service) == [(USER, 9000, 5, 10000, None, 80),
                                 (OTHER, 0, 0, None, None, 0)]


def test_usage_is_written_once_per_interval(make_service):
    service = make_service(settings={"poll_interval": "1 s"})
    client = service.client()
    before = service.value("SELECT last_batch FROM pop3.chain")
    for number in range(1000):
        usage(client, bytes=number, messages=1)
        usage(client, OTHER, bytes=number, messages=2)
    wait_until(lambda: [row[1] for row in recorded(service)] == [999, 999],
               "usage to be written")
    assert service.value("SELECT last_batch FROM pop3.chain") <= before + 2
    usage(client, bytes=7, messages=1)
    wait_until(lambda: recorded(service)[0][1] == 7, "usage to be written")


def test_usage_of_many_users(make_service):
    service = make_service(settings={"poll_interval": "1 s"})
    client = service.client()
    users = ["u%d@example.org" % n for n in range(2500)]
    for user in users:
        usage(client, user)
    wait_until(lambda: len(recorded(service)) == 2500, "all users")


def test_usage_while_the_database_is_away(own_postgres, make_service):
    service = make_service(pg=own_postgres, dbname=own_postgres.dbname,
                           settings={"poll_interval": "1 s"})
    service.expect(AWAY)
    client = service.client()
    own_postgres.stop("immediate")
    service.wait_log(AWAY)
    for number in range(100):
        usage(client, bytes=number)
    time.sleep(1.2)
    usage(client, bytes=12345)
    own_postgres.start()
    wait_until(lambda: service.log_contains("used again"), "the database")
    wait_until(lambda: [row[1] for row in recorded(service)] == [12345],
               "usage to be written")


def test_many_deliveries_at_once(service, new_session):
    policy(service, enforcement="enforce", quota_storage="1000")
    failed = []

    def deliver(number):
        user = "u%d@example.org" % (number % 5)
        try:
            client = service.client()
            for _ in range(20):
                if limits(client, new_session(),
                          user)["p.quota_storage"] != "1000":
                    failed.append(user)
                usage(client, user)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=deliver, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
