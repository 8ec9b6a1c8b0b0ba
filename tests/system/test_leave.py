# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""leave_max_messages, leave_max_bytes: how much retrieved mail may stay."""

import pytest

from host import message
from maildrop import Maildrop, Quit, database_lock
from owner import COMMITTED, intent, shown


@pytest.fixture
def limited(owner):
    owner.set(leave_max_messages="2")
    owner.deliver(6)
    return owner


def test_oldest_retrieval_goes_first(limited):
    """In the order of retrieval, not of arrival."""
    limited.retrieve(4)
    limited.retrieve(1)
    assert limited.uids() == [1, 2, 3, 4, 5, 6]
    session = limited.retrieve(2)
    assert session["removed"] == {4}
    assert session["messages"] == 5
    assert limited.uids() == [1, 2, 3, 5, 6]
    limited.told(intent("expunge", "leave-limit", 4) + COMMITTED)
    assert limited.retrieved() == [1, 2]
    limited.check_view([1, 2, 3, 5, 6])


def test_in_the_same_session(limited):
    """More is retrieved at once than may stay."""
    session = limited.retrieve(5, 3, 1, 2)
    assert session["retrieved"] == {1, 2, 3, 5}
    assert session["removed"] == {3, 5}
    assert limited.uids() == [1, 2, 4, 6]
    limited.told(intent("expunge", "leave-limit", 3, 5) + COMMITTED)
    assert limited.retrieved() == [1, 2]


def test_unretrieved_never_counts_and_never_goes(limited):
    for _ in range(3):
        with limited.pop3() as pop:
            pop.top(3, 0)
        limited.ended(top=1)
    assert limited.uids() == [1, 2, 3, 4, 5, 6]
    limited.retrieve(6, 5)
    assert limited.uids() == [1, 2, 3, 4, 5, 6]
    assert limited.story() == []


def test_retrieved_again_keeps_its_place(limited):
    limited.retrieve(1)
    limited.retrieve(2)
    limited.retrieve(1, 3)
    limited.told(intent("expunge", "leave-limit", 1) + COMMITTED)


def test_limit_that_was_lowered(limited):
    """Acts at the next QUIT, whatever that session did."""
    limited.retrieve(3)
    limited.retrieve(2)
    limited.set(leave_max_messages="1")
    with limited.pop3() as pop:
        assert shown(pop) == [1, 2, 3, 4, 5, 6]
    limited.told(intent("expunge", "leave-limit", 3) + COMMITTED)
    assert limited.uids() == [1, 2, 4, 5, 6]


def test_none_may_stay(limited):
    limited.set(leave_max_messages="0")
    limited.retrieve(1, 2)
    assert limited.uids() == [3, 4, 5, 6]


def test_bytes(owner):
    owner.set(leave_max_bytes="10k")
    owner.deliver(*(message("Message %d" % uid, body="x" * 70 + "\n" +
                            ("y" * 70 + "\n") * 55) for uid in (1, 2, 3, 4)))
    owner.retrieve(2)
    owner.retrieve(1)
    assert owner.uids() == [1, 2, 3, 4]
    owner.retrieve(4)
    assert owner.uids() == [1, 3, 4]
    owner.told(intent("expunge", "leave-limit", 2) + COMMITTED)


def test_bigger_than_the_limit(owner):
    """It goes, like anything that exceeds it."""
    owner.set(leave_max_bytes="1k")
    owner.deliver(message("Message 1"),
                  message("Message 2", body=("y" * 70 + "\n") * 55))
    owner.retrieve(1, 2)
    assert owner.uids() == []


def test_deleted_ones_make_room(limited):
    """What this session removes does not count any more."""
    limited.retrieve(1, 2)
    with limited.pop3() as pop:
        pop.dele(2)
        pop.retr(3)
    limited.ended(dele=1)
    assert limited.uids() == [1, 3, 4, 5, 6]
    limited.told(intent("expunge", "dele", 2) + COMMITTED)


def test_hidden_ones_do_not_count(limited):
    limited.set(on_retrieve="hide")
    limited.retrieve(1, 2, 3, 4)
    limited.set(on_retrieve="keep")
    limited.retrieve(5, 6)
    assert limited.uids() == [1, 2, 3, 4, 5, 6]
    assert limited.hidden() == [1, 2, 3, 4]


def test_restored_one_is_spared(limited):
    limited.set(on_retrieve="hide")
    limited.retrieve(1)
    limited.restore(1)
    limited.set(on_retrieve="keep", leave_max_messages="1")
    limited.retrieve(2)
    limited.retrieve(3)
    assert limited.uids() == [1, 3, 4, 5, 6]
    # retrieved again, it is spared that time, and counts from then on
    limited.retrieve(1)
    assert limited.uids() == [1, 3, 4, 5, 6]
    limited.retrieve(4)
    assert limited.uids() == [4, 5, 6]


