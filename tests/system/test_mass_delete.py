# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""mass_delete_percent, mass_delete_hold: a session that deletes what nobody
has read."""

import pytest

from maildrop import Maildrop, Quit
from owner import COMMITTED, Owner, intent, shown

COUNT = 30
ALL = list(range(1, COUNT + 1))


@pytest.fixture
def protected(owner):
    owner.set(mass_delete_percent="50%")
    owner.deliver(COUNT)
    return owner


def dele(owner, uids, retr=()):
    with owner.pop3() as pop:
        numbers = {uid: n for n, uid in enumerate(shown(pop), 1)}
        for uid in retr:
            pop.retr(numbers[uid])
        for uid in uids:
            pop.dele(numbers[uid])
    return owner.ended(dele=len(uids))


def mass_events(owner, name="mass-delete"):
    return [row for row in owner.audit() if row["event"] == name]


def test_is_hidden(protected):
    session = dele(protected, ALL[:25])
    assert session["removed"] == set()
    assert protected.uids() == ALL
    protected.check_view(ALL[25:])
    (row,) = protected.host.wait_audit(protected.name, "mass-delete")
    assert row["session_id"] == session["session_id"]
    assert row["remote_address"] == "127.0.0.1"
    assert row["detail"] == "25 of 30 unread messages deleted"
    assert {row["reason"] for row in protected.state().values()} == {
        "mass-delete"}
    told = [row[:4] for row in protected.story()
            if row[0] in ("intent", "committed")]
    assert told == intent("hide", "mass-delete", *ALL[:25]) + COMMITTED


@pytest.mark.parametrize("count,hides", [(19, False), (20, True)])
def test_at_least_twenty(owner, count, hides):
    owner.set(mass_delete_percent="1%")
    owner.deliver(count)
    dele(owner, range(1, count + 1))
    assert owner.uids() == (list(range(1, count + 1)) if hides else [])


@pytest.mark.parametrize("count,hides", [(20, False), (21, True)])
def test_more_than_the_share(owner, count, hides):
    owner.set(mass_delete_percent="50%")
    owner.deliver(40)
    dele(owner, range(1, count + 1))
    assert len(owner.uids()) == (40 if hides else 20)


def test_client_that_downloads_and_deletes(protected):
    dele(protected, ALL, retr=ALL)
    assert protected.uids() == []
    assert mass_events(protected) == []


def test_client_that_downloaded_in_earlier_sessions(protected):
    with protected.pop3() as pop:
        for number in ALL:
            pop.retr(number)
    protected.ended(retr=COUNT)
    dele(protected, ALL)
    assert protected.uids() == []
    assert mass_events(protected) == []


def test_dropped_session_read_nothing(protected):
    pop = protected.pop3()
    for number in ALL:
        pop.retr(number)
    pop.drop()
    protected.ended(ended_by="drop")
    dele(protected, ALL)
    assert protected.uids() == ALL


def test_what_was_read_counts_on_neither_side(owner):
    """30 of 40 were read: 10 unread ones are no mass, 10 of 20 no share."""
    owner.set(mass_delete_percent="90%")
    owner.deliver(40)
    owner.retrieve(*range(1, 16))
    dele(owner, range(1, 26))
    # 10 of 25 unread
    assert owner.uids() == list(range(26, 41))
    assert mass_events(owner) == []


def test_read_ones_are_hidden_with_the_others(protected):
    """All DELEs of the session act as hide."""
    protected.retrieve(1, 2)
    dele(protected, ALL)
    assert protected.uids() == ALL
    assert protected.poll() == []
    assert protected.hidden() == ALL


def test_on_retrieve_goes_its_own_way(protected):
    """Of what was fetched whole, the stronger rule wins as ever."""
    protected.set(on_retrieve="delete")
    dele(protected, ALL, retr=[1, 2])
    assert protected.uids() == ALL[2:]
    assert protected.hidden() == ALL[2:]
    reasons = {row["uid"]: (row["action"], row["reason"])
               for row in protected.audit() if row["event"] == "intent"}
    assert reasons[1] == reasons[2] == ("expunge", "retrieved")
    assert reasons[3] == ("hide", "mass-delete")


@pytest.mark.parametrize("on_dele", ["hide", "move"])
def test_whatever_dele_does(protected, on_dele):
    protected.set(on_dele=on_dele, expire_hidden="1 day")
    dele(protected, ALL)
    assert protected.uids() == ALL
    protected.age("2 days")
    assert protected.poll() == []
    assert protected.uids() == ALL
    assert {row["reason"] for row in protected.state().values()} == {
        "mass-delete"}


def test_rset(protected):
    with protected.pop3() as pop:
        for number in ALL:
            pop.dele(number)
        pop.rset()
        pop.dele(1)
    protected.ended(dele=1)
    assert protected.uids() == ALL[1:]
    assert mass_events(protected) == []


def test_goes_when_the_hold_is_over(protected):
    protected.set(mass_delete_hold="3 days")
    dele(protected, ALL[:25])
    protected.age("2 days")
    assert protected.poll() == ALL[25:]
    assert protected.uids() == ALL
    protected.age("1 day")
    assert protected.poll() == ALL[25:]
    assert protected.uids() == ALL[25:]
    removed = [row for row in protected.audit()
               if row["event"] == "intent" and row["action"] == "expunge"]
    assert {row["reason"] for row in removed} == {"mass-delete"}
    assert sorted(row["uid"] for row in removed) == ALL[:25]


def test_no_other_rule_removes_it_before(protected):
    protected.retrieve(1, 2, 3)
    dele(protected, ALL)
    protected.set(expire_hidden="1 day", expire_retrieved="1 day",
                  expire_unretrieved="1 day", leave_max_messages="0")
    protected.age("2 days")
    for _ in range(2):
        assert protected.poll() == []
    assert protected.uids() == ALL
    protected.age("5 days")
    assert protected.poll() == []
    assert protected.uids() == []


def test_restore_brings_everything_back(protected):
    with protected.pop3() as pop:
        before = pop.uids()
    dele(protected, ALL)
    assert protected.poll() == []
    protected.restore(*ALL)
    with protected.pop3() as pop:
        assert pop.uids() == before
    protected.check_view(ALL)


def test_hidden_unlimited(protected):
    protected.set(mass_delete_hold="unlimited", expire_hidden="1 day")
    dele(protected, ALL)
    protected.age("1000 days")
    assert protected.poll() == []
    assert protected.uids() == ALL


def test_observe(protected):
    """DELE is DELE."""
    protected.set(enforcement="observe")
    session = dele(protected, ALL)
    assert session["removed"] == set(ALL)
    assert protected.uids() == []
    (row,) = protected.host.wait_audit(protected.name, "would-mass-delete")
    assert row["session_id"] == session["session_id"]
    assert mass_events(protected) == []


def test_off(protected):
    protected.set(enforcement="off")
    dele(protected, ALL)
    assert protected.uids() == []
    assert protected.story() == []


def test_hold_hides_anyway(protected):
    protected.set(pop3_hold="yes")
    dele(protected, ALL)
    assert protected.uids() == ALL
    assert {row["reason"] for row in protected.state().values()} == {"dele"}
    assert mass_events(protected) == []


def test_master_user(protected):
    """His DELEs are honoured, as hide."""
    with protected.pop3(master="boss") as pop:
        for number in ALL:
            pop.dele(number)
    protected.ended(auth_user="boss")
    assert protected.uids() == ALL
    assert protected.hidden() == ALL


@pytest.mark.parametrize("before,after,left", [
    ("never", "50%", ALL), ("50%", "never", [])])
def test_changed_during_the_session(owner, before, after, left):
    owner.set(mass_delete_percent=before)
    owner.deliver(COUNT)
    # the database knows the maildrop
    owner.poll()
    pop = owner.pop3()
    for number in ALL:
        pop.dele(number)
    owner.set(mass_delete_percent=after)
    pop.quit()
    owner.ended(dele=COUNT)
    assert owner.uids() == left
    assert len(mass_events(owner)) == (1 if left else 0)


def test_set_during_the_session_of_a_client_that_read_all(owner):
    """What was retrieved before is asked for then."""
    owner.deliver(COUNT)
    with owner.pop3() as pop:
        for number in ALL:
            pop.retr(number)
    owner.ended(retr=COUNT)
    pop = owner.pop3()
    for number in ALL:
        pop.dele(number)
    owner.set(mass_delete_percent="50%")
    pop.quit()
    owner.ended(dele=COUNT)
    assert owner.uids() == []


def test_only_the_view_counts(protected):
    """Hidden mail is not in the share."""
    protected.set(on_dele="hide", mass_delete_percent="never")
    protected.delete(*ALL[:5])
    protected.set(on_dele="delete", mass_delete_percent="96%")
    dele(protected, ALL[5:])
    assert protected.uids() == ALL
    assert len(mass_events(protected)) == 1


def test_failed_update_tells_nothing(make_host, user):
    host = make_host(plugin_settings={"pop3_policy_timeout": "1s"})
    drop = Maildrop(host, user)
    drop.deliver(COUNT)
    host.set_policies(user, mass_delete_percent="50%")
    pop = host.pop3(user)
    for number in ALL:
        pop.dele(number)
    host.pause_service()
    owner = Owner(host, user)
    try:
        assert Quit(pop).wait().startswith("-ERR [SYS/TEMP]")
    finally:
        host.resume_service()
    owner.ended(ended_by="update-failed")
    assert mass_events(owner) == []
    assert drop.hidden() == []
