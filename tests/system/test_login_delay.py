# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""login_delay: the least time between two accepted logins."""

import poplib
import re
import threading

import pytest

from owner import Owner, event

REFUSED = re.compile(
    r"-ERR \[LOGIN-DELAY\] Please wait (\d+) seconds? before you log in "
    r"again: this account may log in once in 10 minutes\.$")
DELAY = 600


def wait_asked_for(owner, **options):
    """A login that is refused. Returns the seconds it is to wait."""
    text = owner.host.login_refusal(owner.name, **options)
    found = REFUSED.match(text)
    assert found, text
    return int(found.group(1))


@pytest.fixture
def delayed(owner):
    owner.set(login_delay="10 minutes")
    owner.deliver(2)
    return owner


def test_second_login_is_refused(delayed):
    delayed.retrieve(1)
    wait = wait_asked_for(delayed)
    assert DELAY - 60 < wait <= DELAY
    delayed.told(event("refused", reason="login-delay"))
    session = delayed.ended(ended_by="refused")
    assert session["retr"] == session["bytes"] == 0
    assert delayed.audit()[0]["session_id"] == session["session_id"]


def test_accepted_when_the_time_is_over(delayed):
    delayed.retrieve(1)
    assert wait_asked_for(delayed) > DELAY - 60
    delayed.age("9 minutes")
    assert 0 < wait_asked_for(delayed) <= 60
    delayed.age("1 minute")
    delayed.retrieve(2)
    assert wait_asked_for(delayed) > DELAY - 60


def test_refused_login_does_not_extend_it(delayed):
    delayed.retrieve(1)
    first = wait_asked_for(delayed)
    delayed.age("300 seconds")
    waits = [wait_asked_for(delayed) for _ in range(3)]
    assert waits == sorted(waits, reverse=True)
    assert waits[-1] <= first - 300


def test_counts_from_the_acceptance(delayed):
    """However the session ends, and while it goes on."""
    pop = delayed.pop3()
    assert wait_asked_for(delayed) > DELAY - 60
    pop.drop()
    delayed.host.wait_sessions(delayed.name, 1)
    assert wait_asked_for(delayed) > DELAY - 60


def test_of_two_logins_at_once_one_is_accepted(delayed):
    results = []
    barrier = threading.Barrier(4)

    def login():
        pop = poplib.POP3("127.0.0.1", delayed.host.pop3_port, timeout=60)
        delayed.host.add_client(pop)
        pop.user(delayed.name)
        barrier.wait()
        try:
            pop.pass_("test")
            results.append("+OK")
            pop.quit()
        except poplib.error_proto as error:
            results.append(error.args[0].decode())
            pop.close()

    for _ in range(5):
        results.clear()
        threads = [threading.Thread(target=login) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(results) == 4
        assert results.count("+OK") == 1, results
        assert all(REFUSED.match(text) for text in results if text != "+OK")
        delayed.age("1 hour")


def test_other_users_need_not_wait(delayed, host):
    delayed.retrieve(1)
    assert wait_asked_for(delayed)
    host.pop3("other_" + delayed.name).quit()


def test_master_user(delayed):
    """He does not wait, and the owner does not wait for him."""
    delayed.retrieve(1)
    delayed.pop3(master="boss").quit()
    assert wait_asked_for(delayed)
    delayed.age("10 minutes")
    delayed.pop3(master="boss").quit()
    delayed.retrieve(2)


def test_no_delay_is_the_default(owner):
    owner.deliver(2)
    owner.retrieve(1)
    owner.retrieve(2)
    assert owner.story() == []


def test_switched_off_while_waiting(delayed):
    delayed.retrieve(1)
    assert wait_asked_for(delayed)
    delayed.set(login_delay="0")
    delayed.retrieve(2)


@pytest.mark.parametrize("enforcement,story", [
    ("observe", event("would-refuse", reason="login-delay")), ("off", [])])
def test_not_enforced(delayed, enforcement, story):
    delayed.set(enforcement=enforcement)
    delayed.retrieve(1)
    delayed.retrieve(2)
    delayed.told(story)


def test_a_hold_changes_nothing(delayed):
    delayed.set(pop3_hold="yes")
    delayed.retrieve(1)
    assert wait_asked_for(delayed)


def test_switched_off_access_comes_first(delayed):
    """It is no acceptance, and its refusal no login-delay."""
    delayed.set(pop3_access="off")
    for _ in range(2):
        assert delayed.host.login_refusal(delayed.name).startswith(
            "-ERR [AUTH]")
    delayed.set(pop3_access="on")
    delayed.retrieve(1)


def test_stale_policy_asks_again_without_waiting(delayed):
    """A session whose policy changed asks anew, and is no new login, even if
    there was another one meanwhile."""
    delayed.set(on_dele="delete")
    pop = delayed.pop3()
    pop.dele(1)
    delayed.host.age(delayed.name, "10 minutes")
    delayed.pop3().quit()
    delayed.set(on_dele="hide")
    pop.quit()
    delayed.ended(dele=1)
    assert delayed.hidden() == [1]


def test_alias_login_is_no_master_user(make_host, user):
    """Whose login name Dovecot rewrites is the owner all the same."""
    local = user.partition("@")[0]
    host = make_host(settings={"auth_username_format": "%n@example.org"})
    host.set_policies(user, login_delay="10 minutes")
    pop = host.pop3(local)
    pop.quit()
    text = host.login_refusal(local)
    assert REFUSED.match(text), text
    owner = Owner(host, user)
    assert owner.ended(ended_by="refused")["username"] == user
