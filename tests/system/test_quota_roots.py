# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Which quotas a policy sets: the user's own, for INBOX, and no others."""

import pytest

from dovecot_files import dialect
from host import message
from quota import (
    answer, append, getquota, quota_get, quota_options, sized)

FITS = "250 2.0.0"
FULL = "552 5.2.2"


@pytest.fixture(scope="module")
def two_roots(make_module_host):
    """INBOX and what is beside it count in one quota, Archive in another."""
    return make_module_host(**quota_options(
        plugin_settings={"quota": "count:User quota:ns="},
        extra=dialect().archive_quota("Archive", "100k")))


def test_other_root(two_roots, user):
    host = two_roots
    assert append(host, user, sized(10), "Archive/Old")[0] == "OK"
    host.set_policies(user, quota_storage="5k", quota_messages="2")
    assert getquota(host, user) == {"STORAGE": (0, 5), "MESSAGE": (0, 2)}
    assert quota_get(host, user, "Archive") == {
        "STORAGE": (1, 100), "MESSAGE": (1, None)}
    assert [append(host, user, sized(1000), "Archive/Old")[0]
            for _ in range(3)] == ["OK", "OK", "OK"]
    assert append(host, user, sized(1000))[0] == "NO"
    assert answer(host, user, sized(1000)) == FULL
    assert [answer(host, user, message()) for _ in range(3)] == \
        [FITS, FITS, FULL]
    host.set_policies(user, quota_storage="unlimited")
    assert append(host, user, sized(9000), "Archive/Old")[0] == "NO"


@pytest.fixture(scope="module")
def shared_host(make_module_host):
    """Users see each other's mailboxes in shared/USER/."""
    return make_module_host(**quota_options(
        plugin_settings={"quota_rule": "*:storage=20k"},
        extra=dialect().SHARED_NAMESPACE))


def test_shared_mailbox(shared_host, user):
    """What is saved there counts in its owner's quota, which is not that of
    who saves."""
    host = shared_host
    owner = "owner." + user
    host.deliver(owner, message())
    host.set_policies(user, quota_storage="5k")
    shared = "shared/%s/INBOX" % owner
    assert append(host, user, sized(1000))[0] == "NO"
    assert append(host, user, sized(1000), shared)[0] == "OK"
    assert getquota(host, user) == {"STORAGE": (0, 5)}
    assert append(host, user, sized(1000), shared)[0] == "NO"
    host.set_policies(user, quota_storage="100k")
    assert append(host, user, sized(1000), shared)[0] == "NO"
    assert append(host, user, sized(1000))[0] == "OK"
