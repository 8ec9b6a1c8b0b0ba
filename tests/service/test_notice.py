# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""NOTICES and NOTICE: what the owner should be told, and the right to tell."""

import threading
import time

import pytest

from pgproxy import Proxy
from servicehost import Fail, guid, wait_until

USER = "jane@example.org"
OTHER = "joe@example.org"
AWAY = "The database cannot be used"
DAY = 86400


def policy(service, scope="*", **parameters):
    for name, value in parameters.items():
        service.sql("SELECT pop3.set_policy(%s, %s, %s)",
                    (scope, name, value))


def age(service, by, user=USER):
    service.sql("SELECT pop3_test.age(%s, %s)", (user, by))


@pytest.fixture
def told(service):
    """A service whose users are told."""
    policy(service, enforcement="enforce", notify="yes")
    return service


def notices(client, session, user=USER):
    return client.ask("NOTICES", user=user, session=session, guid=guid(user),
                      uidvalidity=1)


def notice(client, session, kind, user=USER, **fields):
    """Whether it may be written."""
    values = {"dsession": "lmtp1", "guid": guid(user), "uidvalidity": 1,
              "message_id": "<%s@mail>" % session,
              **({"level": 80} if kind == "quota" else {}),
              **({"until": int(time.time()) + 7 * DAY, "count": 3}
                 if kind == "expiry" else {})}
    values.update(fields)
    reply = client.ask("NOTICE", user=user, session=session, kind=kind,
                       **values)
    assert set(reply) <= {"take"}
    return reply.get("take") == "1"


def usage(client, user=USER, **fields):
    client.tell("USAGE", user=user, bytes=1000, messages=1, **fields)


def limits(client, session, user=USER):
    return client.ask("LIMITS", user=user, session=session)


def retrieve(client, session, uids, **fields):
    login = client.login(USER, session)
    client.session(USER, session, login["now"], retr=len(uids),
                   retrieved=[(uid, "none") for uid in uids], **fields)


def test_rules_that_changed(told, client, new_session):
    session = new_session()
    reply = notices(client, session)
    assert reply.all_items == []
    policy(told, expire_retrieved="14d", top_lines="0", quota_warn="50")
    reply = notices(client, session)
    assert reply["version"] == client.login(USER, session)["version"]
    assert abs(float(reply["now"]) - time.time()) < 60
    assert reply.all_items == [
        ("rule", {"name": "expire_retrieved", "old": "-1",
                  "new": str(14 * DAY)}),
        ("rule", {"name": "top_lines", "old": "-1", "new": "0"})]
    assert notice(client, session, "policy", version=reply["version"])
    assert notices(client, new_session()).all_items == []
    age(told, "25 hours")
    assert notices(client, new_session()).all_items == []


def test_mail_that_will_expire(told, client, new_session):
    policy(told, expire_retrieved="10d", expire_unretrieved="20d")
    retrieve(client, new_session(), [1, 3])
    # waits until that is written
    assert notices(client, new_session()).items_of("expiry") == []
    age(told, "14 days")
    reply = notices(client, new_session())
    item, = reply.items_of("expiry")
    assert item == {"uids": "1,3", "before": "11", "exempt": "1,3",
                    "at": item["at"], "until": item["until"]}
    assert abs(int(item["until"]) - float(reply["now"]) - 7 * DAY) < 3
    # 1 and 3 are overdue
    assert abs(int(item["at"]) - float(reply["now"])) < 3
    assert notice(client, new_session(), "expiry", until=item["until"],
                  count=10)
    age(told, "2 days")
    assert notices(client, new_session()).items_of("expiry") == []
    assert told.sql("SELECT event, reason, detail LIKE '10 messages until %%' "
                    "FROM pop3.audit") == [("notice", "expiry", True)]


@pytest.mark.parametrize("time_setting,days,found", [
    ("3 days", 6, False), ("3 days", 8, True), ("30d", 1, True),
    ("24 h", 8, False), ("24 h", 9.5, True)])
def test_notice_expiry_time(make_service, new_session, time_setting, days,
                            found):
    service = make_service(settings={"notice_expiry_time": time_setting})
    policy(service, enforcement="enforce", notify="yes",
           expire_retrieved="10d")
    client = service.client()
    retrieve(client, new_session(), [1])
    notices(client, new_session())
    age(service, "%s days" % days)
    assert bool(notices(client, new_session()).items_of("expiry")) == found


