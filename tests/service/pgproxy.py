# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A proxy in front of PostgreSQL's unix socket that can lose answers.

    proxy = Proxy(pg.directory)
    proxy.uri(pg.uri("pop3_service", dbname))
    proxy.hold()        # answers are not passed on any more
    proxy.hold_ends()   # nor from the end of a transaction on
    proxy.cut()         # all connections are closed; new ones work as before
    proxy.refuse()      # new ones are closed at once; times are in .attempts
    proxy.close()
"""

import contextlib
import os
import selectors
import shutil
import socket
import tempfile
import threading
import time

NAME = ".s.PGSQL.5432"


class Stream:
    """What a server sends: messages of a type, a length, and the rest."""

    READY = b"Z"

    def __init__(self):
        self._rest = b""
        self._ended = False

    def add(self, data, holding):
        """What of it is to be passed on: whole messages, when holding up to
        the end of a transaction."""
        self._rest += data
        passed = b""
        while len(self._rest) >= 5:
            length = 1 + int.from_bytes(self._rest[1:5], "big")
            if len(self._rest) < length:
                break
            message, self._rest = self._rest[:length], self._rest[length:]
            if holding and message[:1] == self.READY:
                self._ended = True
            if not self._ended:
                passed += message
        return passed


class Proxy:
    def __init__(self, target_directory):
        self.directory = tempfile.mkdtemp(prefix="pop3-proxy-")
        os.chmod(self.directory, 0o755)
        self.target_directory = target_directory
        self.target = os.path.join(target_directory, NAME)
        self.attempts = []
        self._holding = self._holding_ends = self._refusing = False
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.path.join(self.directory, NAME))
        os.chmod(os.path.join(self.directory, NAME), 0o777)
        self._listener.listen(50)
        self._pairs = {}
        self._streams = {}
        self._closing = False
        # cut() is carried out by the thread that owns the sockets
        self._cut_wanted = threading.Event()
        self._cut_done = threading.Event()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def uri(self, uri):
        return uri.replace(self.target_directory, self.directory)

    def hold(self):
        self._holding = True

    def hold_ends(self):
        """Transactions commit, but it is not told: what comes before their
        ends is passed on, and nothing after the first."""
        self._holding_ends = True

    def cut(self):
        self._cut_done.clear()
        self._cut_wanted.set()
        if not self._cut_done.wait(20):
            raise RuntimeError("the proxy hangs")
        self._holding = self._holding_ends = False

    def refuse(self, refusing=True):
        self._refusing = refusing
        if refusing:
            self.attempts = []
            self.cut()

    def close(self):
        self._closing = True
        self._thread.join(20)
        for sock in list(self._pairs) + [self._listener]:
            sock.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _run(self):
        while not self._closing:
            for key, _ in self._selector.select(0.02):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj in self._pairs:
                    self._pass_on(key.fileobj)
            if self._cut_wanted.is_set():
                for sock in list(self._pairs):
                    self._drop(sock)
                self._cut_wanted.clear()
                self._cut_done.set()

    def _accept(self):
        client, _ = self._listener.accept()
        self.attempts.append(time.monotonic())
        server = socket.socket(socket.AF_UNIX)
        try:
            if self._refusing:
                raise OSError("refused")
            server.connect(self.target)
        except OSError:
            client.close()
            server.close()
            return
        self._pairs[client] = (server, True)
        self._pairs[server] = (client, False)
        self._streams[server] = Stream()
        self._selector.register(client, selectors.EVENT_READ)
        self._selector.register(server, selectors.EVENT_READ)

    def _drop(self, sock):
        if sock not in self._pairs:
            return
        peer, _ = self._pairs.pop(sock)
        for one in (sock, peer):
            self._pairs.pop(one, None)
            self._streams.pop(one, None)
            with contextlib.suppress(KeyError):
                self._selector.unregister(one)
            one.close()

    def _pass_on(self, sock):
        peer, from_client = self._pairs[sock]
        try:
            data = received = sock.recv(65536)
            if not from_client:
                data = self._streams[sock].add(data, self._holding_ends)
            if data and (from_client or not self._holding):
                peer.sendall(data)
        except OSError:
            received = b""
        if not received:
            self._drop(sock)
