# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""enforcement: off is as if there were no policy, observe only tells what
would have been done, enforce does it. And pop3_access, which refuses a login.
"""

import pytest

from owner import COMMITTED, Owner, event, intent, shown
from raw import RawPop3

UNENFORCED = pytest.mark.parametrize("enforcement", ["off", "observe"])
REFUSAL = "-ERR [AUTH] Access by POP3 is switched off for this account. " \
    "Please ask your mail administrator."


def test_site_may_only_observe(make_host, user):
    """What a new installation does: observe is the built-in value."""
    host = make_host()
    host.unset_policy("*", "enforcement")
    owner = Owner(host, user)
    owner.set(on_retrieve="delete")
    owner.deliver(1)
    owner.retrieve(1)
    assert owner.uids() == [1]
    assert owner.would_remove() == {1: "retrieved"}


# --- on_retrieve ---

@UNENFORCED
def test_on_retrieve_delete(owner, enforcement):
    owner.set(enforcement=enforcement, on_retrieve="delete")
    owner.deliver(2)
    owner.retrieve(1)
    assert owner.poll() == owner.uids() == [1, 2]
    assert owner.would_remove() == (
        {1: "retrieved"} if enforcement == "observe" else {})
    assert owner.retrieved() == [1]
    assert owner.story() == []


@UNENFORCED
def test_on_retrieve_hide(owner, enforcement):
    owner.set(enforcement=enforcement, on_retrieve="hide")
    owner.deliver(2)
    owner.retrieve(1)
    assert owner.poll() == [1, 2]
    assert owner.hidden() == []
    assert owner.story() == []


def test_would_be_removed_tells_which_message(owner):
    owner.set(enforcement="observe", on_retrieve="delete")
    owner.deliver(1)
    with owner.pop3() as pop:
        size = pop.retr(1)[2]
    owner.ended(retr=1)
    (row,) = owner.host.rows(
        "SELECT w.* FROM pop3.would_remove w JOIN pop3.maildrop "
        "USING (maildrop_id) WHERE username = %s", (owner.name,))
    assert (str(row["message_guid"]), row["size"]) == (owner.guid(1), size)


# --- on_dele ---

def test_dele_off(owner):
    owner.set(enforcement="off", on_dele="hide")
    owner.deliver(2)
    assert owner.delete(1)["removed"] == {1}
    assert owner.uids() == [2]
    assert owner.story() == []


def test_dele_observed(owner):
    owner.set(enforcement="observe", on_dele="hide")
    owner.deliver(2)
    assert owner.delete(1)["removed"] == {1}
    assert owner.uids() == [2]
    owner.told(intent("expunge", "dele", 1) + COMMITTED)
    assert owner.would_remove() == {}


def test_deleted_message_is_no_longer_to_be_removed(owner):
    owner.set(enforcement="observe", on_retrieve="delete")
    owner.deliver(2)
    owner.retrieve(1, 2)
    owner.delete(1)
    assert owner.would_remove() == {2: "retrieved"}


# --- expiry ---

@UNENFORCED
def test_expire_retrieved(owner, enforcement):
    owner.set(enforcement=enforcement, expire_retrieved="1d")
    owner.deliver(2)
    owner.retrieve(1)
    owner.age("1 day")
    assert owner.retrieve(2)["removed"] == set()
    assert owner.uids() == [1, 2]
    assert owner.would_remove() == (
        {1: "expired-retrieved"} if enforcement == "observe" else {})
    assert owner.story() == []
    owner.set(enforcement="enforce")
    assert owner.poll() == [2]


@UNENFORCED
def test_expire_unretrieved(owner, enforcement):
    owner.set(enforcement=enforcement, expire_unretrieved="60d")
    owner.deliver(3)
    owner.retrieve(1)
    owner.age("60 days")
    owner.retrieve(1)
    assert owner.uids() == [1, 2, 3]
    assert owner.would_remove() == (
        {2: "expired-unretrieved", 3: "expired-unretrieved"}
        if enforcement == "observe" else {})
    owner.set(enforcement="enforce")
    assert owner.poll() == [1]


@UNENFORCED
def test_expire_hidden(owner, enforcement):
    owner.set(on_retrieve="hide", expire_hidden="1d")
    owner.deliver(2)
    owner.retrieve(1)
    owner.age("1 day")
    owner.set(enforcement=enforcement)
    # nothing is hidden without enforcement
    assert owner.retrieve(1, 2)["removed"] == set()
    assert owner.uids() == [1, 2]
    assert owner.would_remove() == (
        {1: "expired-hidden"} if enforcement == "observe" else {})
    owner.set(enforcement="enforce")
    assert owner.poll() == [2]
    assert owner.uids() == [2]


def test_observed_once(owner):
    owner.set(enforcement="observe", on_retrieve="delete")
    owner.deliver(1)
    query = "SELECT since FROM pop3.report_would_remove WHERE username = %s"
    owner.retrieve(1)
    since = owner.host.value(query, (owner.name,))
    owner.retrieve(1)
    assert since is not None
    assert owner.host.value(query, (owner.name,)) == since


# --- view ---

@UNENFORCED
def test_hidden_messages_are_shown(owner, enforcement):
    owner.set(on_dele="hide")
    owner.deliver(2)
    owner.delete(1)
    assert owner.poll() == [2]
    owner.set(enforcement=enforcement)
    owner.check_view([1, 2])
    owner.set(enforcement="enforce")
    owner.check_view([2])


@UNENFORCED
@pytest.mark.parametrize("parameter", ["view_window", "view_since"])
def test_view(owner, enforcement, parameter):
    owner.deliver(1)
    owner.poll()
    owner.age("10 days")
    owner.deliver(1)
    owner.set(enforcement=enforcement, **{
        "view_window": {"view_window": "5 days"},
        "view_since": {"view_since": owner.host.value(
            "SELECT (now() - interval '5 days')::date::text")}}[parameter])
    owner.check_view([1, 2])
    owner.set(enforcement="enforce")
    owner.check_view([2])


# --- pop3_access ---

def refused_login(owner):
    """A login by PASS. Returns what the server says until it closes."""
    with RawPop3(owner.host) as raw:
        raw.command("USER " + owner.name)
        raw.send("PASS test")
        return raw.file.read()


def test_access_off(owner):
    offset = owner.host.log_position()
    owner.set(pop3_access="off")
    owner.deliver(1)
    assert refused_login(owner) == REFUSAL.encode() + b"\r\n"
    session = owner.ended(ended_by="refused")
    assert session["fetched"] == set()
    assert session["mailbox_guid"] is None
    owner.told(event("refused", reason="pop3-access"))
    (row,) = owner.audit()
    assert row["session_id"] == session["session_id"]
    assert row["remote_address"] == "127.0.0.1"
    assert not owner.host.log_contains("Error|Warning", offset)
    assert owner.host.log_contains("Login refused: pop3_access is off", offset)


def test_access_off_with_commands_behind(owner):
    owner.set(pop3_access="off")
    owner.deliver(1)
    with RawPop3(owner.host) as raw:
        raw.command("USER " + owner.name)
        raw.send("PASS test", "STAT", "DELE 1", "QUIT")
        assert raw.file.read() == REFUSAL.encode() + b"\r\n"
    owner.ended(ended_by="refused", dele=0)
    assert owner.uids() == [1]


def test_access_off_with_locked_sessions(make_host, user):
    owner = Owner(make_host(settings={"pop3_lock_session": "yes"}), user)
    offset = owner.host.log_position()
    owner.set(pop3_access="off")
    owner.deliver(1)
    assert refused_login(owner) == REFUSAL.encode() + b"\r\n"
    owner.ended(ended_by="refused")
    owner.told(event("refused", reason="pop3-access"))
    assert not owner.host.log_contains("Error|Warning", offset)
    # and the lock is not left behind
    owner.set(pop3_access="on")
    assert owner.poll() == [1]


def test_process_serves_others_after_a_refusal(make_host, user):
    host = make_host(pop3_service_count=10)
    owner, other = Owner(host, user), Owner(host, "other." + user)
    owner.set(pop3_access="off")
    other.deliver(1)
    for _ in range(5):
        assert refused_login(owner) == REFUSAL.encode() + b"\r\n"
        assert other.poll() == [1]


def test_access_off_observed(owner):
    owner.set(pop3_access="off", enforcement="observe")
    owner.deliver(1)
    owner.retrieve(1)
    owner.told(event("would-refuse", reason="pop3-access"))


def test_access_off_unenforced(owner):
    owner.set(pop3_access="off", enforcement="off")
    owner.deliver(1)
    owner.retrieve(1)
    assert owner.story() == []


def test_access_off_is_nothing_to_imap(owner):
    owner.set(pop3_access="off")
    owner.deliver(1)
    assert owner.host.imap_uids(owner.name) == [1]


def test_access_is_refused_to_new_sessions_only(owner):
    owner.deliver(1)
    with owner.pop3() as pop:
        owner.set(pop3_access="off")
        assert shown(pop) == [1]
        assert owner.host.login_refusal(owner.name) == REFUSAL
        pop.retr(1)
    assert owner.ended(retr=1)["retrieved"] == {1}
