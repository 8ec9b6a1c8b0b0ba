# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What the owner should be told, and the right to tell it once."""

import random
import threading

import psycopg2
import pytest

from sqlhelp import BOX, DAY, USER, Service, guid, new_id

OTHER = "otto@example.org"
CONCERNS = {
    "on_retrieve", "on_dele", "view_since", "view_window", "view_limit",
    "expire_retrieved", "expire_unretrieved", "leave_max_messages",
    "leave_max_bytes", "quota_storage", "quota_messages", "login_delay",
    "download_daily", "top_lines"}


@pytest.fixture
def service(db):
    db.set("*", enforcement="enforce", notify="yes")
    return Service(db)


def uids(multirange):
    """The set of UIDs of a multirange's text."""
    found = set()
    for part in (multirange or "{}").strip("{}").split("),"):
        if part:
            first, last = part.strip("[)").split(",")
            found |= set(range(int(first), int(last)))
    return found


def unretrieved(row):
    """What a row of notices() or of maildrop_state() says is due so."""
    if row is None or row.before_uid is None:
        return set()
    return set(range(1, row.before_uid)) - uids(row.exempt)


# --- rules ---

def test_parameters_that_concern_the_owner(db):
    assert set(db.values("SELECT name FROM pop3.parameter "
                         "WHERE concerns_owner")) == CONCERNS


def test_rules_are_compared_with_the_built_in_ones_first(db, service):
    assert service.notices() == ({}, None)
    db.set("*", expire_retrieved="14d", quota_storage="100M",
           quota_action="evict", on_retrieve="keep")
    db.set(USER, quota_storage="unlimited", top_lines="0")
    assert service.notices()[0] == {
        "expire_retrieved": ("-1", str(14 * DAY)),
        "quota_storage": ("-2", "-1"), "top_lines": ("-1", "0")}
    assert service.notices(user=OTHER)[0] == {
        "expire_retrieved": ("-1", str(14 * DAY)),
        "quota_storage": ("-2", str(100 << 20))}


def test_rules_are_compared_with_what_was_told(db, service):
    db.set("*", expire_retrieved="14d", quota_storage="100M")
    assert service.take_notice("policy", version=service.version())
    db.age("25 hours")
    assert service.notices()[0] == {}
    db.set("*", expire_retrieved="7d", login_delay="60s")
    db.set(USER, quota_storage="100M")
    assert service.notices()[0] == {
        "expire_retrieved": (str(14 * DAY), str(7 * DAY)),
        "login_delay": ("0", "60")}
    # and back
    db.set("*", expire_retrieved="14d", login_delay="0")
    assert service.notices()[0] == {}


def test_rules_are_in_the_parameters_order(db, service):
    db.set("*", top_lines="5", expire_retrieved="1d", on_retrieve="hide")
    assert list(service.notices()[0]) == ["on_retrieve", "expire_retrieved",
                                          "top_lines"]


@pytest.mark.parametrize("scope,parameters", [
    ("*", {"enforcement": "observe"}), ("*", {"enforcement": "off"}),
    (USER, {"enforcement": "observe"}), (USER, {"notify": "no"})])
def test_nobody_is_told_otherwise(db, service, scope, parameters):
    db.set("*", expire_retrieved="5d")
    service.session(retrieved={1: "none"})
    rules, expiry = service.notices()
    assert rules and expiry
    db.set(scope, **parameters)
    assert service.notices() == ({}, None)
    for kind in ("quota", "expiry", "policy"):
        assert not service.notice_due(kind, level=80)
        assert not service.take_notice(kind, level=80)
    assert db.values("SELECT event FROM pop3.audit") == ["notice-refused"] * 3
    db.set(scope, enforcement="enforce", notify="yes")
    assert service.notices()[1] is not None
    assert service.take_notice("quota", level=80)


# --- expiry ---

def test_retrieved_mail_that_will_expire(db, service):
    db.set("*", expire_retrieved="10d")
    service.session(retrieved={1: "none", 3: "none"})
    assert service.notices()[1] is None
    db.age("2 days")
    service.session(retrieved={5: "none"})
    assert service.notices()[1] is None
    db.age("1 day 1 hour")
    row = service.notices()[1]
    assert (uids(row.uids), row.before_uid, row.exempt) == ({1, 3}, None, None)
    now = service.now()
    assert abs(row.at - (now + 7 * DAY - 3600)) <= 2
    assert abs(row.until - (now + 7 * DAY)) <= 2
    # a longer time covers more
    assert uids(service.notices(days=10)[1].uids) == {1, 3, 5}


