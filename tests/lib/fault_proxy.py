# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A proxy in front of PostgreSQL's unix socket that spoils what passes.

    proxy = FaultProxy(pg.directory)
    proxy.uri(pg.uri("pop3_service"))
    proxy.cut_at("reply", 3, 0.5)   # of the third reply from now on a half
                                    # passes, then its connection is closed
    proxy.slow(0.2)                 # replies come so many seconds late
    proxy.refuse()                  # all connections end, and no new ones
    proxy.heal()                    # as if nothing had been

A reply is what PostgreSQL sends at once, a request what the service does."""

import collections
import contextlib
import os
import selectors
import shutil
import socket
import tempfile
import threading
import time

NAME = ".s.PGSQL.5432"
TICK = 0.05


class _Pair:
    """One connection, and what is on its way to the client."""

    def __init__(self, client, server):
        self.client = client
        self.server = server
        self.late = collections.deque()         # (when due, data)


class FaultProxy:
    def __init__(self, target_directory):
        self.directory = tempfile.mkdtemp(prefix="pop3-proxy-")
        os.chmod(self.directory, 0o755)
        self.target_directory = target_directory
        # connections that were cut by cut_at()
        self.cuts = 0
        self._lock = threading.Lock()
        self._pairs = {}
        self._delay = 0.0
        self._refusing = self._closing = False
        self._cut = None                # [kind, how many more, share]
        self._selector = selectors.DefaultSelector()
        self._wake_r, self._wake_w = os.pipe()
        self._selector.register(self._wake_r, selectors.EVENT_READ)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.path.join(self.directory, NAME))
        os.chmod(os.path.join(self.directory, NAME), 0o777)
        self._listener.listen(50)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def uri(self, uri):
        return uri.replace(self.target_directory, self.directory)

    # --- faults ---

    def _change(self):
        os.write(self._wake_w, b"x")

    def cut_at(self, kind, number, share):
        """Close the connection of the number-th reply or request from now on
        (kind "reply" or "request"), after `share' of it has passed."""
        with self._lock:
            self._cut = [kind, number, share]

    def slow(self, seconds):
        with self._lock:
            self._delay = seconds

    def refuse(self):
        with self._lock:
            self._refusing = True
        self._change()

    def heal(self):
        with self._lock:
            self._refusing = False
            self._delay = 0.0
            self._cut = None
        self._change()

    def close(self):
        self._closing = True
        self._change()
        self._thread.join(20)
        for pair in set(self._pairs.values()):
            self._drop(pair)
        self._listener.close()
        os.close(self._wake_r)
        os.close(self._wake_w)
        shutil.rmtree(self.directory, ignore_errors=True)

    # --- what the thread does ---

    def _run(self):
        while not self._closing:
            for key, _ in self._selector.select(self._patience()):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj == self._wake_r:
                    os.read(self._wake_r, 4096)
                elif key.fileobj in self._pairs:
                    self._pass_on(key.fileobj)
            if self._refusing:
                for pair in set(self._pairs.values()):
                    self._drop(pair)
            self._send_late()

    def _patience(self):
        due = [pair.late[0][0] for pair in self._pairs.values() if pair.late]
        return max(0, min(due) - time.monotonic()) if due else TICK

    def _accept(self):
        client, _ = self._listener.accept()
        server = socket.socket(socket.AF_UNIX)
        try:
            if self._refusing:
                raise OSError("refused")
            server.connect(os.path.join(self.target_directory, NAME))
        except OSError:
            client.close()
            server.close()
            return
        pair = _Pair(client, server)
        for sock in (client, server):
            self._pairs[sock] = pair
            self._selector.register(sock, selectors.EVENT_READ)

    def _drop(self, pair):
        for sock in (pair.client, pair.server):
            if self._pairs.pop(sock, None) is not None:
                self._selector.unregister(sock)
            sock.close()

    def _spoilt(self, kind, data):
        """How much of the data passes, and whether that is the end."""
        with self._lock:
            if self._cut is None or self._cut[0] != kind:
                return data, False
            self._cut[1] -= 1
            if self._cut[1] > 0:
                return data, False
            share = self._cut[2]
            self._cut = None
            self.cuts += 1
        return data[:int(len(data) * share)], True

    def _pass_on(self, sock):
        pair = self._pairs[sock]
        kind = "request" if sock is pair.client else "reply"
        try:
            data = sock.recv(65536)
            if not data:
                self._drop(pair)
                return
            data, ends = self._spoilt(kind, data)
            if kind == "request":
                pair.server.sendall(data)
            elif self._delay > 0 or pair.late:
                pair.late.append((time.monotonic() + self._delay, data))
            else:
                pair.client.sendall(data)
            if ends:
                self._drop(pair)
        except OSError:
            self._drop(pair)

    def _send_late(self):
        for pair in set(self._pairs.values()):
            while pair.late and (self._delay == 0 or
                                 pair.late[0][0] <= time.monotonic()):
                with contextlib.suppress(OSError):
                    pair.client.sendall(pair.late[0][1])
                pair.late.popleft()
