# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A tap on the line between POP3 clients and a private host, which notes what
they say to each other.

    with Tap(host.pop3_port) as tap:
        run_client(port=tap.port)
    tap.dialogues[0].commands()     # ["CAPA", "USER", "PASS", ...]
"""

import contextlib
import socket
import threading


class Dialogue:
    """What was said on one connection."""

    def __init__(self):
        # (command line, first line of its reply; None if none came)
        self.lines = []
        self._asked = []
        self._rest = {True: b"", False: b""}
        self._in_body = False
        self._greeted = False
        self._lock = threading.Lock()

    def commands(self):
        """The commands' names, in their order."""
        return [line.split(" ")[0].upper() for line, _ in self.lines]

    def commands_until_gone(self):
        """The same; but of a client that goes away at an error, without a
        QUIT, only those up to it. What it had sent behind that may have been
        seen or not."""
        names = self.commands()
        if "QUIT" not in names:
            for i, (_, reply) in enumerate(self.lines):
                if reply and reply.startswith("-ERR"):
                    return names[:i + 1]
        return names

    def refused(self):
        """(command line, reply) of what was answered with -ERR."""
        return [(line, reply) for line, reply in self.lines
                if reply and reply.startswith("-ERR")]

    def feed(self, from_client, data):
        """Take note of bytes of one side."""
        with self._lock:
            *lines, self._rest[from_client] = \
                (self._rest[from_client] + data).split(b"\n")
            for line in lines:
                line = line.rstrip(b"\r").decode(errors="replace")
                if from_client:
                    if self.lines and (self.lines[-1][1] or "")[:2] == "+ ":
                        line = "(what AUTH asks for)"
                    self.lines.append((line, None))
                    self._asked.append(len(self.lines) - 1)
                else:
                    self._answer(line)

    def _answer(self, line):
        if self._in_body:
            self._in_body = line != "."
        elif not self._greeted:
            self._greeted = True
        elif self._asked:
            number = self._asked.pop(0)
            command = self.lines[number][0]
            self.lines[number] = (command, line)
            name, *args = command.upper().split()[:2] or [""]
            self._in_body = line.startswith("+OK") and (
                name in ("CAPA", "RETR", "TOP") or
                name in ("LIST", "UIDL") and not args)


class Tap:
    def __init__(self, port):
        self.dialogues = []
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        """No more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            dialogue = Dialogue()
            self.dialogues.append(dialogue)
            for source, sink, from_client in ((client, server, True),
                                              (server, client, False)):
                threading.Thread(
                    target=self._pass_on, daemon=True,
                    args=(source, sink, dialogue, from_client)).start()

    @staticmethod
    def _pass_on(source, sink, dialogue, from_client):
        with contextlib.suppress(OSError):
            while True:
                data = source.recv(65536)
                if not data:
                    break
                dialogue.feed(from_client, data)
                sink.sendall(data)
        for sock, how in ((sink, socket.SHUT_WR), (source, socket.SHUT_RD)):
            with contextlib.suppress(OSError):
                sock.shutdown(how)