def test_what_was_said_before_counts(told, client, new_session):
    """Not written yet when NOTICES comes, from this client or another."""
    policy(told, expire_retrieved="5d", expire_unretrieved="30d")
    for number in range(1, 11):
        other = told.client()
        retrieve(other, new_session(), [number])
        item, = notices(client, new_session()).items_of("expiry")
        assert item["uids"] == ("1-%d" % number if number > 1 else
                                "1").replace("-", ":")


def test_use_by_imap_counts(told, client, new_session):
    policy(told, expire_unretrieved="3d")
    session = new_session()
    login = client.login(USER, session)
    client.session(USER, session, login["now"])
    assert notices(client, session).items_of("expiry")
    client.tell("IMAP", user=USER)
    assert notices(client, session).items_of("expiry") == []


@pytest.mark.parametrize("kind", ["quota", "expiry", "policy"])
def test_one_of_a_kind_a_day(told, client, new_session, kind):
    assert notice(client, new_session(), kind)
    assert not notice(client, new_session(), kind)
    assert notice(client, new_session(), kind, OTHER)
    age(told, "25 hours")
    assert notice(client, new_session(), kind,
                  **({"level": 95} if kind == "quota" else {}))
    # what was refused leaves no row
    assert told.sql("SELECT event, reason, dovecot_session FROM pop3.audit "
                    "WHERE username = %s", (USER,)) == [
        ("notice", kind, "lmtp1")] * 2


def test_a_repeated_request_gets_the_same_answer(told, client, new_session):
    session = new_session()
    assert notice(client, session, "quota")
    assert notice(told.client(), session, "quota")
    assert not notice(client, session, "quota", message_id="<other@mail>")
    assert [row[0] for row in told.audit(USER)] == ["notice", "repeat"]


def test_the_level_that_was_told(told, client, new_session):
    assert "told" not in limits(client, new_session())
    assert notice(client, new_session(), "quota", level=80)
    assert limits(client, new_session())["told"] == "80"
    assert "told" not in limits(client, new_session(), OTHER)
    age(told, "25 hours")
    assert not notice(client, new_session(), "quota", level=80)
    assert notice(client, new_session(), "quota", level=95)
    usage(client, level=80)
    # at once, though it is written later
    assert limits(client, new_session())["told"] == "80"
    usage(client, level=95)
    assert limits(client, new_session())["told"] == "80"
    usage(client)
    assert "told" not in limits(client, new_session())
    assert told.value("SELECT level FROM pop3.notice") == 95
    usage(client, level=80)
    age(told, "25 hours")
    # written before the question
    assert notice(client, new_session(), "quota", level=80)
    assert told.value("SELECT level FROM pop3.notice") == 80


def test_many_deliveries_cross_at_once(told, new_session):
    """One of them tells."""
    results = []

    def deliver():
        client = told.client()
        for _ in range(10):
            usage(client, level=80)
            results.append(notice(client, new_session(), "quota"))

    threads = [threading.Thread(target=deliver) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False] * 99 + [True]


def test_a_policy_that_changed_meanwhile(told, client, new_session):
    version = notices(client, new_session())["version"]
    policy(told, top_lines="10")
    assert not notice(client, new_session(), "policy", version=version)
    reply = notices(client, new_session())
    assert notice(client, new_session(), "policy", version=reply["version"])


def test_nobody_is_told_against_his_will(told, client, new_session):
    policy(told, USER, notify="no", expire_retrieved="1d")
    retrieve(client, new_session(), [1])
    assert notices(client, new_session()).all_items == []
    for kind in ("quota", "expiry", "policy"):
        assert not notice(client, new_session(), kind)
    assert told.audit(USER) == []


COMPLETE = {"user": USER, "session": "0" * 32, "guid": "1" * 32,
            "uidvalidity": 1}


