# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""enforcement=off: a client's DELE is Dovecot's own business, until a hold
says otherwise. One that is set during a session acts at its QUIT."""

import pytest

from owner import COMMITTED, Owner, intent, shown


@pytest.fixture(scope="module")
def off_host(make_module_host):
    """Only this file's tests set the site's policy of this host."""
    host = make_module_host()
    host.set_policy("*", "enforcement", "off")
    return host


@pytest.fixture
def tenant(off_host, user):
    local, domain = user.split("@")
    tenant = Owner(off_host, "%s@%s.%s" % (
        local, local.replace("_", "-"), domain))
    tenant.deliver(3)
    return tenant


@pytest.fixture(params=["site", "domain", "user"])
def held(request, tenant):
    """A function that sets a hold, which lasts until the test's end."""
    scope = {"site": "*", "domain": "@" + tenant.name.split("@")[1],
             "user": tenant.name}[request.param]
    yield lambda: tenant.host.set_policy(scope, "pop3_hold", "yes")
    tenant.host.unset_policy(scope, "pop3_hold")


def begin(tenant, *dele):
    pop = tenant.pop3()
    numbers = {uid: n for n, uid in enumerate(shown(pop), 1)}
    for uid in dele:
        pop.dele(numbers[uid])
    return pop


def test_hold_during_the_session(tenant, held):
    with begin(tenant, 1, 3):
        held()
    assert tenant.ended(dele=2)["removed"] == set()
    assert tenant.uids() == [1, 2, 3]
    assert tenant.hidden() == [1, 3]
    tenant.told(intent("hide", "dele", 1, 3) + COMMITTED)
    assert tenant.host.sql(
        "SELECT uid, action, state FROM pop3.intent WHERE username = %s",
        (tenant.name,)) == [([1, 3], ["hide", "hide"], "closed")]
    tenant.check_view([2])


def test_enforcement_during_the_session(tenant):
    """So does any policy that wants a record before the removal."""
    with begin(tenant, 2):
        tenant.set(enforcement="enforce", on_dele="hide")
    tenant.ended(dele=1)
    assert tenant.uids() == [1, 2, 3]
    tenant.told(intent("hide", "dele", 2) + COMMITTED)
    assert tenant.poll() == [1, 3]


def test_hold_ends_during_the_session(tenant, held):
    held()
    with begin(tenant, 1):
        for scope in ("*", "@" + tenant.name.split("@")[1], tenant.name):
            tenant.host.unset_policy(scope, "pop3_hold")
    assert tenant.ended(dele=1)["removed"] == {1}
    assert tenant.uids() == [2, 3]


def test_without_a_hold(tenant):
    """No intent is needed."""
    with begin(tenant, 1):
        tenant.set(on_retrieve="delete")
    assert tenant.ended(dele=1)["removed"] == {1}
    assert tenant.uids() == [2, 3]
    assert [row for row in tenant.story() if row[0] == "intent"] == []
    assert tenant.poll() == [2, 3]
