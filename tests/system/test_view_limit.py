# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""view_limit: at most so many messages that are not retrieved."""

import os

import pytest

from maildrop import Maildrop
from owner import Owner, shown


@pytest.fixture
def limited(owner):
    owner.set(view_limit="3")
    owner.deliver(8)
    return owner


def test_oldest_first(limited):
    limited.check_view([1, 2, 3])
    assert limited.uids() == list(range(1, 9))
    assert limited.host.imap_uids(limited.name) == list(range(1, 9))


def test_retrieved_ones_are_listed_besides(limited):
    """A client makes progress, and keeps its UIDLs."""
    with limited.pop3() as pop:
        before = pop.uids()
    limited.retrieve(1, 2)
    limited.check_view([1, 2, 3, 4, 5])
    with limited.pop3() as pop:
        after = pop.uids()
    assert list(after.values())[:3] == list(before.values())
    limited.retrieve(3, 4, 5)
    limited.check_view([1, 2, 3, 4, 5, 6, 7, 8])
    limited.deliver(3)
    limited.check_view(list(range(1, 9)))
    limited.retrieve(6)
    limited.check_view(list(range(1, 10)))


def test_client_that_leaves_mail_gets_all_of_it(limited):
    """Each once, a few at a time."""
    seen = []
    while True:
        with limited.pop3() as pop:
            new = [(uid, number) for number, uid in enumerate(shown(pop), 1)
                   if uid not in seen]
            for uid, number in new:
                pop.retr(number)
                seen.append(uid)
        if not new:
            break
        assert len(new) <= 3
        limited.ended(retr=len(new))
    assert seen == list(range(1, 9))


def test_client_that_deletes_gets_all_of_it(limited):
    seen = []
    while True:
        with limited.pop3() as pop:
            uids = shown(pop)
            for number in range(1, len(uids) + 1):
                pop.retr(number)
                pop.dele(number)
        if not uids:
            break
        seen += uids
    assert seen == list(range(1, 9))


def test_retrieved_behind_the_limit(owner):
    """Mail retrieved when there was no limit."""
    owner.deliver(8)
    owner.retrieve(2, 7)
    owner.set(view_limit="2")
    owner.check_view([1, 2, 3, 7])


def test_fixed_for_the_session(limited):
    with limited.pop3() as pop:
        pop.retr(1)
        pop.dele(2)
        assert pop.stat()[0] == 2
        limited.deliver(1)
        pop.rset()
        assert shown(pop) == [1, 2, 3]


def test_hidden_ones_do_not_count(limited):
    limited.set(on_dele="hide")
    limited.delete(1, 3)
    limited.check_view([2, 4, 5])
    # retrieved, and hidden: not in the view either
    limited.set(on_retrieve="hide")
    limited.retrieve(2)
    limited.check_view([4, 5, 6])


def test_with_view_window(owner):
    """The window first: the oldest within it."""
    owner.set(view_window="2 days", view_limit="2")
    owner.deliver(2)
    owner.poll()
    owner.age("3 days")
    owner.deliver(4)
    owner.check_view([3, 4])
    with owner.pop3() as pop:
        pop.retr(1)
    owner.ended(retr=1)
    owner.check_view([3, 4, 5])


def test_with_view_since(owner):
    owner.deliver(2)
    owner.poll()
    owner.age("3 days")
    since = owner.host.value(
        "SELECT to_char(now() AT TIME ZONE 'UTC' - interval '1 day', "
        "'YYYY-MM-DD HH24:MI:SS')")
    owner.set(view_since=since, view_limit="2")
    owner.deliver(4)
    owner.check_view([3, 4])


def test_no_more_than_the_limit(owner):
    owner.set(view_limit="3")
    owner.deliver(2)
    owner.check_view([1, 2])
    owner.deliver(1)
    owner.check_view([1, 2, 3])


@pytest.mark.parametrize("policy", [
    {"enforcement": "observe"}, {"enforcement": "off"},
    {"enforcement": "observe", "pop3_hold": "yes"}])
def test_not_enforced(limited, policy):
    limited.set(**policy)
    limited.check_view(list(range(1, 9)))


def test_with_a_hold(limited):
    """It hides nothing for good: it acts under enforce."""
    limited.set(pop3_hold="yes")
    limited.check_view([1, 2, 3])


def test_restored_message_counts_as_not_retrieved(limited):
    limited.set(on_retrieve="hide")
    limited.retrieve(1)
    limited.check_view([2, 3, 4])
    limited.restore(1)
    limited.check_view([1, 2, 3])


def test_deleted_flag_does_not_fill_the_view(make_host, user):
    """Mail that Dovecot itself does not show takes no place in it."""
    host = make_host(settings={"pop3_deleted_flag": '"$POP3Deleted"',
                               "pop3_delete_type": "flag"})
    owner = Owner(host, user)
    owner.set(view_limit="3")
    owner.deliver(8)
    for uids in ([1, 2, 3], [4, 5, 6], [7, 8]):
        with owner.pop3() as pop:
            assert shown(pop) == uids
            for number in range(1, len(uids) + 1):
                pop.dele(number)
    with owner.pop3() as pop:
        assert shown(pop) == []


def test_new_uidvalidity_keeps_the_view(make_host, user):
    """What was retrieved is carried over, so that the listing does not get
    shorter."""
    host = make_host(mail_format="maildir")
    drop = Maildrop(host, user)
    drop.fill(6)
    drop.session(retr=[2, 5])
    host.set_policies(user, view_limit="2")
    assert drop.view() == [1, 2, 3, 5]
    drop.wait_idle()
    path = drop.file("dovecot-uidlist")
    with open(path) as file:
        head, rest = file.read().split("\n", 1)
    version, uidvalidity, others = head.split(" ", 2)
    with open(path, "w") as file:
        file.write("%s V%d %s\n%s" % (
            version, int(uidvalidity[1:]) + 1, others, rest))
    for name in drop.files("dovecot.index*"):
        os.unlink(name)
    assert drop.view() == [1, 2, 3, 5]
    drop.wait_events("carried")
