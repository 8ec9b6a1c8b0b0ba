# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""pop3_delete_type=flag: DELE sets a keyword, and Dovecot lists the message no
more. What policy removes, it removes all the same."""

import pytest

from owner import COMMITTED, Owner, intent, shown

KEYWORD = "$POP3Deleted"


@pytest.fixture(scope="module")
def flag_host(make_module_host):
    return make_module_host(settings={"pop3_delete_type": "flag",
                                      "pop3_deleted_flag": '"%s"' % KEYWORD})


@pytest.fixture
def tenant(flag_host, user):
    tenant = Owner(flag_host, user)
    tenant.deliver(4)
    return tenant


def session(tenant, retr=(), dele=()):
    with tenant.pop3() as pop:
        numbers = {uid: n for n, uid in enumerate(shown(pop), 1)}
        for uid in retr:
            pop.retr(numbers[uid])
        for uid in dele:
            pop.dele(numbers[uid])
    return tenant.ended(retr=len(retr), dele=len(dele))


def test_retrieved_and_deleted_message_goes(tenant):
    """The stronger of both acts; what was only deleted is marked."""
    tenant.set(on_retrieve="delete")
    ended = session(tenant, retr=[1, 2], dele=[1, 3])
    assert ended["retrieved"] == {1, 2}
    assert ended["removed"] == {1, 2}
    assert tenant.uids() == [3, 4]
    assert KEYWORD in tenant.flags(3)
    assert KEYWORD not in tenant.flags(4)
    tenant.told(intent("expunge", "retrieved", 1, 2) +
                intent("flag", "dele", 3) + COMMITTED)
    assert tenant.poll() == [4]


def test_retrieved_and_deleted_message_is_hidden(tenant):
    """on_dele=hide is as strong as it gets under this on_retrieve."""
    tenant.set(on_retrieve="hide", on_dele="hide")
    session(tenant, retr=[1], dele=[1, 2])
    assert tenant.uids() == [1, 2, 3, 4]
    assert tenant.hidden() == [1, 2]
    assert tenant.poll() == [3, 4]


def test_deleted_message_is_marked(tenant):
    ended = session(tenant, retr=[1], dele=[1])
    assert ended["retrieved"] == {1}
    assert ended["removed"] == set()
    assert tenant.uids() == [1, 2, 3, 4]
    assert KEYWORD in tenant.flags(1)
    assert tenant.poll() == [2, 3, 4]
    tenant.told(intent("flag", "dele", 1) + COMMITTED)


def test_master_users_dele_is_a_mark(tenant):
    tenant.set(on_retrieve="delete")
    with tenant.pop3(master="boss") as pop:
        pop.retr(1)
        pop.dele(1)
    assert tenant.ended(dele=1)["removed"] == set()
    assert tenant.uids() == [1, 2, 3, 4]
    assert KEYWORD in tenant.flags(1)
