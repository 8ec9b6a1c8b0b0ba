# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""mark_seen: whether retrieved mail gets the \\Seen flag."""

import pytest

from owner import Owner


def seen(owner):
    return [uid for uid in owner.uids() if "\\Seen" in owner.flags(uid)]


@pytest.fixture(scope="module")
def no_updates_host(make_module_host):
    return make_module_host(settings={"pop3_no_flag_updates": "yes"})


@pytest.fixture(params=["marks", "does not mark"])
def any_owner(request, host, user):
    """With Dovecot's marking and without."""
    if request.param != "marks":
        host = request.getfixturevalue("no_updates_host")
    owner = Owner(host, user)
    owner.deliver(3)
    return owner


def test_yes(any_owner):
    any_owner.set(mark_seen="yes")
    any_owner.retrieve(1)
    assert seen(any_owner) == [1]


def test_no(any_owner):
    any_owner.set(mark_seen="no")
    any_owner.retrieve(1)
    assert seen(any_owner) == []
    assert any_owner.retrieved() == [1]


def test_as_configured(any_owner, host):
    any_owner.set(mark_seen="as-configured")
    any_owner.retrieve(1)
    assert seen(any_owner) == ([1] if any_owner.host is host else [])


@pytest.mark.parametrize("enforcement", ["observe", "off"])
@pytest.mark.parametrize("mark_seen", ["yes", "no"])
def test_not_enforced(any_owner, host, enforcement, mark_seen):
    any_owner.set(mark_seen=mark_seen, enforcement=enforcement)
    any_owner.retrieve(1)
    assert seen(any_owner) == ([1] if any_owner.host is host else [])


def test_exactly_the_retrieved_ones(any_owner):
    """Not what was looked at, but a TOP that sent it whole."""
    any_owner.set(mark_seen="yes")
    with any_owner.pop3() as pop:
        pop.top(1, 0)
        pop.top(2, 99999999)
    any_owner.ended(top=2)
    assert seen(any_owner) == [2]


def test_unconfirmed_message_is_not_marked(any_owner):
    any_owner.set(mark_seen="yes")
    with any_owner.raw() as raw:
        raw.send("RETR 1", "QUIT")
        raw.line()
        raw.lines()
        assert raw.line().startswith("+OK")
    any_owner.ended(ended_by="quit")
    assert seen(any_owner) == []


@pytest.mark.parametrize("mark_seen", ["yes", "no"])
def test_dropped_session_marks_nothing(any_owner, mark_seen):
    any_owner.set(mark_seen=mark_seen)
    pop = any_owner.pop3()
    pop.retr(1)
    pop.drop()
    any_owner.ended(ended_by="drop")
    assert seen(any_owner) == []


def test_rset_marks_nothing(any_owner):
    any_owner.set(mark_seen="yes")
    with any_owner.pop3() as pop:
        pop.retr(1)
        pop.rset()
        pop.retr(2)
    any_owner.ended(retr=2)
    assert seen(any_owner) == [2]


def test_hidden_message_is_marked(any_owner):
    any_owner.set(mark_seen="yes", on_retrieve="hide")
    any_owner.retrieve(1)
    assert any_owner.hidden() == [1]
    assert seen(any_owner) == [1]


def test_master_user_marks_nothing(any_owner):
    any_owner.set(mark_seen="yes")
    with any_owner.pop3(master="boss") as pop:
        pop.retr(1)
    any_owner.ended(auth_user="boss")
    assert seen(any_owner) == []


@pytest.mark.parametrize("before,after,expected", [
    ("no", "yes", [1]), ("yes", "no", [])])
def test_changed_during_the_session(any_owner, before, after, expected):
    """A removal's intent tells that the policy is another one."""
    any_owner.set(mark_seen=before)
    pop = any_owner.pop3()
    pop.retr(1)
    pop.dele(2)
    any_owner.set(mark_seen=after)
    pop.quit()
    any_owner.ended(dele=1)
    assert seen(any_owner) == expected


def test_seen_does_not_mean_retrieved(any_owner):
    any_owner.set(mark_seen="yes", on_retrieve="delete")
    imap = any_owner.host.imap(any_owner.name)
    imap.uid("STORE", "1", "+FLAGS", "(\\Seen)")
    imap.logout()
    any_owner.retrieve(2)
    assert any_owner.uids() == [1, 3]