def test_unretrieved_mail_that_will_expire(db, service):
    db.set("*", expire_unretrieved="20d")
    service.session(uidnext=6, uidnext_end=6)
    db.age("2 days")
    service.session(uidnext=11, uidnext_end=11, retrieved={2: "none"})
    db.age("12 days")
    row = service.notices()[1]
    assert (row.uids, row.before_uid, row.exempt) == (None, 6, "{[2,3)}")
    assert abs(row.at - (service.now() + 6 * DAY)) <= 2
    assert unretrieved(service.notices(days=9)[1]) == {
        1, 3, 4, 5, 6, 7, 8, 9, 10}
    assert service.notices(days=5)[1] is None


def test_what_is_overdue_does_not_set_the_date(db, service):
    """It was removed by the last login, but may be there for all that is
    known."""
    db.set("*", expire_unretrieved="20d")
    service.session(uidnext=6, uidnext_end=6)
    db.age("10 days")
    service.session(uidnext=11, uidnext_end=11)
    db.age("15 days")
    row = service.notices()[1]
    assert row.before_uid == 11
    assert abs(row.at - (service.now() + 5 * DAY)) <= 2
    # nothing else: now
    db.age("6 days")
    row = service.notices()[1]
    assert row.before_uid == 11 and abs(row.at - service.now()) <= 2


def test_a_hold_lets_nothing_expire(db, service):
    db.set("*", expire_retrieved="5d")
    service.session(retrieved={1: "none"})
    assert service.notices()[1]
    db.set("@example.org", pop3_hold="yes")
    assert service.notices()[1] is None


def test_what_was_told_is_not_told_again(db, service):
    db.set("*", expire_retrieved="10d", expire_unretrieved="20d")
    service.session(uidnext=6, uidnext_end=6, retrieved={1: "none"})
    db.age("2 days")
    service.session(uidnext=11, uidnext_end=11, retrieved={7: "none"})
    db.age("11 days 1 hour")
    row = service.notices()[1]
    assert uids(row.uids) == {1, 7}
    assert unretrieved(row) == {2, 3, 4, 5}
    assert service.take_notice("expiry", until=row.until, messages=6)
    assert service.notices()[1] is None
    db.age("2 days")
    row = service.notices()[1]
    assert (row.uids, unretrieved(row)) == (None, {6, 8, 9, 10})
    service.session(uidnext=11, uidnext_end=11, retrieved={8: "none"})
    db.age("4 days")
    row = service.notices()[1]
    assert (uids(row.uids), unretrieved(row)) == ({8}, {6, 9, 10})


def test_short_times_are_told_each_time(db, service):
    """What was retrieved after a notice was not in it, though it expires
    before the end of the time that it looked at."""
    db.set("*", expire_retrieved="1d")
    service.session(retrieved={1: "none"})
    row = service.notices()[1]
    assert service.take_notice("expiry", until=row.until, messages=1)
    db.age("1 hour")
    service.session(retrieved={2: "none"})
    db.age("25 hours")
    assert uids(service.notices()[1].uids) == {2}


def test_restored_mail_is_told_of_again(db, service):
    """Its clock begins anew."""
    db.set("*", expire_unretrieved="10d")
    service.session(uidnext=6, uidnext_end=6, messages=5)
    service.remove([3], "hide")
    db.age("4 days")
    row = service.notices()[1]
    assert unretrieved(row) == {1, 2, 4, 5}
    assert service.take_notice("expiry", until=row.until, messages=4)
    db.value("SELECT pop3.restore(%s)", (USER,))
    db.age("2 days")
    assert service.notices()[1] is None
    db.age("2 days")
    row = service.notices()[1]
    assert unretrieved(row) == {3}
    assert service.take_notice("expiry", until=row.until, messages=1)
    db.age("25 hours")
    assert service.notices()[1] is None


def test_what_imap_kept_was_not_told_of(db, service):
    db.set("*", expire_retrieved="20d", expire_unretrieved="20d")
    service.session(uidnext=6, uidnext_end=6, retrieved={2: "none"})
    db.age("14 days")
    service.write(0, "record_imap_use", username=[USER])
    row = service.notices()[1]
    assert (uids(row.uids), row.before_uid) == ({2}, None)
    assert service.take_notice("expiry", until=row.until, messages=1)
    db.age("14 days")
    row = service.notices()[1]
    assert (row.uids, unretrieved(row)) == (None, {1, 3, 4, 5})