@pytest.mark.parametrize("verb,fields,wrong", [
    ("NOTICES", {"user": None}, "user"),
    ("NOTICES", {"session": "x"}, "session"),
    ("NOTICES", {"guid": None}, "guid"),
    ("NOTICES", {"uidvalidity": 0}, "uidvalidity"),
    ("NOTICE", {"kind": "nonsense", "message_id": "<x>"}, "kind"),
    ("NOTICE", {"message_id": "<x>"}, "kind"),
    ("NOTICE", {"kind": "policy"}, "message_id"),
    ("NOTICE", {"kind": "quota", "message_id": "<x>"}, "level"),
    ("NOTICE", {"kind": "quota", "message_id": "<x>", "level": 0}, "level"),
    ("NOTICE", {"kind": "quota", "message_id": "<x>", "level": 101},
     "level"),
    ("NOTICE", {"kind": "expiry", "message_id": "<x>", "count": 1}, "until"),
    ("NOTICE", {"kind": "expiry", "message_id": "<x>", "until": 1}, "count"),
    ("NOTICE", {"kind": "expiry", "message_id": "<x>", "count": 1,
                "until": 10 ** 15}, "until")])
def test_wrong_fields(told, client, verb, fields, wrong):
    told.expect("Request refused")
    with pytest.raises(Fail) as fail:
        client.ask(verb, **{**COMPLETE, **fields})
    assert fail.value.code == "invalid"
    assert "field %s " % wrong in fail.value.text
    assert told.audit() == []


def test_a_message_id_that_is_no_utf8(told, client, new_session):
    assert notice(client, new_session(), "policy",
                  message_id="<\udcff@mail>")
    assert told.value("SELECT message_id FROM pop3.audit") == "<\\xFF@mail>"


# --- the database goes away ---

def test_while_the_database_is_away(own_service, own_postgres, new_session):
    service = own_service
    service.expect(AWAY)
    policy(service, enforcement="enforce", notify="yes")
    client = service.client()
    assert notice(client, new_session(), "quota", level=80)
    service.wait_policies()
    own_postgres.stop("immediate")
    service.wait_log(AWAY)
    for _ in range(3):
        with pytest.raises(Fail) as fail:
            notices(client, new_session())
        assert fail.value.code == "temp"
        with pytest.raises(Fail) as fail:
            notice(client, new_session(), "policy")
        assert fail.value.code == "temp"
    # what was told is known, and what was said since
    session = new_session()
    reply = limits(client, session)
    assert (reply["cached"], reply["told"]) == ("1", "80")
    own_postgres.start()
    wait_until(lambda: service.log_contains("used again"), "the database")
    assert limits(client, session)["told"] == "80"
    own_postgres.stop("immediate")
    wait_until(lambda: len(service.log_lines(AWAY)) == 2, "the next outage")
    reply = limits(client, session)
    assert (reply["cached"], reply["told"]) == ("1", "80")
    usage(client, level=0)
    assert "told" not in limits(client, session)
    own_postgres.start()
    wait_until(lambda: len(service.log_lines("used again")) == 2,
               "the database")
    assert [row[0] for row in service.audit()] == ["notice"]
    assert "told" not in limits(client, session)


def test_an_answer_that_was_lost(postgres, make_service, new_session):
    """It is taken; who asks again gets it, and nobody else."""
    proxy = Proxy(postgres.directory)
    try:
        dbname = "lost%d" % time.monotonic_ns()
        postgres.create_database(dbname, "template_pop3")
        service = make_service(pg=postgres, dbname=dbname, settings={
            "connect": proxy.uri(postgres.uri("pop3_service", dbname)),
            "query_timeout": "2 s"})
        service.expect(AWAY)
        policy(service, enforcement="enforce", notify="yes")
        client = service.client()
        session = new_session()
        results = []

        def ask():
            try:
                results.append(notice(client, session, "quota"))
            except Fail as fail:
                results.append(fail.code)

        with service.pg.connect(dbname=service.dbname,
                                autocommit=False) as lock:
            lock.cursor().execute("LOCK TABLE pop3.notice IN SHARE MODE")
            thread = threading.Thread(target=ask)
            thread.start()
            wait_until(lambda: service.value(
                "SELECT count(*) FROM pg_locks WHERE NOT granted"),
                "the notice to wait")
            proxy.hold_ends()
        service.wait_audit(USER, ["notice"])
        proxy.cut()
        thread.join()
        assert results == ["temp"]
        wait_until(lambda: service.log_contains("used again"),
                   "the database")
        assert not notice(client, new_session(), "quota")
        assert notice(client, session, "quota")
    finally:
        proxy.close()