def test_what_others_removed_makes_room(limited):
    """It is noticed before anything goes: only what is there counts."""
    limited.retrieve(1, 2)
    pop = limited.pop3()
    pop.retr(3)
    limited.host.doveadm("expunge", "-u", limited.name, "mailbox", "INBOX",
                         "uid", "2")
    pop.quit()
    limited.ended(retr=1)
    assert limited.uids() == [1, 3, 4, 5, 6]
    assert limited.story() == []


def test_with_expiry(limited):
    limited.set(expire_retrieved="2 days")
    limited.retrieve(1)
    limited.age("1 day")
    limited.retrieve(2, 3)
    limited.told(intent("expunge", "leave-limit", 1) + COMMITTED)
    limited.age("2 days")
    assert limited.poll() == [4, 5, 6]


def test_two_sessions_at_once(limited):
    """Both see the same that has to go; it goes once."""
    limited.retrieve(1, 2)
    first, second = limited.pop3(), limited.pop3()
    first.retr(3)
    second.retr(4)
    first.quit()
    second.quit()
    limited.ended(ended_by="quit")
    limited.ended(ended_by="quit")
    assert limited.uids() == [3, 4, 5, 6]
    rows = [row["uid"] for row in limited.audit() if row["event"] == "intent"]
    assert sorted(rows) == [1, 2]


def test_dropped_session_removes_nothing(limited):
    limited.retrieve(1, 2)
    pop = limited.pop3()
    pop.retr(3)
    pop.drop()
    limited.ended(ended_by="drop")
    assert limited.uids() == [1, 2, 3, 4, 5, 6]


def test_rset_takes_back_what_was_retrieved(limited):
    limited.retrieve(1, 2)
    with limited.pop3() as pop:
        pop.retr(3)
        pop.rset()
    limited.ended(retr=1)
    assert limited.uids() == [1, 2, 3, 4, 5, 6]


def test_master_user(limited):
    limited.retrieve(1, 2)
    limited.set(leave_max_messages="1")
    with limited.pop3(master="boss") as pop:
        pop.retr(3)
    limited.ended(auth_user="boss")
    assert limited.uids() == [1, 2, 3, 4, 5, 6]


def test_observe(limited):
    limited.set(enforcement="observe")
    limited.retrieve(1, 2)
    limited.retrieve(3)
    assert limited.uids() == [1, 2, 3, 4, 5, 6]
    assert limited.would_remove() == {1: "leave-limit"}
    # told once; what would be gone does not count
    limited.poll()
    limited.retrieve(4)
    assert limited.would_remove() == {1: "leave-limit", 2: "leave-limit"}
    assert limited.story() == []
    sizes = dict(limited.host.sql(
        "SELECT w.uid, w.size FROM pop3.would_remove w "
        "JOIN pop3.maildrop d USING (maildrop_id) WHERE d.username = %s",
        (limited.name,)))
    assert all(size > 0 for size in sizes.values())


@pytest.mark.parametrize("policy", [
    {"enforcement": "off"}, {"pop3_hold": "yes"},
    {"enforcement": "observe", "pop3_hold": "yes"}])
def test_does_not_act(limited, policy):
    limited.set(**policy)
    limited.retrieve(1, 2, 3)
    assert limited.uids() == [1, 2, 3, 4, 5, 6]
    assert limited.story() == []
    assert limited.would_remove() == {}


def test_policy_changed_during_the_session(limited):
    """The decision is void with all others."""
    limited.retrieve(1, 2)
    pop = limited.pop3()
    pop.retr(3)
    pop.dele(4)
    limited.set(leave_max_messages="unlimited")
    pop.quit()
    limited.ended(dele=1)
    assert limited.uids() == [1, 2, 3, 5, 6]
    committed = [row["intent_no"] for row in limited.audit()
                 if row["event"] == "committed"]
    assert [row["reason"] for row in limited.audit()
            if row["event"] == "intent" and
            row["intent_no"] in committed] == ["dele"]


def test_hold_set_during_the_session(limited):
    limited.retrieve(1, 2)
    pop = limited.pop3()
    pop.retr(3)
    limited.set(pop3_hold="yes")
    pop.quit()
    limited.ended(retr=1)
    assert limited.uids() == [1, 2, 3, 4, 5, 6]
    assert COMMITTED[0] not in limited.story()


def test_service_cannot_tell(make_host, user):
    """What is too much stays for a later session."""
    host = make_host(plugin_settings={"pop3_policy_timeout": "2s"},
                     service_settings={"query_timeout": "700ms"})
    host.set_policies(user, leave_max_messages="1")
    drop = Maildrop(host, user)
    drop.deliver(3)
    drop.session(retr=[1])
    pop = host.pop3(user)
    pop.retr(2)
    with database_lock(host, "LOCK TABLE pop3.message IN ACCESS EXCLUSIVE "
                       "MODE"):
        assert Quit(pop).wait().startswith("+OK")
    assert host.log_contains("Retrieved mail beyond the limit is left for a "
                             "later session")
    host.wait_sessions(user, 2)
    assert drop.uids() == [1, 2, 3]
    drop.session(retr=[2])
    assert drop.uids() == [2, 3]
