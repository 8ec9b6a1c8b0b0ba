# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""pop3.pause() and the breaker: nothing is removed by policy, all else goes
on. On a host of its own, since they concern all of its users."""

import time

import pytest

from evict import QUOTA, FullDrop
from owner import COMMITTED, Owner, intent

PAUSED = "Removals by policy are stopped by an administrator"


@pytest.fixture(scope="module")
def site(make_module_host):
    return make_module_host(**QUOTA)


@pytest.fixture
def owner(site, user):
    owner = Owner(site, user)
    yield owner
    site.sql("SELECT pop3.resume()")
    site.sql("SELECT pop3.confirm_breaker(1)")
    site.sql("UPDATE pop3.control SET breaker_percent = 100, "
             "confirmed_until = NULL")


def pause(owner):
    owner.host.sql("SELECT pop3.pause('test')")


def resume(owner):
    owner.host.sql("SELECT pop3.resume()")


def test_what_is_due_stays(owner):
    owner.set(enforcement="enforce", expire_retrieved="14d",
              expire_hidden="3d", expire_unretrieved="20d", on_dele="hide")
    owner.deliver(4)
    owner.retrieve(1)
    owner.delete(2)
    owner.age("21 days")
    pause(owner)
    assert owner.poll() == [1, 3, 4]
    assert owner.uids() == [1, 2, 3, 4]
    owner.told(intent("hide", "dele", 2) + COMMITTED)
    resume(owner)
    assert owner.poll() == []
    assert owner.uids() == []
    assert owner.host.log_contains(PAUSED)
    assert owner.host.log_contains("Removals by policy go on")


@pytest.mark.parametrize("on_retrieve", ["delete", "move"])
def test_on_retrieve_keeps(owner, on_retrieve):
    owner.set(enforcement="enforce", on_retrieve=on_retrieve)
    owner.deliver(3)
    pause(owner)
    session = owner.retrieve(1, 2)
    assert session["retrieved"] == {1, 2} and session["removed"] == set()
    assert owner.uids() == [1, 2, 3] and owner.retrieved() == [1, 2]
    assert owner.story() == []
    resume(owner)
    # it is downloaded, and goes, again
    assert owner.poll() == [1, 2, 3]
    session = owner.retrieve(1)
    assert session["removed"] == {1}
    assert owner.uids() == [2, 3]


def test_hiding_goes_on(owner):
    owner.set(enforcement="enforce", on_retrieve="hide",
              mass_delete_percent="1")
    owner.deliver(25)
    pause(owner)
    owner.retrieve(1)
    assert owner.hidden() == [1]
    assert owner.poll() == list(range(2, 26))
    owner.delete(*range(2, 26))
    assert owner.hidden() == list(range(1, 26))
    assert owner.poll() == []
    assert len(owner.uids()) == 25


@pytest.mark.parametrize("on_dele", ["delete", "move"])
def test_clients_delete(owner, on_dele):
    owner.set(enforcement="enforce", on_dele=on_dele, on_retrieve="delete")
    owner.deliver(3)
    pause(owner)
    with owner.pop3() as pop:
        pop.retr(1)
        pop.dele(1)
        pop.retr(2)
    owner.ended(dele=1)
    assert owner.uids() == [2, 3]
    owner.told(intent("expunge" if on_dele == "delete" else "move", "dele",
                      1) + COMMITTED)


def test_leave_limits_wait(owner):
    owner.set(enforcement="enforce", leave_max_messages="1")
    owner.deliver(4)
    pause(owner)
    owner.retrieve(1, 2, 3)
    assert owner.uids() == [1, 2, 3, 4]
    resume(owner)
    with owner.pop3():
        pass
    owner.told(intent("expunge", "leave-limit", 1, 2) + COMMITTED)
    assert owner.uids() == [3, 4]


def test_a_session_under_way(owner):
    """What it decides is decided anew, at once."""
    owner.set(enforcement="enforce", on_retrieve="delete",
              leave_max_messages="0")
    owner.deliver(3)
    pop = owner.pop3()
    pop.retr(1)
    pop.dele(2)
    begin = time.monotonic()
    pause(owner)
    assert pop.quit().startswith(b"+OK")
    assert time.monotonic() - begin < 5
    owner.ended(dele=1)
    assert owner.uids() == [1, 3]
    assert owner.retrieved() == [1]
    assert [e for e in owner.story() if e[0] == "committed"] == COMMITTED
    # and the other way
    pop = owner.pop3()
    pop.retr(1)
    pop.dele(2)
    resume(owner)
    assert pop.quit().startswith(b"+OK")
    owner.ended(dele=1)
    assert owner.uids() == []


def test_a_hold_goes_on(owner):
    owner.set(enforcement="enforce", pop3_hold="yes", on_retrieve="delete")
    owner.deliver(3)
    pause(owner)
    owner.retrieve(1)
    owner.delete(2)
    assert owner.poll() == [3]
    assert owner.hidden() == [1, 2]
    assert owner.uids() == [1, 2, 3]


def test_capa_announces_what_holds_after_it(owner):
    owner.set(enforcement="enforce", expire_retrieved="14d")
    pause(owner)
    with owner.pop3() as pop:
        assert pop.capa()["EXPIRE"] == ["14"]


def test_deliveries_are_put_off(site, user, owner):
    """Not bounced for what ends soon."""
    drop = FullDrop(site, user)
    drop.fill(3)
    drop.retrieve(1)
    drop.limit()
    pause(owner)
    reply = drop.put()
    assert 400 <= reply.code < 500, reply
    assert drop.uids() == [1, 2, 3]
    assert drop.evicted() == []
    assert site.log_contains("removals by policy are paused")
    resume(owner)
    assert drop.put().code == 250
    assert drop.uids() == [2, 3, 4]


def test_the_breaker_trips_at_logins(site, owner):
    """A policy with a typo: 14s in place of 14d."""
    owner.deliver(30)
    owner.set(enforcement="enforce", expire_retrieved="14s")
    owner.retrieve(*range(1, 31))
    owner.age("1 minute")
    site.sql("SELECT pop3.set_breaker(1, 20)")
    assert owner.poll() == list(range(1, 31))
    assert len(owner.uids()) == 30
    assert site.log_contains("Error: .*The breaker stopped all removals")
    assert site.value("SELECT stopped FROM pop3.control_status()") == \
        "breaker"
    # clients are not stopped
    owner.delete(3)
    assert len(owner.uids()) == 29
    site.sql("SELECT pop3.confirm_breaker()")
    assert owner.poll() == []
    assert owner.uids() == []


def test_the_breaker_at_quit(site, owner):
    owner.set(enforcement="enforce", leave_max_messages="1")
    owner.deliver(30)
    site.sql("SELECT pop3.set_breaker(1, 20)")
    session = owner.retrieve(*range(1, 31))
    assert session["removed"] == set()
    assert len(owner.uids()) == 30 and len(owner.retrieved()) == 30
    site.sql("SELECT pop3.confirm_breaker()")
    with owner.pop3():
        pass
    owner.ended(retr=0)
    assert len(owner.uids()) == 1


def test_an_eviction_counts(site, user, owner):
    drop = FullDrop(site, user)
    drop.fill(3)
    drop.retrieve(1)
    drop.limit()
    site.sql("SELECT pop3.set_breaker(0, 0)")
    assert 400 <= drop.put().code < 500
    assert drop.uids() == [1, 2, 3]
    site.sql("SELECT pop3.confirm_breaker()")
    assert drop.put().code == 250
