# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""download_daily: beyond so many bytes in 24 hours RETR and TOP are refused.
And the bytes of a session are those that it sent."""

import datetime
import poplib
import re
import threading
import time

import pytest

from dovecot import wait_until
from owner import Owner, event, refusal

KB = 1024
# Dovecot sends a client away at its 21st bad command in a row.
MANY = 60
REFUSED = re.compile(
    r"-ERR The daily download limit of (.*) is reached\. Please wait until "
    r"(\d{4}-\d\d-\d\d \d\d:\d\d) UTC, the message stays on the server\.$")
SMALL_BUFFER = 64 * KB


def sized(size):
    """A message of so many bytes as it is delivered."""
    begin = b"Subject: Message\r\n\r\n"
    lines, rest = divmod(size - len(begin), 100)
    return begin + (b"x" * 98 + b"\r\n") * lines + (
        b"y" * (rest - 2) + b"\r\n" if rest >= 2 else b"")


def used(owner):
    """Bytes that the database counts of the last 24 hours."""
    return int(owner.host.value(
        "SELECT coalesce(sum(bytes), 0) FROM pop3.download "
        "WHERE username = %s AND at > now() - interval '24:05'",
        (owner.name,)))


def settled(owner, total):
    wait_until(lambda: used(owner) == total,
               what="%d bytes to be counted of %s, not %d" % (
                   total, owner.name, used(owner)))


def is_refused(pop, command):
    """The text of a refusal for the limit."""
    text = refusal(pop, command)
    assert REFUSED.match(text), text
    return text


@pytest.fixture
def owner(owner):
    """May download 10 kB; has four messages of 4 kB."""
    owner.set(download_daily="10k")
    owner.deliver(*[sized(4 * KB)] * 4)
    return owner


def test_limit(owner):
    """Used are 4, 8, 12 kB: the third one is finished, the fourth refused."""
    with owner.pop3() as pop:
        for number in (1, 2, 3):
            pop.retr(number)
        text = is_refused(pop, "RETR 4")
        limit, until = REFUSED.match(text).groups()
        assert limit == "10 kB"
        until = datetime.datetime.strptime(until + "+0000", "%Y-%m-%d %H:%M%z")
        hours = (until - datetime.datetime.now(datetime.timezone.utc)
                 ).total_seconds() / 3600
        assert 23.9 < hours < 24.2
        is_refused(pop, "TOP 4 0")
        assert pop.stat()[0] == 4
        assert pop.quit() == b"+OK Logging out."
    session = owner.ended(ended_by="quit")
    assert session["fetched"] == session["retrieved"] == {1, 2, 3}
    assert (session["retr"], session["top"]) == (3, 0)
    assert session["bytes"] > 12 * KB
    settled(owner, session["bytes"])
    owner.told(event("refused", 4, reason="download-daily"))


def test_next_session_and_next_day(owner):
    with owner.pop3() as pop:
        for number in (1, 2, 3):
            pop.retr(number)
    owner.ended(retr=3)
    with owner.pop3() as pop:
        is_refused(pop, "RETR 4")
    owner.age("23 hours")
    with owner.pop3() as pop:
        is_refused(pop, "RETR 4")
    owner.age("70 minutes")
    with owner.pop3() as pop:
        pop.retr(4)
    assert owner.ended(retr=1)["retrieved"] == {4}


def test_message_bigger_than_the_limit(owner):
    owner.set(download_daily="1k")
    with owner.pop3() as pop:
        assert pop.retr(2)[2] > 4 * KB
        is_refused(pop, "RETR 1")
        is_refused(pop, "RETR 2")
    session = owner.ended(retr=1)
    assert session["retrieved"] == {2}
    owner.told(event("refused", 1, 2, reason="download-daily"))


def test_everything_else_goes_on(owner):
    owner.set(download_daily="1k")
    with owner.pop3() as pop:
        pop.retr(1)
        is_refused(pop, "RETR 2")
        assert len(pop.list()[1]) == len(pop.uids()) == 4
        pop.noop()
        pop.dele(2)
        pop.dele(3)
        assert refusal(pop, "RETR 3") == "-ERR Message is deleted."
        assert refusal(pop, "RETR 9") == "-ERR There's no message 9."
        pop.rset()
        pop.dele(3)
        is_refused(pop, "RETR 2")
        assert pop.quit() == b"+OK Logging out, messages deleted."
    assert owner.ended(ended_by="quit")["removed"] == {3}
    assert owner.uids() == [1, 2, 4]


def test_refusals_are_no_bad_commands(owner):
    """Of the first message and of others: Dovecot keeps a number for each
    kind of them."""
    owner.set(download_daily="1k")
    with owner.raw() as raw:
        raw.send("RETR 2")
        assert raw.line().startswith("+OK")
        raw.lines()
        commands = ["RETR 1", "RETR 3", "RETR 3", "TOP 1 0", "TOP 4 9"] * MANY
        raw.send(*commands)
        for _ in commands:
            assert REFUSED.match(raw.line())
        assert raw.command("QUIT") == "+OK Logging out."
    assert owner.ended(ended_by="quit", retr=1, top=0)["fetched"] == {2}
    owner.told(event("refused", 1, 3, 4, reason="download-daily"))


def test_bad_commands_are_still_counted(owner):
    """A refusal neither adds to them nor forgives them."""
    owner.set(download_daily="1k")
    with owner.raw() as raw:
        raw.send("RETR 1")
        raw.line()
        raw.lines()
        raw.send(*["RETR 9", "RETR 2"] * MANY)
        lines = []
        while (line := raw.line()):
            lines.append(line)
    bad = [line for line in lines if "There's no message 9" in line]
    assert len(bad) == 21
    assert lines[-1] == "-ERR Too many bad commands."


def test_message_that_is_really_gone(owner):
    """What Dovecot knows of removed messages is what it was. The first fetch
    of one is a good command, and 21 more are too many bad ones."""
    host = owner.host
    owner.set(download_daily="1k")
    with owner.raw() as raw:
        raw.send("RETR 1")
        raw.line()
        raw.lines()
        for _ in range(MANY):
            assert REFUSED.match(raw.command("RETR 4"))
        host.doveadm("expunge", "-u", owner.name, "mailbox", "INBOX",
                     "uid", "3")
        assert REFUSED.match(raw.command("RETR 3"))
        owner.age("25 hours")
        raw.send(*["RETR 3"] * MANY)
        lines = []
        while (line := raw.line()):
            lines.append(line)
    assert lines == ["-ERR Message 3 expunged."] * 22 + [
        "-ERR Too many bad commands."]


def test_last(make_host, user):
    """LAST (RFC 1460) does not know of what was refused."""
    host = make_host(settings={"pop3_enable_last": "yes"})
    owner = Owner(host, user)
    owner.set(download_daily="1k")
    owner.deliver(*[sized(4 * KB)] * 3)
    with owner.pop3() as pop:
        pop.retr(1)
        assert pop._shortcmd("LAST") == b"+OK 1"
        is_refused(pop, "RETR 3")
        assert pop._shortcmd("LAST") == b"+OK 1"
        is_refused(pop, "TOP 3 0")
        pop.rset()
        is_refused(pop, "RETR 2")
        assert pop._shortcmd("LAST") == b"+OK 0"


def test_last_when_the_first_command_is_refused(make_host, user):
    """What LAST was at login is not known before the mailbox was read."""
    host = make_host(settings={"pop3_enable_last": "yes"})
    owner = Owner(host, user)
    owner.append(1, flags="\\Seen")
    owner.append(1)
    owner.set(download_daily="1")
    with owner.pop3() as pop:
        pop.retr(1)
    with owner.pop3() as pop:
        assert refusal(pop, "RETR 2").startswith("-ERR The daily")
        assert pop._shortcmd("LAST") == b"+OK 1"



def test_refused_message_is_not_seen(owner):
    owner.set(download_daily="1k")
    with owner.pop3() as pop:
        pop.retr(1)
        is_refused(pop, "RETR 2")
    owner.ended(ended_by="quit")
    assert "\\Seen" in owner.flags(1)
    assert "\\Seen" not in owner.flags(2)


def test_refused_message_is_not_retrieved(owner):
    owner.set(download_daily="1k", on_retrieve="delete")
    with owner.pop3() as pop:
        pop.retr(1)
        is_refused(pop, "RETR 2")
    assert owner.ended(ended_by="quit")["removed"] == {1}
    assert owner.uids() == [2, 3, 4]


def test_top_counts(owner):
    """By what it sent, not by the message's size."""
    owner.set(download_daily="6k")
    with owner.pop3() as pop:
        for _ in range(4):
            pop.top(1, 0)
        pop.top(2, 9999)
        pop.top(3, 0)
        pop.retr(4)
        is_refused(pop, "TOP 3 0")
        is_refused(pop, "RETR 3")
    session = owner.ended(top=6, retr=1)
    assert session["bytes"] > 8 * KB
    settled(owner, session["bytes"])


