# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A proxy in front of PostgreSQL's unix socket that spoils what passes.

    proxy = FaultProxy(pg.directory)
    proxy.uri(pg.uri("pop3_service"))
    proxy.cut_at("reply", 3, 0.5)   # of the third reply from now on a half
                                    # passes, then its connection is closed
    proxy.slow(0.2)                 # replies come so many seconds late
    proxy.slow_requests(0.2)        # requests of the connections that there
                                    # are do, also when the service is gone
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
# what a login asks, as it stands in a request (Bind)
LOGIN = b"\0maildrop_state\0"
TICK = 0.05


class _Pair:
    """One connection, and what is on its way, of kind "reply" or "request"."""

    def __init__(self, client, server, reply_delay):
        self.client = client
        self.server = server
        self.delays = {"reply": reply_delay, "request": 0.0}
        self.late = {"reply": collections.deque(),
                     "request": collections.deque()}    # (when due, data)
        # the client is gone, and has left requests behind
        self.left = False

    def target(self, kind):
        return self.client if kind == "reply" else self.server


class FaultProxy:
    def __init__(self, target_directory):
        self.directory = tempfile.mkdtemp(prefix="pop3-proxy-")
        os.chmod(self.directory, 0o755)
        self.target_directory = target_directory
        # connections that were cut by cut_at()
        self.cuts = 0
        # logins that were asked about
        self.logins = 0
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

    def _slow(self, kind, seconds):
        for pair in list(self._pairs.values()):
            pair.delays[kind] = seconds

    def slow(self, seconds):
        with self._lock:
            self._delay = seconds
            self._slow("reply", seconds)

    def slow_requests(self, seconds):
        with self._lock:
            self._slow("request", seconds)

    def refuse(self):
        with self._lock:
            self._refusing = True
        self._change()

    def heal(self):
        with self._lock:
            self._refusing = False
            self._delay = 0.0
            self._slow("reply", 0.0)
            self._slow("request", 0.0)
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
        due = [late[0][0] for pair in self._pairs.values()
               for late in pair.late.values() if late]
        return min(TICK, max(0, min(due) - time.monotonic())) if due else TICK

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
        with self._lock:
            pair = _Pair(client, server, self._delay)
            self._pairs[client] = self._pairs[server] = pair
        for sock in (client, server):
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
        late = pair.late[kind]
        try:
            data = sock.recv(65536)
            if not data:
                self._ended(pair, kind)
                return
            if kind == "request":
                self.logins += data.count(LOGIN)
            data, ends = self._spoilt(kind, data)
            if pair.delays[kind] > 0 or late:
                late.append((time.monotonic() + pair.delays[kind], data))
            else:
                pair.target(kind).sendall(data)
            if ends:
                self._drop(pair)
        except OSError:
            self._drop(pair)

    def _ended(self, pair, kind):
        """One side is gone. What it sent before arrives all the same."""
        if kind == "request" and pair.late["request"]:
            pair.left = True
            self._selector.unregister(pair.client)
            del self._pairs[pair.client]
            pair.client.close()
        else:
            self._drop(pair)

    def _send_late(self):
        now = time.monotonic()
        for pair in set(self._pairs.values()):
            for kind, late in pair.late.items():
                while late and (pair.delays[kind] == 0 or
                                late[0][0] <= now):
                    with contextlib.suppress(OSError):
                        pair.target(kind).sendall(late[0][1])
                    late.popleft()
            if pair.left and not pair.late["request"]:
                self._drop(pair)
