# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""pop3_hold: nothing leaves the mailbox through POP3 or expiry."""

import contextlib

import pytest

from owner import COMMITTED, Owner, intent


@pytest.fixture
def tenant(host, user):
    """An owner in a domain of its own."""
    local, domain = user.split("@")
    return Owner(host, "%s@%s.%s" % (local, local.replace("_", "-"), domain))


@contextlib.contextmanager
def hold(tenant, level, value="yes"):
    scope = {"site": "*", "domain": "@" + tenant.name.split("@")[1],
             "user": tenant.name}[level]
    tenant.host.set_policy(scope, "pop3_hold", value)
    try:
        yield
    finally:
        tenant.host.unset_policy(scope, "pop3_hold")


LEVELS = pytest.mark.parametrize("level", ["site", "domain", "user"])


@LEVELS
def test_retrieved_message_is_hidden(tenant, level):
    tenant.set(on_retrieve="delete")
    tenant.deliver(2)
    with hold(tenant, level):
        tenant.retrieve(1)
        assert tenant.poll() == [2]
    assert tenant.uids() == [1, 2]
    tenant.told(intent("hide", "retrieved", 1) + COMMITTED)


@LEVELS
def test_deleted_message_is_hidden(tenant, level):
    tenant.deliver(2)
    with hold(tenant, level):
        tenant.delete(1)
        assert tenant.poll() == [2]
    assert tenant.uids() == [1, 2]
    tenant.told(intent("hide", "dele", 1) + COMMITTED)


def test_any_scope_holds(tenant):
    tenant.set(on_retrieve="delete", pop3_hold="no")
    tenant.deliver(1)
    with hold(tenant, "domain"):
        tenant.retrieve(1)
    assert tenant.uids() == [1]


def test_nothing_expires(tenant):
    tenant.set(expire_retrieved="1 day", expire_unretrieved="1 day",
               expire_hidden="1 day", on_dele="hide")
    tenant.deliver(3)
    tenant.retrieve(1)
    tenant.delete(2)
    tenant.age("2 days")
    with hold(tenant, "user"):
        assert tenant.poll() == [1, 3]
        assert tenant.uids() == [1, 2, 3]
    # what was due before is due now
    assert tenant.poll() == []
    assert tenant.uids() == []


@pytest.mark.parametrize("enforcement", ["off", "observe"])
def test_hold_acts_without_enforcement(owner, enforcement):
    owner.set(enforcement=enforcement, pop3_hold="yes")
    owner.deliver(2)
    owner.delete(1)
    assert owner.uids() == [1, 2]
    owner.check_view([2])
    owner.told(intent("hide", "dele", 1) + COMMITTED)


def test_hold_between_login_and_quit(owner):
    owner.set(on_retrieve="delete")
    owner.deliver(2)
    with owner.pop3() as pop:
        pop.retr(1)
        pop.dele(2)
        owner.set(pop3_hold="yes")
    owner.ended(retr=1)
    assert owner.uids() == [1, 2]
    assert owner.hidden() == [1, 2]
    owner.told([("intent", "expunge", "retrieved", 1),
                ("intent", "expunge", "dele", 2),
                ("released", None, None, None),
                ("intent", "hide", "retrieved", 1),
                ("intent", "hide", "dele", 2)] + COMMITTED)


def test_imap_is_not_held(owner):
    owner.set(pop3_hold="yes")
    owner.deliver(2)
    owner.delete(1)
    imap = owner.host.imap(owner.name)
    imap.uid("STORE", "1", "+FLAGS", "\\Deleted")
    imap.expunge()
    imap.logout()
    assert owner.uids() == [2]
    assert owner.poll() == [2]


def test_after_the_hold(owner):
    owner.set(pop3_hold="yes", on_retrieve="delete")
    owner.deliver(2)
    owner.retrieve(1)
    owner.set(pop3_hold="no")
    # what was held stays hidden, what comes now is deleted
    owner.retrieve(2)
    assert owner.uids() == [1]
    owner.check_view([])
