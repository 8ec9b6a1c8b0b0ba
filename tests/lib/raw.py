# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A POP3 dialogue byte by byte, for what a client library does not do:
pipelining, half-read replies, sudden ends."""

import socket

from dovecot import PASSWORD


class RawPop3:
    """rcvbuf: size of the receive buffer in bytes, to make the server wait
    for a client that does not read."""

    def __init__(self, host, user=None, rcvbuf=None, timeout=60):
        self.sock = socket.socket()
        if rcvbuf is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout)
        self.sock.connect(("127.0.0.1", host.pop3_port))
        self.file = self.sock.makefile("rb")
        host.add_client(self)
        self.line()
        if user is not None:
            self.command("USER " + user)
            reply = self.command("PASS " + PASSWORD)
            if not reply.startswith("+OK"):
                raise AssertionError(reply)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.drop()

    def send(self, *commands):
        """Send commands in one write."""
        self.sock.sendall("".join(c + "\r\n" for c in commands).encode())

    def line(self):
        """One line of a reply, without CRLF; '' at the end of the
        connection."""
        return self.file.readline().decode(errors="surrogateescape").rstrip(
            "\r\n")

    def lines(self):
        """The lines of a multi-line reply after its first, dot-stuffing
        undone."""
        found = []
        while True:
            line = self.file.readline()
            if line == b"":
                raise AssertionError("the connection ended in a reply")
            line = line.rstrip(b"\r\n")
            if line == b".":
                return found
            found.append(line[1:] if line.startswith(b".") else line)

    def command(self, command):
        """Send a command and return the first line of its reply."""
        self.send(command)
        return self.line()

    def at_end(self):
        """Has the server closed the connection? Waits for it."""
        return self.file.read(1) == b""

    def drop(self):
        """Go away without a word."""
        self.file.close()
        self.sock.close()

    close = drop

    def reset(self):
        """Go away by TCP reset, as after a cut line."""
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.drop()
