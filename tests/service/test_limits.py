# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""login_delay, download_daily, leave limits and mass deletion: LOGIN's wait=,
DOWNLOAD, LEAVE, and what goes with them."""

import threading

import pytest

from servicehost import Fail, guid, message, wait_until

USER = "jane@example.org"
OTHER = "joe@example.org"


def policy(service, scope="*", **parameters):
    for name, value in parameters.items():
        service.sql("SELECT pop3.set_policy(%s, %s, %s)",
                    (scope, name, value))


def age(service, by, user=USER):
    service.sql("SELECT pop3_test.age(%s, %s)", (user, by))


# --- login_delay ---

@pytest.fixture
def delayed(service):
    policy(service, enforcement="enforce", login_delay="60s")
    return service


def logins(service):
    return service.sql("SELECT username, replace(session_id::text, '-', '') "
                       "FROM pop3.login ORDER BY 1")


def test_a_login_too_soon_has_to_wait(delayed, client, new_session):
    first = new_session()
    reply = client.login(USER, first)
    assert "wait" not in reply
    client.session(USER, first, reply["now"], retr=1, fetched="3",
                   retrieved=[(3, "none")])
    refused = client.login(USER, new_session())
    assert 50 <= int(refused["wait"]) <= 60
    assert refused.all_items == []
    # what is needed to say so, and to record it
    assert refused["p.login_delay"] == "60"
    assert refused["p.enforcement"] == "enforce"
    assert float(refused["now"]) >= float(reply["now"])
    assert logins(delayed) == [(USER, first)]
    # the others do not wait
    assert "wait" not in client.login(OTHER, new_session())
    age(delayed, "61 seconds")
    third = new_session()
    reply = client.login(USER, third)
    assert "wait" not in reply and len(reply.items_of("maildrop")) == 1
    assert (USER, third) in logins(delayed)


def test_refused_logins_do_not_extend_it(delayed, client, new_session):
    client.login(USER, new_session())
    for _ in range(3):
        age(delayed, "18 seconds")
        assert "wait" in client.login(USER, new_session())
    age(delayed, "18 seconds")
    assert "wait" not in client.login(USER, new_session())


def test_a_repeated_question_is_no_second_login(delayed, client, new_session):
    session = new_session()
    for _ in range(3):
        assert "wait" not in client.login(USER, session)
    assert "wait" not in delayed.client().login(USER, session)


def test_a_login_that_came_to_another_service(make_service, new_session):
    """Of a fleet, or after a reload."""
    first = make_service()
    policy(first, enforcement="enforce", login_delay="60s")
    second = make_service(pg=first.pg, dbname=first.dbname)
    assert "wait" not in first.client().login(USER, new_session())
    assert "wait" in second.client().login(USER, new_session())


# what says that the login is not to be recorded
@pytest.mark.parametrize("parameters,fields", [
    ({"login_delay": "0"}, {}),
    ({"enforcement": "off"}, {}),
    ({"pop3_access": "off"}, {}),
    ({}, {"auth_user": "master", "master": True}),
    ({}, {"again": True})])
def test_logins_that_are_not_concerned(delayed, client, new_session,
                                       parameters, fields):
    accepted = new_session()
    client.login(USER, accepted)
    policy(delayed, **parameters)
    for _ in range(2):
        assert "wait" not in client.login(USER, new_session(), **fields)
        assert logins(delayed) == [(USER, accepted)]


def test_an_alias_is_concerned(delayed, client, new_session):
    client.login(USER, new_session(), auth_user="jane")
    assert "wait" in client.login(USER, new_session())
    assert "wait" in client.login(USER, new_session(), auth_user="jane")


@pytest.mark.parametrize("access", ["on", "off"])
def test_observe_lets_in_and_says_what_is_missing(delayed, client,
                                                  new_session, access):
    policy(delayed, enforcement="observe", pop3_access=access)
    first, second = new_session(), new_session()
    login = client.login(USER, first)
    client.session(USER, first, login["now"], retr=1)
    reply = client.login(USER, second)
    assert 50 <= int(reply["wait"]) <= 60
    assert len(reply.items_of("maildrop")) == 1
    assert logins(delayed) == [(USER, second)]


def test_of_many_logins_at_once_one_is_accepted(make_service, new_session):
    """Through two services, each with a few connections to the database."""
    first = make_service()
    policy(first, enforcement="enforce", login_delay="1h")
    second = make_service(pg=first.pg, dbname=first.dbname)
    for user in ("user%d@example.org" % n for n in range(10)):
        clients = [s.client() for s in (first, second) for _ in range(6)]
        replies, barrier = [], threading.Barrier(len(clients))

        def run(client, user=user, replies=replies, barrier=barrier):
            barrier.wait()
            replies.append(client.login(user, new_session()))
        threads = [threading.Thread(target=run, args=(c,)) for c in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(replies) == len(clients)
        accepted = [r for r in replies if "wait" not in r]
        assert len(accepted) == 1
        for client in clients:
            client.close()


def test_a_login_that_fails_is_not_accepted(delayed, client, new_session):
    """Its state cannot be told by the database, only from memory: it is not
    recorded, and may be tried again at once."""
    delayed.expect("requests failed", "The database cannot be used")
    session = new_session()
    login = client.login(OTHER, session)
    client.session(OTHER, session, login["now"], retr=1, fetched="3",
                   retrieved=[(3, "none")])
    delayed.wait_sessions(OTHER, 1)
    age(delayed, "1 hour", OTHER)
    before = logins(delayed)
    with delayed.pg.connect(dbname=delayed.dbname, autocommit=False) as conn:
        conn.cursor().execute("LOCK pop3.maildrop IN ACCESS EXCLUSIVE MODE")
        assert client.login(OTHER, new_session())["offline"] == "1"
        conn.rollback()
    conn.close()
    wait_until(lambda: logins(delayed) == before, "the rollback")
    assert "wait" not in client.login(OTHER, new_session())


# --- download_daily ---

def download(client, session, user=USER, limit=1000, bytes=0, reserve=0):
    return client.ask("DOWNLOAD", user=user, session=session, limit=limit,
                      bytes=bytes, reserve=reserve)


def counted(service, user=USER):
    return service.value("SELECT coalesce(sum(bytes), 0)::bigint "
                         "FROM pop3.download WHERE username = %s", (user,))


def test_a_download_is_allowed_below_the_limit(service, client, new_session):
    session = new_session()
    assert download(client, session, reserve=600) == {"used": "0"}
    assert download(client, session, bytes=600, reserve=600) == \
        {"used": "600"}
    reply = download(client, session, bytes=1200, reserve=1)
    assert reply["used"] == "1200"
    assert 86400 - 60 <= int(reply["wait"]) <= 86400 + 300
    assert counted(service) == 1200
    # whichever session, but not whoever it is
    assert "wait" in download(client, new_session(), reserve=1)
    assert "wait" not in download(client, new_session(), OTHER, reserve=1)
    age(service, "%s seconds" % (int(reply["wait"]) - 60))
    assert "wait" in download(client, session, bytes=1200, reserve=1)
    age(service, "61 seconds")
    assert download(client, session, bytes=1200, reserve=1) == {"used": "0"}


def test_the_end_of_a_session_settles_what_it_reserved(service, client,
                                                       new_session):
    policy(service, download_daily="1000B")
    session = new_session()
    login = client.login(USER, session)
    download(client, session, reserve=900)
    client.session(USER, session, login["now"], ended_by="drop", retr=1,
                   bytes=120)
    client.login(USER, new_session())
    assert counted(service) == 120


def test_what_was_sent_without_a_question_counts(service, client,
                                                 new_session):
    """The answer did not come in time, so the message was sent."""
    policy(service, download_daily="1000B")
    session = new_session()
    login = client.login(USER, session)
    client.session(USER, session, login["now"], retr=1, bytes=5000)
    client.login(USER, new_session())
    assert counted(service) == 5000
    assert "wait" in download(client, new_session(), reserve=1)


def test_a_session_without_effect_settles(service, client, new_session):
    """It reserved, and then nothing was sent: it is no poll that is only
    counted."""
    policy(service, download_daily="1000B")
    first = new_session()
    login = client.login(USER, first)
    client.session(USER, first, login["now"], retr=1, bytes=1)
    session = new_session()
    login = client.login(USER, session)
    download(client, session, reserve=900)
    client.session(USER, session, login["now"])
    client.login(USER, new_session())
    assert counted(service) == 1
    # one that reserved nothing is a poll
    session = new_session()
    login = client.login(USER, session)
    client.session(USER, session, login["now"])
    client.login(USER, new_session())
    assert service.value("SELECT count(*) FROM pop3.session "
                         "WHERE username = %s", (USER,)) == 2


# who is not limited, is not counted
@pytest.mark.parametrize("parameters,fields", [
    ({"download_daily": "unlimited"}, {}),
    ({"enforcement": "off"}, {}),
    ({}, {"auth_user": "master", "master": True})])
def test_sessions_that_do_not_count(service, client, new_session, parameters,
                                    fields):
    policy(service, **{"download_daily": "1000B", "enforcement": "enforce",
                       **parameters})
    session = new_session()
    login = client.login(USER, session, **fields)
    client.session(USER, session, login["now"], retr=1, bytes=5000,
                   auth_user=fields.get("auth_user"))
    service.wait_sessions(USER, 1)
    assert counted(service) == 0


@pytest.mark.parametrize("enforcement", ["observe", "enforce"])
def test_sessions_that_count(service, client, new_session, enforcement):
    policy(service, download_daily="1000B", enforcement=enforcement)
    session = new_session()
    login = client.login(USER, session, auth_user="alias")
    client.session(USER, session, login["now"], retr=1, bytes=5000,
                   auth_user="alias")
    service.wait_sessions(USER, 1)
    assert counted(service) == 5000


def test_another_service_ends_the_session(service, client, new_session):
    """It was restarted: it knows of no limit, but of the reservation."""
    policy(service, download_daily="1000B")
    session = new_session()
    login = client.login(USER, session)
    download(client, session, reserve=900)
    second = service.client()
    second.session(USER, session, login["now"], retr=1, bytes=120)
    service.wait_sessions(USER, 1)
    assert counted(service) == 120


def test_a_process_that_is_gone_leaves_its_reservation(service, client,
                                                       new_session):
    policy(service, download_daily="1000B")
    session = new_session()
    client.login(USER, session)
    download(client, session, reserve=900)
    client.close()
    service.wait_sessions(USER, 1)
    assert service.value("SELECT ended_by FROM pop3.session") == "lost"
    assert counted(service) == 900


def test_many_sessions_at_once(make_service, new_session):
    """Through two services: as many bytes as the limit allows, not one
    more."""
    first = make_service()
    second = make_service(pg=first.pg, dbname=first.dbname)
    clients = [s.client() for s in (first, second) for _ in range(5)]
    allowed, barrier = [], threading.Barrier(len(clients))

    def run(client):
        session, sent = new_session(), 0
        barrier.wait()
        for _ in range(20):
            reply = download(client, session, limit=7000, bytes=sent,
                             reserve=100)
            if "wait" not in reply:
                sent += 100
                allowed.append(100)
    threads = [threading.Thread(target=run, args=(c,)) for c in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(allowed) == counted(first) == 7000


def test_no_answer_when_the_database_is_away(make_service, new_session):
    service = make_service(settings={"query_timeout": "500 ms"})
    service.expect("requests failed", "canceling statement")
    client = service.client()
    with service.pg.connect(dbname=service.dbname, autocommit=False) as conn:
        conn.cursor().execute("LOCK pop3.download IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Fail) as fail:
            download(client, new_session(), reserve=1)
        # canceled in the database, too
        wait_until(lambda: not service.value(
            "SELECT count(*) FROM pg_locks WHERE NOT granted"),
            "nobody to wait for the lock")
        conn.rollback()
    conn.close()
    assert fail.value.code == "temp"
    assert download(client, new_session(), reserve=1)["used"] == "0"


@pytest.mark.parametrize("verb,good,bad", [
    ("DOWNLOAD", {"limit": 1, "bytes": 0, "reserve": 0}, bad) for bad in (
        {"limit": 0}, {"limit": None}, {"limit": -1}, {"bytes": -1},
        {"bytes": None}, {"reserve": "x"}, {"reserve": 1 << 60},
        {"session": None}, {"user": None})] + [
    ("LEAVE", {"messages": 1, "bytes": -1}, bad) for bad in (
        {"messages": -2}, {"messages": None}, {"bytes": None},
        {"maildrop": 0}, {"except": "5:3"}, {"session": "x"},
        {"user": None})])
def test_wrong_fields(service, client, new_session, verb, good, bad):
    service.expect("Request refused: %s: field %s" % (verb, list(bad)[0]))
    fields = {"user": USER, "session": new_session(), **good}
    client.ask(verb, **fields)
    with pytest.raises(Fail) as fail:
        client.ask(verb, **{**fields, **bad})
    assert fail.value.code == "invalid"
    assert "field %s" % list(bad)[0] in fail.value.text


def test_without_an_id_there_is_no_point(service, client, new_session):
    service.expect("Request refused: .* without an ID")
    session = new_session()
    client.tell("DOWNLOAD", user=USER, session=session, limit=1000, bytes=0,
                reserve=900)
    client.tell("LEAVE", user=USER, session=session, messages=0, bytes=0)
    client.login(USER, session)
    assert counted(service) == 0


# --- leave limits ---

def leave(client, session, messages=-1, bytes=-1, retrieved=(), user=USER,
          **fields):
    """(uid, guid) of what has to go. retrieved: (uid, size) pairs."""
    return [(int(item["uid"]), item.get("guid")) for item in client.ask(
        "LEAVE", [("message", {"uid": u, "size": s}) for u, s in retrieved],
        user=user, session=session, messages=messages, bytes=bytes,
        **fields).items_of("message")]


def test_what_exceeds_the_limits(service, client, new_session):
    for count, (uids, days) in enumerate((((7,), 1), ((3, 5), 1)), 1):
        session = new_session()
        login = client.login(USER, session)
        client.session(USER, session, login["now"], retr=1,
                       retrieved=[(u, "none") for u in uids])
        service.wait_sessions(USER, count)
        age(service, "%d days" % days)
    session = new_session()
    drop = client.login(USER, session).items_of("maildrop")[0]["id"]

    def go(*args, **fields):
        return [uid for uid, _ in leave(client, session, *args, maildrop=drop,
                                        **fields)]
    assert go() == []
    assert leave(client, session, 2, maildrop=drop) == [(7, guid((USER, 7)))]
    # sizes are 1000 + uid
    assert go(-1, 2008) == [7]
    assert go(-1, 2007) == [7, 3]
    assert go(0, **{"except": "3,7"}) == [5]
    assert go(2, retrieved=[(2, 10), (1, 10)]) == [7, 3, 5]
    assert go(0, retrieved=[(2, 10), (1, 10)]) == [7, 3, 5, 2, 1]
    assert leave(client, session, 1, retrieved=[(2, 10), (1, 10)]) == \
        [(2, None)]
    # another's maildrop
    assert leave(client, session, 0, maildrop=drop, user=OTHER) == []


def test_what_the_session_removed_already_does_not_count(
        service, client, new_session):
    """Due mail, at its login. The outcome may still be under way."""
    session = new_session()
    login = client.login(USER, session)
    client.session(USER, session, login["now"], retr=3,
                   retrieved=[(u, "none") for u in (3, 4, 5)])
    session = new_session()
    login = client.login(USER, session)
    drop = login.items_of("maildrop")[0]["id"]
    client.intent(USER, session, login["version"], [3],
                  reason="expired-retrieved")
    client.outcome(USER, session)
    assert leave(client, session, 2, maildrop=drop) == []
    assert [u for u, _ in leave(client, session, 1, maildrop=drop)] == [4]


def test_a_message_twice(service, client, new_session):
    service.expect("Request refused: message: field uid is there twice")
    with pytest.raises(Fail) as fail:
        leave(client, new_session(), 1, retrieved=[(2, 10), (2, 10)])
    assert fail.value.code == "invalid"


def test_ten_thousand_at_a_time(service, client, new_session):
    count = 10050
    assert [u for u, _ in leave(
        client, new_session(), 0,
        retrieved=[(u, 1) for u in range(1, count + 1)])] == \
        list(range(1, 10001))


# --- what was retrieved, and mass deletion ---

@pytest.mark.parametrize("parameters", [
    {"view_limit": "5"}, {"mass_delete_percent": "50"}])
def test_retrieved_is_told_where_it_is_needed(service, client, new_session,
                                              parameters):
    session = new_session()
    login = client.login(USER, session)
    client.session(USER, session, login["now"], retr=2)
    policy(service, **parameters)
    drop = client.login(USER, new_session()).items_of("maildrop")[0]
    assert drop["retrieved"] == "", "nothing was"
    session = new_session()
    login = client.login(USER, session)
    client.session(USER, session, login["now"], retr=2,
                   retrieved=[(3, "none"), (4, "expunge"), (9, "hide")])
    drop = client.login(USER, new_session()).items_of("maildrop")[0]
    assert drop["retrieved"] == "3:4,9"
    policy(service, **{name: "unlimited" for name in parameters})
    drop = client.login(USER, new_session()).items_of("maildrop")[0]
    assert "retrieved" not in drop


def test_mass_deletion(service, client, new_session):
    policy(service, enforcement="enforce", mass_delete_percent="50",
           expire_hidden="1d", mass_delete_hold="3d")
    session = new_session()
    login = client.login(USER, session)
    uids = [3, 4, 8]
    client.intent(USER, session, login["version"], uids, action="hide",
                  reason="mass-delete")
    client.tell("EVENT", user=USER, session=session, event="mass-delete",
                uids="3:4,8", guid=guid(USER), uidvalidity=1)
    client.outcome(USER, session)
    client.session(USER, session, login["now"], dele=3)
    reply = client.login(USER, new_session())
    assert reply.items_of("maildrop")[0]["hidden"] == "3:4,8"
    age(service, "2 days")
    reply = client.login(USER, new_session())
    assert reply.items_of("due") == []
    age(service, "1 day")
    reply = client.login(USER, new_session())
    assert [(d["uid"], d["reason"]) for d in reply.items_of("due")] == [
        (str(u), "mass-delete") for u in uids]
    assert service.value("SELECT pop3.restore(%s)", (USER,)) == 3
    reply = client.login(USER, new_session())
    drop = reply.items_of("maildrop")[0]
    assert "hidden" not in drop and drop["spared"] == "3:4,8"
    assert reply.items_of("due") == []


@pytest.mark.parametrize("event,accepted", [
    ("gone", True), ("refused", True), ("unconfirmed", True),
    ("mismatch", True), ("would-refuse", True), ("mass-delete", True),
    ("would-mass-delete", True), ("vetoed", False), ("intent", False)])
def test_events(service, client, new_session, event, accepted):
    fields = {"user": USER, "session": new_session(), "event": event,
              "reason": "download-daily", "uids": "3,5", "guid": guid(USER),
              "uidvalidity": 1}
    if accepted:
        client.ask("EVENT", **fields)
        service.wait_audit(USER, [event] * 2)
        assert service.audit(USER) == [(event, u, "download-daily")
                                       for u in (3, 5)]
    else:
        service.expect("Request refused: EVENT: field event")
        with pytest.raises(Fail):
            client.ask("EVENT", **fields)


def test_where_a_message_is_moved(service, client, new_session):
    session = new_session()
    version = client.login(USER, session)["version"]
    names = {3: "Trash", 4: None, 5: "a\tb \\ \u00fc", 6: "not\udcff UTF-8"}
    client.ask("INTENT", [
        ("message", message(USER, uid, reason="dele", mailbox=name,
                            action="move" if name else "expunge"))
        for uid, name in names.items()],
        user=USER, session=session, no=1, version=version, guid=guid(USER),
        uidvalidity=1)
    client.outcome(USER, session)
    service.wait_audit(USER, ["intent"] * 4 + ["committed"])
    assert service.sql("SELECT uid, action, moved_to, status "
                       "FROM pop3.report_deletion ORDER BY uid") == [
        (3, "move", "Trash", "committed"),
        (4, "expunge", None, "committed"),
        (5, "move", "a\tb \\ \u00fc", "committed"),
        (6, "move", "not\\xFF UTF-8", "committed")]


def test_a_move_drops_the_state(service, client, new_session):
    session = new_session()
    login = client.login(USER, session)
    client.session(USER, session, login["now"], retr=2,
                   retrieved=[(3, "none"), (4, "none")])
    session = new_session()
    login = client.login(USER, session)
    client.intent(USER, session, login["version"], [3], action="move")
    client.outcome(USER, session)
    drop = client.login(USER, new_session()).items_of("maildrop")[0]
    assert client.ask("UIDS", maildrop=drop["id"])["uids"] == "4"


def test_repair_of_a_move(service, client, new_session):
    """What is gone was presumably moved, what is there was not."""
    session = new_session()
    login = client.login(USER, session)
    client.session(USER, session, login["now"], retr=2,
                   retrieved=[(3, "none"), (4, "none")])
    session = new_session()
    login = client.login(USER, session)
    client.ask("INTENT", [
        ("message", message(USER, uid, action="move", reason="dele",
                            mailbox="Trash")) for uid in (3, 4)],
        user=USER, session=session, no=1, version=login["version"],
        guid=guid(USER), uidvalidity=1)
    client.outcome(USER, session, "unknown")
    by = new_session()
    (intent,) = client.login(USER, by).items_of("intent")
    claimed = client.ask("CLAIM", user=USER, session=by,
                         intent_session=intent["session"], no=1)
    assert {i["action"] for i in claimed.items_of("message")} == {"move"}
    client.tell("REPAIR", user=USER, session=by,
                intent_session=intent["session"], no=1, released="3",
                presumed="4")
    service.wait_audit(USER, ["intent", "intent", "released", "presumed"])
    assert service.sql("SELECT uid, moved_to, status "
                       "FROM pop3.report_deletion") == [
        (4, "Trash", "presumed")]
    drop = client.login(USER, new_session()).items_of("maildrop")[0]
    assert client.ask("UIDS", maildrop=drop["id"])["uids"] == "3"