def test_pipelined(owner):
    with owner.raw() as raw:
        raw.send("RETR 1", "TOP 2 9999", "NOOP", "RETR 3", "RETR 4", "TOP 1 0",
                 "STAT", "QUIT")
        for command in ("RETR", "TOP", "NOOP", "RETR"):
            assert raw.line().startswith("+OK")
            if command != "NOOP":
                assert len(raw.lines()) > 40
        assert REFUSED.match(raw.line())
        assert REFUSED.match(raw.line())
        assert raw.line().startswith("+OK 4 ")
        assert raw.line() == "+OK Logging out."
    session = owner.ended(ended_by="quit", retr=2, top=1)
    assert session["fetched"] == {1, 2, 3}


def test_concurrent_sessions_count_together(owner):
    with owner.pop3() as first, owner.pop3() as second:
        first.retr(1)
        second.retr(2)
        first.retr(3)
        is_refused(first, "RETR 4")
        is_refused(second, "RETR 4")
    total = sum(row["bytes"] for row in owner.host.wait_sessions(
        owner.name, 2))
    settled(owner, total)


def test_sessions_at_once(owner):
    """Sessions that fetch at the same time see what each other is about to
    send."""
    owner.set(download_daily="40k")
    sent = []

    def fetch(pop):
        for _ in range(10):
            try:
                sent.append(pop.retr(1)[2])
            except poplib.error_proto as error:
                assert REFUSED.match(error.args[0].decode())

    sessions = [owner.pop3() for _ in range(4)]
    threads = [threading.Thread(target=fetch, args=(pop,))
               for pop in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for pop in sessions:
        pop.quit()
    # what was under way counted, so one message at most passed the limit
    assert 40 * KB <= sum(sent) < 40 * KB + 4 * KB + KB
    settled(owner, sum(row["bytes"] for row in owner.host.wait_sessions(
        owner.name, 4)))


def test_other_users_are_not_concerned(owner, host, user):
    other = Owner(host, "other_" + user)
    other.set(download_daily="10k")
    other.deliver(*[sized(4 * KB)] * 3)
    with owner.pop3() as pop:
        for number in (1, 2, 3):
            pop.retr(number)
        is_refused(pop, "RETR 4")
    with other.pop3() as pop:
        pop.retr(1)


def test_master_user(owner):
    """Is not limited, and not counted."""
    owner.set(download_daily="1k")
    with owner.pop3(master="boss") as pop:
        for number in (1, 2, 3, 4):
            pop.retr(number)
    owner.ended(retr=4)
    assert used(owner) == 0
    with owner.pop3() as pop:
        pop.retr(1)
        is_refused(pop, "RETR 2")


def test_without_a_limit_nothing_is_counted(owner):
    owner.set(download_daily="unlimited")
    with owner.pop3() as pop:
        for number in (1, 2, 3, 4):
            pop.retr(number)
    owner.ended(retr=4)
    assert used(owner) == 0


def test_observe(owner):
    owner.set(enforcement="observe", download_daily="1k")
    with owner.pop3() as pop:
        for number in (1, 2, 3, 4):
            pop.retr(number)
    session = owner.ended(retr=4)
    assert session["retrieved"] == {1, 2, 3, 4}
    owner.told(event("would-refuse", 2, reason="download-daily"))
    # counted nevertheless
    settled(owner, session["bytes"])


def test_off(owner):
    owner.set(enforcement="off", download_daily="1k")
    with owner.pop3() as pop:
        for number in (1, 2, 3, 4):
            pop.retr(number)
    owner.ended(retr=4)
    assert owner.story() == []
    assert used(owner) == 0


def test_hold(owner):
    owner.set(pop3_hold="yes", download_daily="1k")
    with owner.pop3() as pop:
        pop.retr(1)
        is_refused(pop, "RETR 2")


@pytest.fixture(scope="module")
def hasty_host(make_module_host):
    return make_module_host(plugin_settings={"pop3_policy_timeout": "1s"})


def test_service_does_not_answer(hasty_host, user):
    """Mail is let through, after one wait and with one warning. What was sent
    is counted at the session's end."""
    owner = Owner(hasty_host, user)
    owner.set(download_daily="10k")
    owner.deliver(*[sized(4 * KB)] * 4)
    with owner.pop3() as pop:
        pop.retr(1)
        offset = hasty_host.log_position()
        hasty_host.pause_service()
        try:
            began = datetime.datetime.now()
            for number in (1, 2, 3, 4):
                pop.retr(number)
            seconds = (datetime.datetime.now() - began).total_seconds()
        finally:
            hasty_host.resume_service()
    assert 0.9 < seconds < 2
    session = owner.ended(retr=5)
    settled(owner, session["bytes"])
    log = hasty_host.log_text(offset)
    assert len(re.findall(r"Warning: pop3-policy: download_daily is not known "
                          "to be kept in this session: ", log)) == 1
    assert owner.story() == []


def test_service_restarts(make_host, user):
    """The request is sent again to the new one."""
    host = make_host()
    owner = Owner(host, user)
    owner.set(download_daily="10k")
    owner.deliver(*[sized(4 * KB)] * 4)
    with owner.pop3() as pop:
        pop.retr(1)
        pop.retr(2)
        host.kill_service()
        wait_until(host.service_pids, what="another service")
        pop.retr(3)
        is_refused(pop, "RETR 4")


# --- bytes of a session that ends in the middle of a message ---

BIG = b"Subject: Big\r\n\r\n" + (b"z" * 998 + b"\r\n") * 8000


@pytest.mark.parametrize("limit", ["unlimited", "1G"])
@pytest.mark.parametrize("end", ["drop", "reset"])
def test_client_drops_in_the_middle(owner, limit, end):
    """Neither nothing nor all of it was sent."""
    owner.set(download_daily=limit)
    owner.deliver(BIG)
    with owner.pop3() as pop:
        pop.retr(1)
        whole = pop.list(5).split()[2]
    small = owner.ended(retr=1)["bytes"]
    raw = owner.raw(rcvbuf=SMALL_BUFFER)
    assert raw.command("RETR 5") == "+OK %s octets" % whole.decode()
    read = sum(len(raw.file.readline()) for _ in range(1000))
    getattr(raw, end)()
    session = owner.ended(ended_by="drop")
    assert session["fetched"] == session["retrieved"] == set()
    assert read <= session["bytes"] < int(whole)
    settled(owner, 0 if limit == "unlimited" else small + session["bytes"])


def test_kicked_in_the_middle(owner):
    """What the kernel took is what the client gets, to the byte."""
    owner.deliver(BIG)
    owner.set(download_daily="unlimited")
    raw = owner.raw(rcvbuf=SMALL_BUFFER)
    raw.send("RETR 5")
    time.sleep(0.5)     # until neither side's buffers take more
    owner.host.doveadm("kick", owner.name)
    session = owner.ended(ended_by="kick")
    received = len(raw.file.read())
    assert session["bytes"] == received < len(BIG)


def test_big_message_and_a_limit(owner):
    """What was reserved for a message and not sent can be had later."""
    owner.set(download_daily="7M")
    owner.deliver(BIG)
    raw = owner.raw(rcvbuf=SMALL_BUFFER)
    assert raw.command("RETR 5").startswith("+OK")
    with owner.pop3() as pop:
        is_refused(pop, "RETR 1")
        raw.drop()
        sent = owner.ended(ended_by="drop")["bytes"]
        assert sent < 7 * KB * KB
        settled(owner, sent)
        pop.retr(1)
