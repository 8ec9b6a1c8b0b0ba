# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What a random life (random_life.py) needs of a private host, made to be
called thousands of times: connections that stay, no processes of its own."""

import base64
import http.client
import json
import re
import secrets
import smtplib
import socket

from dovecot import PASSWORD, Failure, free_ports
from dovecot_files import dovecot_version
from host import PrivateHost

API_KEY = "key"
EXTRA = """
# as many as there may be pop3 processes that serve several sessions
service auth {
  client_limit = 4096
}
service doveadm {
  inet_listener http {
    port = %d
  }
  # a process for each request would be half of the work
  %s
}
doveadm_api_key = %s
"""


class RandomHost(PrivateHost):
    """A private host with doveadm's HTTP API, whose POP3 clients may say who
    they are (XCLIENT)."""

    def __init__(self, settings=None, service_settings=None, **options):
        (self.api_port,) = free_ports(1)
        # what becomes of LAST: on, unknown (a bad command), or off
        if (settings or {}).get("pop3_enable_last") == "yes":
            self.last = "on"
        else:
            self.last = "unknown" if dovecot_version().startswith("2.3.") \
                else "off"
        super().__init__(
            settings={"login_trusted_networks": "127.0.0.0/8",
                      **(settings or {})},
            service_settings={"batch_interval": "20ms", "poll_interval": "1s",
                              **(service_settings or {})},
            pop3_service_count=100, **options)
        self.extra += EXTRA % (self.api_port, self.dialect.service_count(1000),
                               API_KEY)


    def problems(self):
        """Lines of the log that tell of a crash, an error or a warning."""
        return [line for line in self.log_text().splitlines()
                if re.search(r"(Panic|Fatal|Error|Warning): ", line)] + \
            self.crashes()


class Doveadm:
    """Commands of doveadm by its HTTP API."""

    def __init__(self, host):
        self.conn = http.client.HTTPConnection("127.0.0.1", host.api_port,
                                               timeout=120)
        self.headers = {
            "Content-Type": "application/json",
            "Authorization": "X-Dovecot-API " +
                base64.b64encode(API_KEY.encode()).decode()}

    def run(self, command, **parameters):
        tag = secrets.token_hex(4)
        self.conn.request("POST", "/doveadm/v1", json.dumps(
            [[command, parameters, tag]]), self.headers)
        response = self.conn.getresponse()
        text = response.read()
        if response.status != 200:
            raise Failure("doveadm %s: %d %r" % (command, response.status,
                                                 text))
        ((kind, answer, _),) = json.loads(text)
        if kind != "doveadmResponse":
            raise Failure("doveadm %s %r: %r" % (command, parameters, answer))
        return answer

    def mailbox(self, user, name="INBOX", first=1):
        """[(UID, GUID, size, flags)] of the messages from a UID on."""
        found = self.run(
            "fetch", user=user, field=["uid", "guid", "size.virtual", "flags"],
            query=["mailbox", name, "uid", "%d:*" % first])
        return [(int(row["uid"]), row["guid"], int(row["size.virtual"]),
                 set(row["flags"].split()) - {"\\Recent"}) for row in found
                if int(row["uid"]) >= first]

    def uidvalidity(self, user):
        (found,) = self.run("mailboxStatus", user=user, field=["uidvalidity"],
                            mailboxMask=["INBOX"])
        return int(found["uidvalidity"])

    def change(self, command, user, uids, **parameters):
        self.run(command, user=user, query=[
            "mailbox", "INBOX", "uid", ",".join(map(str, uids))],
            **parameters)


class Lmtp:
    """Deliveries in one connection."""

    def __init__(self, host):
        self.host = host
        self.conn = None

    def deliver(self, user, data, chunk=False):
        """Deliver a message. chunk: by BDAT, which adds no line end to a last
        line that has none."""
        if self.conn is None:
            self.conn = smtplib.LMTP("127.0.0.1", self.host.lmtp_port,
                                     timeout=120)
            self.conn.ehlo()
        conn = self.conn
        for reply in (conn.docmd("MAIL FROM:<sender@example.org>"
                                 " BODY=8BITMIME"),
                      conn.docmd("RCPT TO:<%s>" % user)):
            if reply[0] != 250:
                raise Failure("LMTP: %r" % (reply,))
        if chunk:
            conn.send(b"BDAT %d LAST\r\n" % len(data) + data)
            reply = conn.getreply()
        else:
            reply = conn.data(data)
        if reply[0] != 250:
            raise Failure("LMTP: %r" % (reply,))


class Wire:
    """A POP3 connection."""

    def __init__(self, host, user, name, address, master=None, first=b""):
        """Log in. `first' is sent with PASS. self.greeting is what PASS was
        answered with."""
        self.sock = socket.socket()
        self.sock.settimeout(120)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.connect(("127.0.0.1", host.pop3_port))
        self.file = self.sock.makefile("rb", 1 << 16)
        host.add_client(self)
        login = user if master is None else "%s*%s" % (user, master)
        self.sock.sendall(
            ("XCLIENT ADDR=%s SESSION=%s\r\nUSER %s\r\nPASS %s\r\n" % (
                address, name, login, PASSWORD)).encode() + first)
        for _ in range(3):
            self.line()
        self.greeting = self.line()

    def send(self, data):
        self.sock.sendall(data)

    def line(self):
        """A line of a reply; '' at the end of the connection."""
        return self.file.readline().decode(errors="replace").rstrip("\r\n")

    def lines(self):
        """The lines of a multi-line reply behind its first, dot-stuffing
        undone."""
        found = []
        while True:
            line = self.file.readline()
            if not line.endswith(b"\r\n"):
                raise Failure("the connection ended in a reply: %r" % line)
            if line == b".\r\n":
                return found
            line = line[:-2]
            found.append(line[1:] if line.startswith(b".") else line)

    def at_end(self):
        """Has the server closed the connection? Waits for it."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.file.close()
        self.sock.close()

    def reset(self):
        """Go away by TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             (1).to_bytes(4, "little") + bytes(4))
        self.close()
