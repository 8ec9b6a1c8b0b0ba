# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Calls functions of schema pop3 as the service does: prepared statements and
text parameters, several in a pipeline, through libpq; and how much CPU time the
connection's backend has used.

    conn = Connection(pg.uri("pop3_service"))
    conn.call("maildrop_state", username="anna", ...)       # its rows
    with conn.batch() as batch:                             # a transaction
        batch.send("record_polls", ...)
    conn.cpu()                                              # seconds
"""

import contextlib
import ctypes
import ctypes.util

TUPLES, COMMAND, SYNC = 2, 1, 10    # of ExecStatusType

_pq = ctypes.CDLL(ctypes.util.find_library("pq") or "libpq.so.5")
for _name, _result in (
        ("PQconnectdb", ctypes.c_void_p), ("PQgetResult", ctypes.c_void_p),
        ("PQexec", ctypes.c_void_p), ("PQprepare", ctypes.c_void_p),
        ("PQerrorMessage", ctypes.c_char_p),
        ("PQresultErrorMessage", ctypes.c_char_p),
        ("PQgetvalue", ctypes.c_char_p), ("PQfname", ctypes.c_char_p)):
    getattr(_pq, _name).restype = _result
for _name in ("PQgetResult", "PQstatus", "PQfinish", "PQerrorMessage",
              "PQresultStatus", "PQresultErrorMessage", "PQntuples",
              "PQnfields", "PQclear", "PQbackendPID", "PQpipelineSync",
              "PQenterPipelineMode", "PQexitPipelineMode",
              "PQsendFlushRequest", "PQflush"):
    getattr(_pq, _name).argtypes = [ctypes.c_void_p]
_pq.PQexec.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
_pq.PQprepare.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p,
                          ctypes.c_int, ctypes.c_void_p]
_pq.PQsendQueryPrepared.argtypes = [
    ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p,
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
for _name in ("PQgetvalue", "PQgetisnull"):
    getattr(_pq, _name).argtypes = [ctypes.c_void_p, ctypes.c_int,
                                    ctypes.c_int]
_pq.PQfname.argtypes = [ctypes.c_void_p, ctypes.c_int]

TYPES = """
SELECT a.name, format_type(a.type, NULL)
  FROM pg_proc p, unnest(p.proargnames, coalesce(p.proallargtypes,
                                                 p.proargtypes::oid[]))
       WITH ORDINALITY a (name, type, nr)
 WHERE p.pronamespace = 'pop3'::regnamespace AND p.proname = '%s'
   AND a.nr <= p.pronargs ORDER BY a.nr
"""


def text(value):
    """A parameter as libpq takes it: bytes, or None for NULL."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, (list, tuple)):
        return ("{%s}" % ",".join(
            "NULL" if item is None else
            '"%s"' % str(item).replace("\\", "\\\\").replace('"', '\\"')
            for item in value)).encode()
    return str(value).encode()


class Connection:
    def __init__(self, uri):
        self._pg = _pq.PQconnectdb(uri.encode())
        if _pq.PQstatus(self._pg) != 0:
            raise RuntimeError(_pq.PQerrorMessage(self._pg).decode())
        self._prepared = set()
        self._types = {}
        self.pid = _pq.PQbackendPID(self._pg)

    def close(self):
        _pq.PQfinish(self._pg)

    def cpu(self):
        """User and system time of the backend, seconds."""
        with open("/proc/%d/schedstat" % self.pid) as file:
            return int(file.read().split()[0]) / 1e9

    def _rows(self, result):
        try:
            status = _pq.PQresultStatus(result)
            if status not in (TUPLES, COMMAND, SYNC):
                raise RuntimeError(_pq.PQresultErrorMessage(result).decode())
            names = [_pq.PQfname(result, f).decode()
                     for f in range(_pq.PQnfields(result))]
            return [{name: None if _pq.PQgetisnull(result, r, f) else
                     _pq.PQgetvalue(result, r, f).decode()
                     for f, name in enumerate(names)}
                    for r in range(_pq.PQntuples(result))]
        finally:
            _pq.PQclear(result)

    def execute(self, sql):
        return self._rows(_pq.PQexec(self._pg, sql.encode()))

    def prepare(self, function, names):
        """Of a function with these parameters. Returns the statement's name."""
        key = "%s %s" % (function, " ".join(names))
        if key not in self._prepared:
            types = {row["name"]: row["format_type"]
                     for row in self.execute(TYPES % function)}
            sql = "SELECT * FROM pop3.%s(%s)" % (function, ", ".join(
                "p_%s => $%d::%s" % (name, nr, types["p_" + name])
                for nr, name in enumerate(names, 1)))
            self._rows(_pq.PQprepare(self._pg, key.encode(), sql.encode(), 0,
                                     None))
            self._prepared.add(key)
        return key.encode()

    def send(self, statement, values):
        """To a prepared statement; values as text() makes them."""
        params = (ctypes.c_char_p * len(values))(*values)
        if not _pq.PQsendQueryPrepared(self._pg, statement, len(values),
                                       params, None, None, 0):
            raise RuntimeError(_pq.PQerrorMessage(self._pg).decode())

    def call(self, function, **args):
        """A transaction of its own. Returns the rows, as dicts of text."""
        statement = self.prepare(function, list(args))
        self.send(statement, [text(value) for value in args.values()])
        rows = []
        while (result := _pq.PQgetResult(self._pg)):
            rows += self._rows(result)
        return rows

    @contextlib.contextmanager
    def batch(self):
        """A transaction in one pipeline, of statements that are prepared."""
        _pq.PQenterPipelineMode(self._pg)
        batch = Batch(self)
        try:
            yield batch
            _pq.PQpipelineSync(self._pg)
            batch.answers()
            result = _pq.PQgetResult(self._pg)
            self._rows(result)
        finally:
            _pq.PQexitPipelineMode(self._pg)


class Batch:
    def __init__(self, conn):
        self._conn = conn
        self._waiting = 0

    def send(self, statement, values):
        self._conn.send(statement, values)
        self._waiting += 1

    def answers(self):
        """Waits for what was sent. Returns a list of rows for each."""
        found = []
        for _ in range(self._waiting):
            found.append(self._conn._rows(_pq.PQgetResult(self._conn._pg)))
            _pq.PQgetResult(self._conn._pg)
        self._waiting = 0
        return found

    def flush(self):
        """Have the server answer what it was sent, without a commit."""
        _pq.PQsendFlushRequest(self._conn._pg)
        _pq.PQflush(self._conn._pg)
