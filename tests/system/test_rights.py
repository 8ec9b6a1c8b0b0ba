# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A mailbox whose owner may not do everything (acl plugin). Nothing is
recorded as removed that is still there."""

import os
import shutil

import pytest

from dovecot import MAIL_GROUP, MAIL_USER
from owner import COMMITTED, Owner, intent, shown

READ_ONLY = "lr"
NO_EXPUNGE = "lrws"
RIGHTS = pytest.mark.parametrize("rights", [READ_ONLY, NO_EXPUNGE])


@pytest.fixture(scope="module")
def acl_host(make_module_host):
    return make_module_host(mail_plugins="acl",
                            plugin_settings={"acl": "vfile"})


@pytest.fixture
def tenant(acl_host, user):
    tenant = Owner(acl_host, user)
    tenant.deliver(3)
    return tenant


def acl_file(tenant):
    return tenant.host.path("mail", tenant.name, "sdbox", "mailboxes", "INBOX",
                            "dbox-Mails", "dovecot-acl")


def give(tenant, rights):
    """Let the owner have these rights to INBOX, None: all of them."""
    path = acl_file(tenant)
    if rights is None:
        os.unlink(path)
        return
    with open(path, "w") as file:
        file.write("owner %s\n" % rights)
    shutil.chown(path, MAIL_USER, MAIL_GROUP)


def stored(tenant):
    """UIDs in the mailbox. The directory tells, since rights are doveadm's
    limit, too."""
    return sorted(int(name[2:]) for name in os.listdir(
        os.path.dirname(acl_file(tenant))) if name.startswith("u."))


def retrieve(tenant, *uids):
    """A session whose QUIT is answered by +OK."""
    with tenant.pop3() as pop:
        numbers = {uid: n for n, uid in enumerate(shown(pop), 1)}
        for uid in uids:
            pop.retr(numbers[uid])
        assert pop.quit().startswith(b"+OK")
        pop.sock = None
    return tenant.ended(retr=len(uids))


@RIGHTS
def test_retrieved_message_stays(tenant, rights):
    tenant.set(on_retrieve="delete")
    give(tenant, rights)
    session = retrieve(tenant, 1)
    assert session["ended_by"] == "quit"
    assert session["retrieved"] == {1}
    assert session["removed"] == set()
    assert session["messages"] == 3
    assert stored(tenant) == [1, 2, 3]
    assert tenant.retrieved() == [1]
    assert COMMITTED[0] not in tenant.story()


def test_intent_is_released(tenant):
    tenant.set(on_retrieve="delete")
    give(tenant, NO_EXPUNGE)
    offset = tenant.host.log_position()
    retrieve(tenant, 1)
    assert tenant.host.log_contains("1 messages were not removed", offset)
    tenant.set(on_retrieve="keep")
    retrieve(tenant, 2)
    tenant.told(intent("expunge", "retrieved", 1) + [
        ("released", "expunge", "retrieved", 1)])
    assert tenant.host.value(
        "SELECT count(*) FROM pop3.intent WHERE username = %s "
        "AND state <> 'closed'", (tenant.name,)) == 0
    assert tenant.retrieved() == [1, 2]


def test_read_only_mailbox_needs_no_intent(tenant):
    tenant.set(on_retrieve="delete")
    give(tenant, READ_ONLY)
    retrieve(tenant, 1)
    with tenant.pop3() as pop:
        pop.retr(2)
        pop.dele(3)
    tenant.ended(dele=1)
    assert stored(tenant) == [1, 2, 3]
    assert tenant.story() == []


@RIGHTS
def test_due_messages_stay_until_rights_are_back(tenant, rights):
    tenant.set(expire_retrieved="14 days")
    retrieve(tenant, 1, 2)
    tenant.age("14 days")
    give(tenant, rights)
    for _ in range(2):
        # the view is that of the mailbox
        with tenant.pop3() as pop:
            assert shown(pop) == [1, 2, 3]
            pop.retr(3)
            pop.rset()
        assert tenant.ended(retr=1)["removed"] == set()
    assert stored(tenant) == [1, 2, 3]
    assert tenant.retrieved() == [1, 2]
    assert COMMITTED[0] not in tenant.story()

    give(tenant, None)
    with tenant.pop3() as pop:
        assert shown(pop) == [3]
        pop.retr(1)
        pop.rset()
    tenant.host.wait_audit(tenant.name, "committed")
    assert stored(tenant) == [3]
    assert tenant.state() == {}


@RIGHTS
def test_deleted_message_stays(tenant, rights):
    """Dovecot answers as it does without us."""
    give(tenant, rights)
    pop = tenant.pop3()
    pop.dele(2)
    pop._putcmd("QUIT")
    reply = pop.file.readline()
    pop.close()
    assert reply.startswith(b"+OK" if rights == READ_ONLY else
                            b"-ERR [SYS/PERM]")
    assert tenant.ended(dele=1)["removed"] == set()
    assert stored(tenant) == [1, 2, 3]
    assert tenant.story() == []