def test_a_new_limit_tells_what_no_notice_covered(db, service):
    db.set("*", expire_unretrieved="20d")
    service.session(uidnext=6, uidnext_end=6, retrieved={1: "none"})
    db.age("15 days")
    assert service.take_notice("expiry", until=service.now() + 7 * DAY,
                               messages=4)
    db.set("*", expire_retrieved="20d")
    db.age("2 days")
    row = service.notices()[1]
    assert (uids(row.uids), row.before_uid) == ({1}, None)


def test_a_mailbox_that_was_put_back_is_told_anew(db, service):
    db.set("*", expire_unretrieved="5d")
    service.session(uidnext=11, uidnext_end=11)
    assert service.take_notice("expiry", until=service.now() + 7 * DAY,
                               messages=10)
    db.age("2 days")
    assert service.notices()[1] is None
    service.event("rollback", uidnext=6)
    service.session(uidnext=8, uidnext_end=8)
    assert unretrieved(service.notices()[1]) == set(range(1, 8))


def test_another_mailbox_was_not_told_of(db, service):
    db.set("*", expire_retrieved="5d")
    service.session(retrieved={1: "none"})
    assert service.take_notice("expiry", until=service.now() + 7 * DAY)
    service.session(retrieved={2: "none"}, uidvalidity=1001)
    db.age("25 hours")
    assert service.notices()[1] is None
    assert uids(service.notices(uidvalidity=1001)[1].uids) == {2}
    assert service.notices(uidvalidity=1002)[1] is None


def test_mail_out_of_the_view_is_not_told_of(db, service):
    db.set("*", expire_retrieved="30d", expire_unretrieved="30d")
    service.session(uidnext=6, uidnext_end=6, retrieved={1: "none"})
    db.age("10 days")
    service.session(uidnext=11, uidnext_end=11, retrieved={7: "none"})
    db.age("14 days")
    assert unretrieved(service.notices()[1]) == {2, 3, 4, 5}
    assert uids(service.notices()[1].uids) == {1}
    db.set("*", view_window="20d")
    assert service.notices()[1] is None
    db.set("*", view_window="30d")
    assert unretrieved(service.notices()[1]) == {2, 3, 4, 5}
    db.set("*", view_since=db.value(
        "SELECT to_char(now() - interval '20 days', 'YYYY-MM-DD')"))
    assert service.notices()[1] is None


def test_imap_users_are_not_alarmed(db, service):
    """A limit that is shorter than the time looked at: who used IMAP today
    will use it again."""
    db.set("*", expire_unretrieved="3d")
    service.session(uidnext=6, uidnext_end=6)
    assert service.notices()[1]
    service.write(0, "record_imap_use", username=[USER])
    assert service.notices()[1] is None
    db.age("25 hours")
    row = service.notices()[1]
    assert row.before_uid == 6
    assert abs(row.at - (service.now() + 2 * DAY - 3600)) <= 5
    # their own limit holds all the same
    service.write(0, "record_imap_use", username=[USER])
    assert service.notices()[1] is None
    db.set(USER, expire_unretrieved="3d")
    assert service.notices()[1].before_uid == 6


class History:
    """A maildrop's random life."""

    def __init__(self, service, seed):
        self.service = service
        self.random = random.Random(seed)
        self.uidnext = self.random.randint(2, 6)
        self.imap = False

    def pick(self, count=2):
        return sorted(self.random.sample(range(1, self.uidnext), min(
            count, self.uidnext - 1)))

    def retrieve(self):
        self.uidnext += self.random.randint(0, 3)
        self.service.session(
            retrieved={u: "none" for u in self.pick()}, uidnext=self.uidnext,
            uidnext_end=self.uidnext, messages=self.uidnext - 1)

    def hide(self):
        self.service.remove(self.pick(), "hide", self.random.choice(
            ["retrieved", "dele", "mass-delete"]))

    def restore(self):
        self.service.db.value("SELECT pop3.restore(%s, %s)", (
            USER, "{%s}" % ",".join("[%d,%d]" % (u, u) for u in self.pick())))

    def intend(self):
        self.service.intent({u: ("expunge", "dele") for u in self.pick(1)})

    def use_imap(self):
        self.service.write(0, "record_imap_use", username=[USER])
        self.imap = True

    def run(self, steps=12):
        self.retrieve()
        for _ in range(steps):
            self.random.choice([self.retrieve, self.retrieve, self.retrieve,
                                self.hide, self.restore, self.intend,
                                self.use_imap if self.random.random() < .3
                                else self.retrieve])()
            # never on a limit to the hour
            self.service.db.age("%d hours" % self.random.choice(
                [5, 17, 29, 53]))


