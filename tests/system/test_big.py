# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A maildrop of 10,000 messages, without state and with state for all of
them: every listing is whole, and the cost of a session does not grow with what
the maildrop holds."""

import pytest

from dovecot import wait_until
from maildrop import Maildrop, listing, uid_of
from raw import RawPop3

MANY = 10000
FEW = 20
# The most that one login removes.
MAX_DUE = 1000


@pytest.fixture(scope="module")
def big_host(make_module_host):
    """It counts its statements."""
    host = make_module_host(own_pg=True, mail_format="maildir", pg_settings={
        "shared_preload_libraries": "'pg_stat_statements'",
        "pg_stat_statements.track": "'top'"})
    host.sql("CREATE EXTENSION pg_stat_statements SCHEMA public")
    return host


def cost(drop):
    """What a poll of the maildrop takes: the calls of the service's
    functions, the rows that they return, and the pages they look at."""
    host = drop.host
    host.sql("SELECT public.pg_stat_statements_reset()")
    host.pop3(drop.user).quit()
    drop.wait_idle()
    return host.sql(
        "SELECT sum(calls)::int, sum(rows)::int, "
        "sum(shared_blks_hit + shared_blks_read)::int "
        "FROM public.pg_stat_statements s JOIN pg_roles r ON r.oid = userid "
        "JOIN pg_database d ON d.oid = dbid WHERE rolname = 'pop3_service' "
        "AND datname = %s AND query ~ 'pop3\\.' AND "
        # what the service looks at from time to time
        "query !~ 'policy_generation|policy_changes|policy_users|"
        "plain_waiting|maintain'", (host.dbname,))[0]


def cost_of_one_question(drop):
    """As soon as the service knows the user's policy, which it has to ask for
    after a change."""
    def attempt():
        calls, rows, pages = cost(drop)
        return calls == 1 and (rows, pages)
    return wait_until(attempt, what="a login that asks one question")


def check_costs(small, big):
    rows, pages = cost_of_one_question(small)
    assert rows > 0 and pages > 0
    big_rows, big_pages = cost_of_one_question(big)
    assert big_rows == rows
    # an index of many rows is a little deeper
    assert big_pages < 2 * pages


def pipelined(drop, command, numbers):
    """Send a command for each number without waiting for the answers, then
    QUIT. Waits for the session to be recorded."""
    drop.settle()
    before = len(drop.host.sessions(drop.user))
    with RawPop3(drop.host, drop.user) as raw:
        numbers = list(numbers)
        for start in range(0, len(numbers), 200):
            part = numbers[start:start + 200]
            raw.send(*("%s %d" % (command, number) for number in part))
            for number in part:
                assert raw.line().startswith("+OK"), number
                if command == "RETR":
                    assert b"Hello" in raw.lines()[-1]
        assert raw.command("QUIT").startswith("+OK")
    return drop.host.wait_sessions(drop.user, before + 1)[-1]


def make_due(drop, condition):
    """Let messages have been retrieved 14 days earlier."""
    drop.host.sql(
        "UPDATE pop3.message s SET retrieved_at = retrieved_at - "
        "interval '14 days' FROM pop3.maildrop d WHERE d.maildrop_id = "
        "s.maildrop_id AND d.username = %s AND s.hidden_at IS NULL "
        "AND " + condition, (drop.user,))


def test_story(big_host):
    """One test, since each step needs the one before."""
    host = big_host
    big, small = (Maildrop(host, name + "@example.org")
                  for name in ("big", "small"))
    for drop, count in ((big, MANY), (small, FEW)):
        drop.fill(count)
        host.set_policies(drop.user, on_dele="hide", expire_retrieved="14d",
                          expire_hidden="30d")
        with host.pop3(drop.user) as pop:
            uidls = listing(pop)
        assert [uid_of(uidl) for uidl in uidls.values()] == \
            list(range(1, count + 1))
    big.settle()
    check_costs(small, big)

    # some are retrieved, some hidden
    with host.pop3(big.user) as pop:
        uidls = listing(pop)
        for number in (1, 5000, MANY):
            assert b"Hello %d." % number in pop.retr(number)[1]
        for number in (2, 5001, MANY - 1):
            pop.dele(number)
    left = [uid for uid in range(1, MANY + 1)
            if uid not in (2, 5001, MANY - 1)]
    with host.pop3(big.user) as pop:
        shown = listing(pop)
        assert list(shown.values()) == [uidls[uid] for uid in left]
        number = left.index(7777) + 1
        assert b"Hello 7777." in pop.retr(number)[1]
        pop.rset()
    big.age("14 days")
    left = [uid for uid in left if uid not in (1, 5000, MANY)]
    assert big.view() == left
    assert sorted(big.intended()) == [1, 5000, MANY]

    # all of them are retrieved
    session = pipelined(big, "RETR", range(1, len(left) + 1))
    assert session["retr"] == len(left)
    assert big.retrieved() == left
    assert big.tracked() == len(left) + 3
    small.session(retr=range(4, FEW + 1), dele=[1, 2, 3])
    check_costs(small, big)

    # IMAP takes a few
    host.doveadm("expunge", "-u", big.user, "mailbox", "INBOX", "uid",
                 "10,20,30")
    left = [uid for uid in left if uid not in (10, 20, 30)]
    assert big.view() == left
    assert sorted(big.wait_events("gone", 3)) == [10, 20, 30]
    assert big.tracked() == len(left) + 3

    # more become due than one login removes
    due = [uid for uid in left if uid > 8500]
    make_due(big, "s.uid > 8500")
    assert len(due) > MAX_DUE
    assert big.view() == [uid for uid in left if uid not in due[:MAX_DUE]]
    left = [uid for uid in left if uid not in due]
    assert big.view() == left
    assert big.view() == left
    assert sorted(set(big.intended()) - {1, 5000, MANY}) == due

    # everything that is left is deleted in one session
    host.set_policies(big.user, on_dele="delete")
    pipelined(big, "DELE", range(1, len(left) + 1))
    assert big.uids() == [2, 5001, MANY - 1]
    assert big.view() == []
    assert [row[0] for row in host.sql(
        "SELECT uid FROM pop3.audit WHERE username = %s AND event = 'intent' "
        "AND action = 'expunge' AND reason = 'dele' ORDER BY uid",
        (big.user,))] == left
    assert big.tracked() == 3
    assert big.open_intents() == []
