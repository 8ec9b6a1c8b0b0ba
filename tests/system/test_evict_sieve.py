# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Eviction with Sieve, which saves a message into several mailboxes and
commits when all of them are written."""

import os
import shutil

import pytest

from dovecot_files import (MAIL_USER, dialect, dovecot_variable,
                           work_directory)
from evict import QUOTA, FullDrop

pytestmark = pytest.mark.skipif(
    not os.path.exists(os.path.join(dovecot_variable("dovecot_moduledir"),
                                    "lib90_sieve_plugin.so")),
    reason="Sieve (Pigeonhole) is not installed")

SCRIPT = """\
require ["fileinto", "copy", "mailbox"];
fileinto :copy :create "Copies";
"""

DEFAULT_SCRIPT = {
    "dovecot-2.3": "plugin {\n  sieve_default = %s\n}\n",
    "dovecot-2.4": "sieve_script default {\n  type = default\n"
                   "  driver = file\n  path = %s\n}\n",
}


@pytest.fixture(scope="module")
def script():
    directory = work_directory()
    # the compiled script goes beside it
    shutil.chown(directory, MAIL_USER)
    path = os.path.join(directory, "copies.sieve")
    with open(path, "w") as file:
        file.write(SCRIPT)
    yield path
    shutil.rmtree(directory)


@pytest.fixture(scope="module", params=["sdbox", "mdbox", "maildir"])
def sieve_host(request, make_module_host, script):
    write = dialect()
    return make_module_host(
        mail_format=request.param,
        extra=write.protocol_plugins("lmtp", ["sieve"]) +
        DEFAULT_SCRIPT[write.SHIPPED] % script, **QUOTA)


@pytest.fixture
def drop(sieve_host, user):
    return FullDrop(sieve_host, user)


def limit_all(drop, more=0):
    drop.host.set_policies(drop.user, quota_storage=str(
        drop.used() + sum(drop.sizes("Copies").values()) + more))


def test_room_for_both(drop):
    """Room is made for each of the two, and the limit is kept."""
    drop.fill(4)
    assert len(drop.uids("Copies")) == 4
    drop.retrieve(1, 2, 3)
    limit_all(drop)
    assert drop.put().code == 250
    drop.wait_settled()
    assert drop.uids() == [3, 4, 5]
    assert len(drop.uids("Copies")) == 5
    assert drop.evicted() == [(uid, "room for " + drop.message_id)
                              for uid in (1, 2)]
    assert drop.view() == [3, 4, 5]


def test_byte_exact_for_both(drop):
    drop.fill(2)
    size = drop.sizes()[2]
    limit_all(drop, 2 * size)
    assert drop.put().code == 250
    assert drop.uids() == [1, 2, 3]
    drop.retrieve(1)
    limit_all(drop, 2 * size - 1)
    assert drop.put().code == 250
    assert drop.uids() == [2, 3, 4]
    assert [uid for uid, _ in drop.evicted()] == [1]


def test_no_room_for_both(drop):
    """Without eviction the limit is kept as well."""
    drop.host.set_policies(drop.user, quota_action="reject")
    drop.fill(2)
    size = drop.sizes()[2]
    limit_all(drop, 2 * size - 1)
    reply = drop.put()
    assert (reply.code, reply.enhanced) == (552, "5.2.2"), reply
    assert drop.uids() == [1, 2]
    drop.host.set_policies(drop.user, quota_action="defer")
    reply = drop.put(5000)
    assert (reply.code, reply.enhanced) == (452, "4.2.2"), reply