@pytest.mark.parametrize("seed", range(60))
def test_a_notice_tells_what_will_be_removed(db, service, seed):
    """What maildrop_state() calls due later is what was told, but for mail
    that is hidden."""
    history = History(service, seed)
    history.run()
    limits = {"expire_retrieved": history.random.choice([3, 8, 15, 25]),
              "expire_unretrieved": history.random.choice([8, 12, 20, 30])}
    own = history.random.random() < 0.3
    db.set(USER if own else "*", **{k: "%dd" % v for k, v in limits.items()})
    told = {days: service.notices(days=days)[1] for days in (1, 4, 7)}
    aged = 0
    for days, row in told.items():
        db.age("%d days" % (days - aged))
        aged = days
        state, = service.state(unretrieved_own_scope=own, **{
            k: v * DAY for k, v in limits.items()})
        hidden = uids(state.hidden)
        due = {uid for uid, reason in zip(state.due_uid or [],
                                          state.due_reason or [])
               if reason == "expired-retrieved"} - hidden
        later = unretrieved(state) - hidden
        assert (uids(row.uids) if row else set()) == due
        assert unretrieved(row) == later
        if row:
            assert due or later


def test_random_histories_are_told_of(db, service):
    """The test above compares more than nothing with nothing."""
    found = {"uids": 0, "before": 0, "exempt": 0}
    for seed in range(12):
        history = History(service, seed)
        history.run()
        db.set("*", expire_retrieved="8d", expire_unretrieved="12d")
        row = service.notices()[1]
        if row:
            found["uids"] += row.uids is not None
            found["before"] += row.before_uid is not None
            found["exempt"] += row.exempt is not None
        db.value("SELECT pop3.forget_user(%s)", (USER,))
    assert min(found.values()) > 0, found


# --- the right to tell ---

@pytest.mark.parametrize("kind", ["quota", "expiry", "policy"])
def test_one_of_a_kind_in_24_hours(db, service, kind):
    assert service.notice_due(kind, level=80)
    assert service.take_notice(kind, level=80)
    for other in {"quota", "expiry", "policy"} - {kind}:
        assert service.notice_due(other, level=80)
    assert not service.notice_due(kind, level=95)
    assert not service.take_notice(kind, level=95)
    assert service.notice_due(kind, level=80, username=OTHER)
    db.age("23 hours 59 minutes")
    assert not service.notice_due(kind, level=95)
    db.age("2 minutes")
    assert service.notice_due(kind, level=95)
    assert service.take_notice(kind, level=95)


def test_the_same_notice_may_be_asked_for_again(db, service):
    taken = {"message_id": "<1@mail>", "level": 80}
    assert service.take_notice("quota", **taken)
    assert service.notice_due("quota", **taken)
    assert service.take_notice("quota", **taken)
    assert not service.take_notice("quota", message_id="<2@mail>", level=80)
    assert db.events("event", "message_id") == [
        ("notice", "<1@mail>"), ("repeat", "<1@mail>"),
        ("notice-refused", "<2@mail>")]


def test_two_at_the_same_time(db, service):
    """One of them is told, whichever."""
    services = [Service(db) for _ in range(2)]
    for first_exists in (False, True):
        results = []
        barrier = threading.Barrier(2)

        def take(chain):
            with db.server.connect("pop3_service", db.name,
                                   autocommit=False) as conn:
                cur = conn.cursor()
                cur.execute("SELECT pop3.batch_begin(%s, %s, %s, %s, %s)",
                            (chain.chain, chain.epoch, chain.batch + 1,
                             chain.seq + 1, chain.seq + 1))
                barrier.wait()
                cur.execute(
                    "SELECT pop3.take_notice(%s, %s, %s, %s, NULL, %s, 1000, "
                    "'quota', %s, NULL, NULL, NULL, %s)",
                    (chain.chain, chain.seq + 1, USER, new_id(), BOX,
                     95 if first_exists else 80, new_id()))
                results.append(cur.fetchone()[0])
                conn.commit()
            conn.close()
            chain.batch += 1
            chain.seq += 1

        threads = [threading.Thread(target=take, args=(s,)) for s in services]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == [False, True]
        db.age("25 hours")
    assert sorted(db.values("SELECT event FROM pop3.audit")) == [
        "notice", "notice", "notice-refused", "notice-refused"]


