# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What is typed as a user name need not be the mailbox user's name:
auth_username_format (by default %Lu) makes the one of the other. Whoever logs
in by such a spelling is still the owner; a master user is not."""

import pytest

from owner import COMMITTED, intent, shown


def spelling(name):
    """The same user in other letters."""
    local, domain = name.split("@")
    return "%s@%s" % (local.title(), domain.title())


def session_as(owner, login, *retr, dele=(), **options):
    with owner.host.pop3(login, **options) as pop:
        numbers = {uid: n for n, uid in enumerate(shown(pop), 1)}
        for uid in retr:
            pop.retr(numbers[uid])
        for uid in dele:
            pop.dele(numbers[uid])
    return owner.ended(retr=len(retr), dele=len(dele))


def check_names(owner, typed):
    """Records are the mailbox user's, whatever was typed."""
    assert spelling(owner.name) != owner.name
    for row in owner.audit() + owner.host.sessions(owner.name):
        assert row["username"] == owner.name
        assert row["auth_user"] in (None, typed)
    assert owner.host.sessions(typed) == []


def test_retrieved_message_is_deleted(owner):
    owner.set(on_retrieve="delete")
    owner.deliver(2)
    typed = spelling(owner.name)
    session = session_as(owner, typed, 1)
    assert session["retrieved"] == session["removed"] == {1}
    assert owner.uids() == [2]
    owner.told(intent("expunge", "retrieved", 1) + COMMITTED)
    check_names(owner, typed)


def test_retrieval_starts_the_clock(owner):
    owner.set(expire_retrieved="14 days")
    owner.deliver(2)
    typed = spelling(owner.name)
    assert session_as(owner, typed, 1)["retrieved"] == {1}
    assert owner.retrieved() == [1]
    owner.age("14 days")
    # what is due goes at such a login as well
    session_as(owner, typed, 2)
    assert owner.uids() == [2]
    owner.told(intent("expunge", "expired-retrieved", 1) + COMMITTED)
    check_names(owner, typed)


@pytest.mark.parametrize("capitals", [False, True],
                         ids=["as it is", "in capitals"])
def test_master_user_is_no_owner(owner, capitals):
    owner.set(on_retrieve="delete", expire_retrieved="14 days")
    owner.deliver(3)
    owner.set(on_retrieve="keep")
    owner.retrieve(3)
    owner.set(on_retrieve="delete")
    owner.age("14 days")
    login = spelling(owner.name) if capitals else owner.name
    session = session_as(owner, login, 1, dele=[2], master="boss")
    assert (session["username"], session["auth_user"]) == (owner.name, "boss")
    assert session["retrieved"] == set()
    assert session["removed"] == {2}
    assert owner.uids() == [1, 3]
    owner.told(intent("expunge", "dele", 2) + COMMITTED)
