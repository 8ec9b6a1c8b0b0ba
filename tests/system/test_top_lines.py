# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""top_lines: TOP shows no more lines of the body than that, and is no way to
read mail without its being retrieved."""

import pytest

from host import message
from owner import event

# As fetchmail asks for a whole message.
FETCHMAIL_LINES = 99999999


def numbered(lines):
    """A message whose body has so many lines, as bytes."""
    return (b"Subject: Message 1\r\nX-Last: header\r\n\r\n" +
            b"".join(b"line %d\r\n" % n for n in range(1, lines + 1)))


def top(owner, lines, number=1, **options):
    """(header, body) of a TOP."""
    with owner.pop3(**options) as pop:
        text = pop.top(number, lines)[1]
    owner.ended(top=1)
    end = text.index(b"")
    return text[:end], text[end + 1:]


@pytest.mark.parametrize("limit, asked, shown", [
    (5, 3, 3),
    (5, 5, 5),
    (5, 6, 5),
    (5, 19, 5),
    (5, 20, 20),
    (5, 21, 20),
    (5, FETCHMAIL_LINES, 20),
    (5, 18446744073709551615, 20),
    (0, 0, 0),
    (0, 19, 0),
    (0, FETCHMAIL_LINES, 20),
    (1, 1, 1),
    ("unlimited", 12, 12),
    (20, FETCHMAIL_LINES, 20),
    (2147483647, FETCHMAIL_LINES, 20),
])
def test_lines_of_the_body(owner, limit, asked, shown):
    owner.set(top_lines=str(limit))
    owner.deliver(numbered(20))
    header, body = top(owner, asked)
    assert header[-1] == b"X-Last: header"
    assert body == [b"line %d" % n for n in range(1, shown + 1)]


def test_top_is_announced(owner):
    owner.set(top_lines="0")
    with owner.pop3() as pop:
        assert "TOP" in pop.capa()


def test_cut_top_is_not_fetched(owner):
    owner.set(top_lines="5", on_retrieve="delete")
    owner.deliver(numbered(7))
    with owner.pop3() as pop:
        pop.top(1, 6)
    session = owner.ended(top=1)
    assert session["fetched"] == session["retrieved"] == set()
    assert owner.uids() == [1]
    assert owner.story() == []


def test_top_that_asks_for_all_is_a_download(owner):
    """fetchmail reads mail so, and deletes what it has read: it must not take
    a shortened message for the whole."""
    owner.set(top_lines="0", on_retrieve="delete")
    owner.deliver(numbered(7), numbered(7))
    with owner.pop3() as pop:
        whole = pop.retr(1)[1]
        pop.rset()
        assert pop.top(1, FETCHMAIL_LINES)[1] == whole
        pop.rset()
        assert pop.top(1, 7)[1] == whole
    session = owner.ended(retr=1, top=2)
    assert session["fetched"] == session["retrieved"] == {1}
    assert owner.uids() == [2]


def test_top_that_shows_all_is_fetched(owner):
    """As many lines as are allowed, and not one more was there."""
    owner.set(top_lines="5")
    owner.deliver(numbered(5), numbered(0))
    with owner.pop3() as pop:
        pop.top(1, FETCHMAIL_LINES)
        pop.top(2, FETCHMAIL_LINES)
    session = owner.ended(top=2)
    assert session["fetched"] == session["retrieved"] == {1, 2}


def test_top_of_fewer_lines_than_there_are_is_not_fetched(owner):
    owner.set(top_lines="10")
    owner.deliver(numbered(5))
    with owner.pop3() as pop:
        pop.top(1, 4)
    assert owner.ended(top=1)["fetched"] == set()
    with owner.pop3() as pop:
        pop.top(1, 5)
    assert owner.ended(top=1)["fetched"] == {1}


def test_last_line_without_an_end(owner):
    """It was shown, but for its line feed that is not there."""
    owner.set(top_lines="3")
    owner.append(message("Message 1", "a\nb\nc"))
    with owner.pop3() as pop:
        body = pop.top(1, FETCHMAIL_LINES)[1]
    assert body[body.index(b"") + 1:] == [b"a", b"b", b"c"]
    assert owner.ended(top=1)["fetched"] == {1}


def test_retr_is_not_cut(owner):
    owner.set(top_lines="1")
    owner.deliver(numbered(50))
    with owner.pop3() as pop:
        size = int(pop.list(1).split()[2])
        pop.top(1, 10)
        assert pop.retr(1)[2] == size
    assert owner.ended(retr=1)["retrieved"] == {1}


def test_lines_with_dots(owner):
    owner.set(top_lines="3")
    owner.deliver(b"Subject: Message 1\r\n\r\n.\r\n..\r\n.x\r\n.\r\n")
    assert top(owner, 3)[1] == [b".", b"..", b".x"]


@pytest.mark.parametrize("header", [
    b"Subject: Message 1\r\n",
    b"Subject: Message 1\r\n\tfolded\r\n",
    b"",
])
def test_headers(owner, header):
    owner.set(top_lines="1")
    owner.append(Bytes(header + b"\r\nfirst\r\n\r\nthird\r\n"))
    assert top(owner, 2)[1] == [b"first"]


class Bytes(bytes):
    """A message as it is, for Owner.append()."""

    def as_bytes(self):
        return self


def test_no_body_at_all(owner):
    """A header without the empty line behind it."""
    owner.set(top_lines="1")
    owner.append(Bytes(b"Subject: Message 1\r\nX-Two: 2\r\n"))
    with owner.pop3() as pop:
        lines = pop.top(1, 5)[1]
    assert lines[:2] == [b"Subject: Message 1", b"X-Two: 2"]
    assert owner.ended(top=1)["fetched"] == {1}


def test_long_lines_and_headers(owner):
    """Longer than any buffer."""
    owner.set(top_lines="2")
    header = b"".join(b"X-%d: %s\r\n" % (n, b"h" * 900) for n in range(600))
    line = b"y" * 300000
    owner.append(Bytes(header + b"\r\n" + (line + b"\r\n") * 8))
    with owner.pop3() as pop:
        found = pop.top(1, 5)[1]
    assert found[:600] == header.splitlines()
    assert found[600:] == [b"", line, line]
    assert owner.ended(top=1)["fetched"] == set()


def test_big_message_is_not_read(owner, host):
    """A client that reads all headers costs no bodies."""
    owner.set(top_lines="2")
    owner.append(Bytes(numbered(3) + (b"z" * 998 + b"\r\n") * 30000))
    with owner.pop3() as pop:
        pop.top(1, 0)       # sizes are known, the process has started
        pid = host.log_contains(r"pop3-login.*user=<%s>.* mpid=(\d+)," %
                                owner.name).group(1)
        before = read_bytes(pid)
        for _ in range(50):
            assert pop.top(1, 3)[1][-2:] == [b"line 1", b"line 2"]
        assert read_bytes(pid) - before < 50 * 100 * 1024
    owner.ended(top=51)


def read_bytes(pid):
    """Bytes that a process has read, from caches too."""
    with open("/proc/%s/io" % pid) as file:
        return int(dict(line.split(": ") for line in file)["rchar"])


@pytest.mark.parametrize("enforcement", ["observe", "off"])
def test_not_enforced(owner, enforcement):
    owner.set(top_lines="5", enforcement=enforcement)
    owner.deliver(numbered(20))
    with owner.pop3() as pop:
        text = pop.top(1, FETCHMAIL_LINES)[1]
    assert text[-1] == b"line 20"
    assert owner.ended(top=1)["fetched"] == {1}


def test_hold(owner):
    owner.set(top_lines="5", pop3_hold="yes")
    owner.deliver(numbered(20))
    assert len(top(owner, 19)[1]) == 5


def test_pipelined(owner):
    owner.set(top_lines="1")
    owner.deliver(numbered(3), numbered(1), numbered(3))
    with owner.raw() as raw:
        raw.send("TOP 1 2", "TOP 2 9", "RETR 3", "TOP 3 0", "QUIT")
        found = []
        for _ in range(4):
            assert raw.line().startswith("+OK")
            lines = raw.lines()
            found.append(lines[lines.index(b"") + 1:])
        assert raw.line() == "+OK Logging out."
    line = [b"line %d" % n for n in range(1, 4)]
    assert found == [line[:1], line[:1], line, []]
    session = owner.ended(top=3, retr=1)
    assert session["fetched"] == {2, 3}
    owner.told(event("unconfirmed", 2, 3))