def test_a_crossing_is_told_once(db, service):
    assert not service.notice_due("quota", level=0)
    assert service.take_notice("quota", level=80)
    assert service.told_level() == 80
    db.age("25 hours")
    assert not service.notice_due("quota", level=80)
    assert service.notice_due("quota", level=95)
    # usage that stays above it changes nothing
    service.usage(level=80)
    service.usage(level=95)
    assert service.told_level() == 80
    assert not service.notice_due("quota", level=80)
    # below it, and above again, even between two records
    service.usage(level=80, lowest=0)
    assert service.told_level() == 0
    assert service.notice_due("quota", level=80)


def test_levels_fall_step_by_step(db, service):
    assert service.take_notice("quota", level=95)
    service.usage(level=80)
    assert service.told_level() == 80
    db.age("25 hours")
    assert not service.notice_due("quota", level=80)
    assert service.notice_due("quota", level=95)
    service.usage(OTHER, level=0)
    assert service.told_level() == 80


def test_a_policy_that_changed_since_is_not_told(db, service):
    db.set("*", expire_retrieved="5d")
    version = service.version()
    db.set(USER, top_lines="0")
    assert not service.notice_due("policy", version=version)
    assert not service.take_notice("policy", version=version)
    assert service.take_notice("policy", version=service.version())


def test_what_is_recorded(db, service):
    db.set("*", expire_retrieved="5d", quota_storage="1G")
    service.session(retrieved={1: "none"})
    session = new_id()
    args = {"session_id": session, "dovecot_session": "lmtp1"}
    assert service.take_notice("quota", level=80, message_id="<q@mail>",
                               **args)
    assert service.take_notice("expiry", until=1800000000, messages=3,
                               message_id="<e@mail>", **args)
    assert service.take_notice("policy", message_id="<p@mail>", **args)
    assert db.events("event", "reason", "message_id", "detail", "session_id",
                     "dovecot_session", "username", "mailbox_guid",
                     "uidvalidity", "chain_id") == [
        ("notice", reason, message_id, detail, session, "lmtp1", USER, BOX,
         1000, service.chain) for reason, message_id, detail in [
            ("quota", "<q@mail>", "80 %"),
            ("expiry", "<e@mail>", "3 messages until 2027-01-15 08:00:00 UTC"),
            ("policy", "<p@mail>", "expire_retrieved, quota_storage")]]
    rows = {r.kind: r for r in db.rows("SELECT * FROM pop3.notice")}
    assert set(rows["policy"].told) == CONCERNS
    assert rows["expiry"].told["before"] is None
    assert (rows["quota"].level, rows["quota"].told, rows["quota"].until) == (
        80, None, None)


@pytest.mark.parametrize("kind,args", [
    ("quota", {"level": None}), ("quota", {"level": 80, "message_id": None}),
    ("nonsense", {}), (None, {})])
def test_nonsense_is_refused(db, service, kind, args):
    with pytest.raises(psycopg2.Error):
        service.notice_due(kind, **args)
    with pytest.raises(psycopg2.Error):
        service.take_notice(kind, **args)
    assert db.value("SELECT count(*) FROM pop3.notice") == 0


# --- upkeep ---

def test_old_notices_stay_while_there_is_a_user(db, service):
    service.session()
    for user in (USER, OTHER):
        assert service.take_notice("quota", level=80, username=user)
        db.age("370 days", user)
    db.value("SELECT strays FROM pop3.maintain()")
    assert db.values("SELECT username FROM pop3.notice") == [USER]


def test_a_forgotten_user_has_none(db, service):
    service.usage()
    assert service.take_notice("quota", level=80, message_id="<q@mail>")
    db.value("SELECT pop3.forget_user(%s)", (USER,))
    assert db.value("SELECT count(*) FROM pop3.notice") == 0
    assert db.value("SELECT count(*) FROM pop3.usage") == 0
    assert db.value("SELECT count(*) FROM pop3.audit WHERE username = %s OR "
                    "message_id IS NOT NULL", (USER,)) == 0
