# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Policies: text forms, constraints, merging, history, presets."""

import os
import re

import psycopg2
import pytest

from pg import TOP
from sqlhelp import DAY, USER, Service

ENGINE = os.path.join(TOP, "src", "engine")
YEAR_9999 = 253402300799
TIME_MAX = 36525 * DAY

# parameter, what people write, canonical form
FORMS = [
    ("enforcement", "enforce", "enforce"),
    ("enforcement", " OFF ", "off"),
    ("on_retrieve", "Delete", "delete"),
    ("pop3_hold", "yes", "yes"),
    ("mark_seen", "as-configured", "as-configured"),
    ("expire_retrieved", "14d", 14 * DAY),
    ("expire_retrieved", "14 days", 14 * DAY),
    ("expire_retrieved", "1 day", DAY),
    ("expire_retrieved", "14D", 14 * DAY),
    ("expire_retrieved", "36h", 36 * 3600),
    ("expire_retrieved", "36 hours", 36 * 3600),
    ("expire_retrieved", "2 hrs", 7200),
    ("expire_retrieved", "90m", 90 * 60),
    ("expire_retrieved", "1 min", 60),
    ("expire_retrieved", "5 minutes", 300),
    ("expire_retrieved", "30s", 30),
    ("expire_retrieved", "30 secs", 30),
    ("expire_retrieved", "2w", 14 * DAY),
    ("expire_retrieved", "2 weeks", 14 * DAY),
    ("expire_retrieved", "0", 0),
    ("expire_retrieved", "00", 0),
    ("expire_retrieved", "0s", 0),
    ("expire_retrieved", "36525d", TIME_MAX),
    ("expire_retrieved", "never", -1),
    ("expire_retrieved", "Unlimited", -1),
    ("expire_retrieved", "\t7d\n", 7 * DAY),
    ("view_window", "unlimited", -1),
    ("view_window", "never", -1),
    ("mass_delete_hold", "unlimited", -1),
    ("login_delay", "0", 0),
    ("login_delay", "10 m", 600),
    ("leave_max_bytes", "500M", 500 << 20),
    ("leave_max_bytes", "500 MB", 500 << 20),
    ("leave_max_bytes", "500mib", 500 << 20),
    ("leave_max_bytes", "1G", 1 << 30),
    ("leave_max_bytes", "2 TB", 2 << 40),
    ("leave_max_bytes", "64k", 64 << 10),
    ("leave_max_bytes", "1000", 1000),
    ("leave_max_bytes", "1000 bytes", 1000),
    ("leave_max_bytes", "0", 0),
    ("leave_max_bytes", str(1 << 62), 1 << 62),
    ("leave_max_bytes", "unlimited", -1),
    ("quota_storage", "as-configured", -2),
    ("quota_storage", "unlimited", -1),
    ("quota_messages", "As-Configured", -2),
    ("quota_messages", "1000", 1000),
    ("view_limit", "250", 250),
    ("view_limit", "unlimited", -1),
    ("top_lines", "0", 0),
    ("mass_delete_percent", "50", 50),
    ("mass_delete_percent", "50%", 50),
    ("mass_delete_percent", "50 %", 50),
    ("mass_delete_percent", "never", -1),
    ("quota_warn", "80,95", "80,95"),
    ("quota_warn", "80%, 95%", "80,95"),
    ("quota_warn", " 5 , 50 % ,100", "5,50,100"),
    ("quota_warn", "080", "80"),
    ("quota_warn", "90", "90"),
    ("quota_warn", "none", ""),
    ("quota_warn", "never", ""),
    ("quota_warn", "", ""),
    ("move_mailbox", "Trash", "Trash"),
    ("move_mailbox", " POP/Läden ", "POP/Läden"),
    ("view_since", "never", -1),
    ("view_since", "1970-01-01", 0),
    ("view_since", "2026-01-31", 1769817600),
    ("view_since", "2026-01-31 12:00", 1769817600 + 12 * 3600),
    ("view_since", "2026-01-31 12:00:05", 1769817600 + 12 * 3600 + 5),
    ("view_since", "2026-01-31 12:00:05.75", 1769817600 + 12 * 3600 + 5),
    ("view_since", "2026-01-31T12:00:00Z", 1769817600 + 12 * 3600),
    ("view_since", "2026-01-31 12:00 UTC", 1769817600 + 12 * 3600),
    ("view_since", "2026-01-31T12:00:00+01:00", 1769817600 + 11 * 3600),
    ("view_since", "2026-01-31T12:00:00-0330", 1769817600 + 55800),
    ("view_since", "2024-02-29", 1709164800),
    ("view_since", "9999-12-31 23:59:59", YEAR_9999),
]

# parameter, value, what the error says
REFUSED = [
    ("enforcement", "yes",
     '"yes" is not allowed: use off, observe or enforce'),
    ("on_dele", "", '"" is not allowed: use delete, hide, move or refuse'),
    ("expire_retrieved", "14", '"14" has no unit: use seconds, minutes'),
    ("expire_retrieved", "1 month", '"1 month" is not a time: use seconds, '
     'minutes, hours, days or weeks, such as 14d, 36h, or never'),
    ("expire_retrieved", "3M", "is not a time"),
    ("expire_retrieved", "1y", "is not a time"),
    ("expire_retrieved", "1.5d", "is not a time"),
    ("expire_retrieved", "-1d", "is not a time"),
    ("expire_retrieved", "-1", "is not a time"),
    ("expire_retrieved", "1d 12h", "is not a time"),
    ("expire_retrieved", "", "is not a time"),
    ("expire_retrieved", "36526d", '"36526d" is out of range: use 0 seconds '
     'to 36525 days, or never'),
    ("expire_retrieved", "9" * 40 + "d", "is out of range"),
    ("expire_unretrieved", "0", "is out of range: use 1 second to"),
    ("view_window", "0s", "is out of range"),
    ("login_delay", "never", "is not a time"),
    ("leave_max_bytes", "500X", '"500X" is not a size: use bytes, kB, MB, GB '
     'or TB, such as 500M, 1G, or unlimited'),
    ("leave_max_bytes", "-5", "is not a size"),
    ("leave_max_bytes", "9999999999 TB", "is out of range"),
    ("quota_storage", "0", "is out of range: use 1 byte to 4194304 TB, "
     "unlimited or as-configured"),
    ("view_limit", "0", "is out of range: use 1 to 2147483647, or unlimited"),
    ("view_limit", "as-configured", "is not a whole number"),
    ("view_limit", "10k", "is not a whole number"),
    ("view_limit", "2147483648", "is out of range"),
    ("mass_delete_percent", "0", "is out of range: use 1% to 100%, or never"),
    ("mass_delete_percent", "101%", "is out of range"),
    ("mass_delete_percent", "half", "is not a percentage"),
    ("quota_warn", "95,80",
     '"95,80" is not a list of percents: use ascending'),
    ("quota_warn", "80,80", "is not a list of percents"),
    ("quota_warn", "0,80", "is not a list of percents"),
    ("quota_warn", "101", "is not a list of percents"),
    ("quota_warn", "80;95", "is not a list of percents"),
    ("quota_warn", "80,", "is not a list of percents"),
    ("move_mailbox", "inbox", "is where POP3 mail comes from"),
    ("move_mailbox", " ", "is empty"),
    ("move_mailbox", "x" * 256, "is too long"),
    ("move_mailbox", "a\x01b", "has control characters"),
    ("view_since", "yesterday", '"yesterday" is not a date or time: use '
     "2026-01-31, 2026-01-31 12:00"),
    ("view_since", "2026-02-29", "is not a date or time"),
    ("view_since", "2026-01-31 25:00", "is not a date or time"),
    ("view_since", "2026-01-31 24:00", "is not a date or time"),
    ("view_since", "31.1.2026", "is not a date or time"),
    ("view_since", "2026-01-31 12:00 CET", "is not a date or time"),
    ("view_since", "1969-12-31", "is out of range: use 1970-01-01 to "
     "9999-12-31 23:59:59 UTC, or never"),
    ("view_since", "infinity", "is not a date or time"),
    ("preset", "gmial", 'preset: "gmial" does not exist: use one of'),
]


def effective(db, name, user=USER):
    return db.row("SELECT * FROM pop3.effective_policy(%s) "
                  "WHERE parameter = %s", (user, name), role="pop3_admin")


@pytest.mark.parametrize("name,text,canonical", FORMS,
                         ids=["%s %s" % f[:2] for f in FORMS])
def test_forms(db, name, text, canonical):
    db.set(USER, **{name: text})
    row = effective(db, name)
    assert row.value == str(canonical)
    assert (row.level, row.scope, row.preset) == ("user", USER, None)
    # what people read can be written
    db.set("other", **{name: row.human})
    assert effective(db, name, "other").value == row.value


@pytest.mark.parametrize("name,text,message", REFUSED,
                         ids=["%s %.20r" % f[:2] for f in REFUSED])
def test_refused_values(db, name, text, message):
    with pytest.raises(psycopg2.Error) as error:
        db.set(USER, **{name: text})
    text = error.value.diag.message_primary
    assert text.startswith(name + ": ") and message in text
    assert db.value("SELECT count(*) FROM pop3.policy") == 0


def test_human_forms(db):
    db.set(USER, expire_retrieved="336h", expire_hidden="90m",
           view_window="1d", leave_max_bytes="524288k", download_daily="1000",
           quota_warn="80,95", view_since="2026-01-31 12:30",
           mass_delete_percent="50", login_delay="61s", view_limit="7")
    human = {r.parameter: r.human for r in db.rows(
        "SELECT * FROM pop3.effective_policy(%s)", (USER,))}
    assert human["expire_retrieved"] == "14 days"
    assert human["expire_hidden"] == "90 minutes"
    assert human["view_window"] == "1 day"
    assert human["leave_max_bytes"] == "512 MB"
    assert human["download_daily"] == "1000 bytes"
    assert human["quota_warn"] == "80%, 95%"
    assert human["view_since"] == "2026-01-31 12:30 UTC"
    assert human["mass_delete_percent"] == "50%"
    assert human["login_delay"] == "61 seconds"
    assert human["view_limit"] == "7"
    assert human["expire_unretrieved"] == "never"
    assert human["leave_max_messages"] == "unlimited"
    assert human["quota_storage"] == "as-configured"


@pytest.mark.parametrize("wrong,right", [
    ("expire_retreived", "expire_retrieved"), ("on-dele", "on_dele"),
    ("On Retrieve", "on_retrieve"), ("hold", "pop3_hold"),
    ("qouta_storage", "quota_storage"), ("version", "notify"),
    ("scope", "notify"), ("", "notify")])
def test_unknown_parameters(db, wrong, right):
    for call in ("set_policy('*', %s, '1')", "unset_policy('*', %s)"):
        with pytest.raises(psycopg2.Error) as error:
            db.rows("SELECT pop3." + call, (wrong,), role="pop3_admin")
        message = error.value.diag.message_primary
        assert message.startswith('there is no parameter "%s"' % wrong)
        if right != "notify":
            assert message.endswith('did you mean "%s"?' % right)
        assert "enforcement, pop3_access" in error.value.diag.message_hint


def test_nothing_is_no_value(db):
    for parameter in ("on_dele", "preset"):
        with pytest.raises(psycopg2.Error):
            db.rows("SELECT pop3.set_policy('*', %s, NULL)", (parameter,))
    with pytest.raises(psycopg2.Error, match="there is no parameter"):
        db.rows("SELECT pop3.set_policy('*', NULL, 'x')")


def test_what_was_set_is_said(db):
    assert db.value("SELECT pop3.set_policy('@Example.ORG', "
                    "'expire_retrieved', '2w')") == \
        "@example.org: expire_retrieved = 14 days"
    assert db.value("SELECT pop3.set_policy('*', 'preset', ' gmail ')") == \
        "*: preset = gmail"


# --- scopes ---

@pytest.mark.parametrize("given,kept", [
    ("*", "*"), ("@Example.ORG", "@example.org"),
    ("Anna@Example.ORG", "Anna@example.org"), ("root", "root"),
    ("Root", "Root"), ("a+b@c", "a+b@c")])
def test_scopes(db, given, kept):
    db.set(given, on_dele="hide")
    db.set(kept, on_dele="move")
    db.rows("INSERT INTO pop3.policy (scope) VALUES (%s) "
            "ON CONFLICT DO NOTHING", (given,), role="pop3_admin")
    assert db.values("SELECT scope FROM pop3.policy") == [kept]


@pytest.mark.parametrize("scope", ["", " ", "@", "a@", "* ", "a b@c", "*@c",
                                   "a\n@c", None])
def test_bad_scopes(db, scope):
    for sql in ("SELECT pop3.set_policy(%s, 'on_dele', 'hide')",
                "INSERT INTO pop3.policy (scope) VALUES (%s)"):
        with pytest.raises(psycopg2.Error, match="user@domain") as error:
            db.rows(sql, (scope,), role="pop3_admin")
        assert error.value.pgcode == "23514"


def test_the_most_specific_value_wins(db):
    db.set("*", preset="gmail", on_dele="delete", view_limit="9")
    assert effective(db, "on_dele").value == "delete"
    assert effective(db, "on_retrieve").value == "hide"
    db.set("@example.org", preset="leave-14-days", on_retrieve="delete")
    db.set(USER, preset="section8", expire_unretrieved="never")

    def where(name):
        r = effective(db, name)
        return r.value, r.level, r.scope, r.preset

    assert where("expire_unretrieved") == ("-1", "user", USER, None)
    assert where("expire_retrieved") == \
        (str(7 * DAY), "user", USER, "section8")
    assert where("on_retrieve") == ("delete", "domain", "@example.org", None)
    assert where("leave_max_bytes") == \
        (str(1 << 30), "domain", "@example.org", "leave-14-days")
    assert where("view_limit") == ("9", "site", "*", None)
    assert where("download_daily") == \
        (str(1250 << 20), "site", "*", "gmail")
    assert where("quota_action") == ("reject", "built-in", None, None)
    # the same as the service reads it
    levels = Service(db).read("policy_rows", username=USER)
    assert [(r.level, r.scope) for r in levels] == [
        (0, USER), (1, "section8"), (2, "@example.org"),
        (3, "leave-14-days"), (4, "*"), (5, "gmail")]
    names = db.value("SELECT pop3.parameter_names()")
    assert levels[0]["values"][names.index("expire_unretrieved")] == "-1"
    assert levels[4]["values"][names.index("expire_unretrieved")] is None
    assert levels[5]["values"][names.index("quota_warn")] is None


def test_domains_are_not_case_sensitive(db):
    db.set("@example.org", on_dele="hide")
    db.set(USER, on_retrieve="hide")
    for user in ("anna@EXAMPLE.org", "anna@Example.Org"):
        assert effective(db, "on_dele", user).level == "domain"
        assert effective(db, "on_retrieve", user).level == "user"
    # but what is before the @ is
    assert effective(db, "on_retrieve", "Anna@example.org").level == \
        "built-in"


def test_users_without_domain(db):
    db.set("*", on_dele="hide")
    db.set("root", on_retrieve="hide")
    assert effective(db, "on_dele", "root").level == "site"
    assert effective(db, "on_retrieve", "root").level == "user"
    assert [r.level for r in
            Service(db).read("policy_rows", username="root")] == [0, 4]


@pytest.mark.parametrize("scope", ["*", "@example.org", USER])
def test_a_hold_on_any_level_wins(db, scope):
    for other in ("*", "@example.org", USER):
        db.set(other, pop3_hold="no")
    assert effective(db, "pop3_hold").value == "no"
    db.set(scope, pop3_hold="yes")
    row = effective(db, "pop3_hold")
    assert (row.value, row.scope) == ("yes", scope)


def test_versions(db):
    service = Service(db)

    def version():
        rows = service.read("policy_rows", username=USER)
        known = {r.level: r.version for r in rows}
        text = ".".join(str(known.get(n, 0)) for n in range(6))
        assert service.version() == text
        return text

    seen = [version()]
    assert seen == ["0.0.0.0.0.0"]
    for change in (
            lambda: db.set("*", preset="gmail"),
            lambda: db.set("@example.org", on_dele="hide"),
            lambda: db.set(USER, preset="section8"),
            lambda: db.rows("UPDATE pop3.preset SET notify = 'yes' "
                            "WHERE name = 'gmail'"),
            lambda: db.rows("UPDATE pop3.policy SET version = 1"),
            lambda: db.rows("DELETE FROM pop3.policy WHERE scope = %s",
                            (USER,)),
            lambda: db.set(USER, preset="section8")):
        change()
        seen.append(version())
    assert seen[5] == seen[4], "version is not for people to set"
    del seen[5]
    assert len(set(seen)) == len(seen)


def test_unset(db):
    db.set(USER, on_dele="hide", preset="gmail", view_limit="5")

    def unset(parameter, scope=USER):
        return db.value("SELECT pop3.unset_policy(%s, %s)",
                        (scope, parameter), role="pop3_admin")

    assert unset("on_dele") is True
    assert unset("on_dele") is False
    assert unset("notify") is False
    assert unset("on_dele", "@nowhere.org") is False
    assert unset("preset") is True
    assert effective(db, "view_limit").value == "5"
    assert unset("view_limit", USER.replace("org", "ORG")) is True
    assert db.value("SELECT count(*) FROM pop3.policy") == 0


# --- plain SQL ---

@pytest.mark.parametrize("column,value,message", [
    ("enforcement", "'on'", 'enforcement: "on" is not allowed: use off, '
     'observe or enforce'),
    ("expire_retrieved", "-2", 'expire_retrieved: "-2" is out of range: use '
     '0 to 3155760000 seconds, -1 for never'),
    ("quota_storage", "-3", 'quota_storage: "-3" is out of range: use 1 to '
     '4611686018427387904 bytes, -1 for unlimited, -2 for as-configured'),
    ("view_limit", "0", 'view_limit: "0" is out of range: use 1 to '
     '2147483647, -1 for unlimited'),
    ("login_delay", "-1", 'login_delay: "-1" is out of range: use 0 to '
     '3155760000 seconds'),
    ("quota_warn", "'{95,80}'", 'quota_warn: "[95, 80]" is not a list of '
     'percents: use ascending whole percents from 1 to 100, such as '
     '{80,95}, or {} for none'),
    ("quota_warn", "'{80,NULL}'", "is not a list of percents"),
    ("quota_warn", "'{{80,90},{91,92}}'", "is not a list of percents"),
    ("move_mailbox", "'Inbox'", 'move_mailbox: "Inbox" is where POP3 mail '
     'comes from: use the name of a mailbox other than INBOX'),
    ("view_since", "'infinity'", "is out of range: use a time from 1970 to "
     "9999, or -infinity for never"),
    ("view_since", "'1969-12-31'", "is out of range"),
    ("preset", "'gmial'", 'preset: "gmial" does not exist: use one of '
     'download-and-delete, download-once-day, gmail'),
])
def test_plain_sql_is_refused_readably(db, column, value, message):
    for sql in ("INSERT INTO pop3.policy (scope, %s) VALUES ('*', %s)",
                "UPDATE pop3.policy SET %s = %s",
                "UPDATE pop3.preset SET %s = %s WHERE name = 'gmail'"):
        if column == "preset" and "pop3.preset" in sql:
            continue
        db.rows("INSERT INTO pop3.policy (scope) VALUES ('@x') "
                "ON CONFLICT DO NOTHING")
        with pytest.raises(psycopg2.Error) as error:
            db.rows(sql % (column, value), role="pop3_admin")
        assert message in error.value.diag.message_primary
        assert error.value.diag.constraint_name in (
            column + "_allowed", column + "_exists")


def test_plain_sql_that_is_right(db):
    db.rows("INSERT INTO pop3.policy (scope, view_since, quota_warn, "
            "quota_storage, expire_hidden) VALUES "
            "('*', '2026-01-31 12:00:00.5+00', '{}', -2, -1), "
            "('@example.org', '-infinity', '{50}', NULL, NULL)",
            role="pop3_admin")
    assert effective(db, "view_since").value == "-1"
    assert effective(db, "view_since", "root").value == "1769860800"
    assert effective(db, "quota_warn").value == "50"
    assert effective(db, "quota_warn", "root").value == ""


def test_constraints_agree_with_the_parameters(fresh):
    """Behind the trigger stand the constraints. They must say the same."""
    fresh.rows("ALTER TABLE pop3.policy DISABLE TRIGGER policy_check")

    def allowed(name, value):
        try:
            fresh.rows("INSERT INTO pop3.policy (scope, version, %s) "
                       "VALUES ('*', 1, %%s)" % name, (value,))
        except psycopg2.errors.CheckViolation as error:
            assert error.diag.constraint_name == name + "_allowed"
            return False
        fresh.rows("DELETE FROM pop3.policy")
        return True

    for p in fresh.rows("SELECT * FROM pop3.parameter ORDER BY position"):
        if p.type == "enum":
            for word in p.words:
                assert allowed(p.name, word), (p.name, word)
            assert not allowed(p.name, "perhaps"), p.name
            assert not allowed(p.name, p.words[0].upper()), p.name
        elif p.type in ("time", "number", "size", "percent"):
            cases = {p.min_value: True, p.max_value: True,
                     p.max_value + 1: False, -3: False}
            cases[p.min_value - 1] = p.min_value == 0 and bool(p.none_word)
            cases[-1] = bool(p.none_word)
            cases[-2] = p.as_configured
            for value, expected in cases.items():
                assert allowed(p.name, value) == expected, (p.name, value)
        elif p.type == "timestamp":
            for value, expected in (
                    ("-infinity", True), ("1970-01-01 00:00+00", True),
                    ("9999-12-31 23:59:59+00", True), ("infinity", False),
                    ("1969-12-31 23:59:59+00", False),
                    ("10000-01-01 00:00+00", False)):
                assert allowed(p.name, value) == expected, value
        elif p.type == "percents":
            for value, expected in (
                    ("{}", True), ("{1,100}", True), ("{0}", False),
                    ("{101}", False), ("{NULL}", False),
                    ("{{1,2},{3,4}}", False)):
                assert allowed(p.name, value) == expected, value
        else:
            assert p.type == "mailbox"
            for value, expected in (
                    ("Trash", True), ("x" * 255, True), ("x" * 256, False),
                    ("", False), ("InBox", False), ("a\x7fb", False)):
                assert allowed(p.name, value) == expected, value


# --- the engine's table is the same ---

def engine_params():
    """[{name, words, min, max, none, as_configured, builtin, description}]
    as pop3-policy-param.c has them."""
    with open(os.path.join(ENGINE, "pop3-policy-param.c")) as file:
        text = file.read()
    numbers = {"MAX_TIME": TIME_MAX, "MAX_TIMESTAMP": YEAR_9999,
               "MAX_SIZE": 1 << 62, "MAX_NUMBER": (1 << 31) - 1}
    words = {"POP3_POLICY_WORD_NEVER": "never",
             "POP3_POLICY_WORD_UNLIMITED": "unlimited",
             "POP3_POLICY_WORD_NONE": "none",
             "POP3_POLICY_WORD_AS_CONFIGURED": "as-configured"}

    def string(value):
        value = value.strip()
        return words[value] if value in words else "".join(
            re.findall(r'"((?:[^"\\]|\\.)*)"', value)).replace("\\\\", "\\")

    lists = {}
    for m in re.finditer(r"words_(\w+)\[\] =\s*\{([^}]*)\}", text):
        lists["words_" + m[1]] = [
            string(w) for w in m[2].split(",") if w.strip() != "NULL"]
    result = []
    table = text[text.index("params[] = {"):]
    table = re.sub(r"/\*.*?\*/", "", table, flags=re.S)
    for m in re.finditer(r"\[POP3_POLICY_PARAM_\w+\] = \{(.*?)\n\t\},", table,
                         re.S):
        fields = dict(re.findall(
            r"\.(\w+)\s*=\s*((?:\"(?:[^\"\\]|\\.)*\"\s*)+|[^,]+)", m[1]))
        number = {k: int(numbers.get(fields[k], fields[k]), 0)
                  if k in fields and fields[k] not in numbers
                  else numbers.get(fields.get(k))
                  for k in ("min", "max")}
        result.append((
            string(fields["name"]),
            fields["type"].replace("POP3_POLICY_TYPE_", "").strip().lower(),
            lists.get(fields.get("words", "").strip()),
            number["min"], number["max"],
            string(fields["none_word"]) if "none_word" in fields else None,
            "as_configured" in fields, string(fields["builtin"]),
            string(fields["description"])))
    return result


def test_parameters_are_the_engines(db):
    rows = db.rows("SELECT * FROM pop3.parameter ORDER BY position")
    ours = [(p.name, p.type, p.words, p.min_value, p.max_value, p.none_word,
             p.as_configured, p.builtin, p.description) for p in rows]
    theirs = engine_params()
    assert len(theirs) == 25
    assert ours == theirs
    assert [p.position for p in rows] == list(range(1, 26))


def test_columns_are_the_parameters(db):
    names = db.value("SELECT pop3.parameter_names()")
    for table, first in (("policy", ["scope", "preset", "version"]),
                         ("preset", ["name", "description", "source",
                                     "version"])):
        assert db.values(
            "SELECT attname::text FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 "
            "AND NOT attisdropped ORDER BY attnum", ("pop3." + table,)) == \
            first + names


# --- presets ---

def test_presets(db):
    rows = {r.name: r for r in db.rows("SELECT * FROM pop3.preset")}
    assert set(rows) == {
        "rfc1939", "download-and-delete", "section8", "leave-14-days",
        "download-once-day", "gmail", "gmail-recent", "qq", "netease-163",
        "sina", "outlook", "zimbra"}
    for row in rows.values():
        assert row.description and row.source
        # what hides must not fill quotas for ever
        if "hide" in (row.on_retrieve, row.on_dele):
            assert 0 < row.expire_hidden <= 30 * DAY


# all that a preset sets
PRESETS = {
    "download-and-delete": {"on_retrieve": "delete", "top_lines": 0},
    "section8": {"expire_retrieved": 7 * DAY, "expire_unretrieved": 60 * DAY,
                 "notify": "yes"},
    "leave-14-days": {"expire_retrieved": 14 * DAY,
                      "leave_max_bytes": 1 << 30},
    "download-once-day": {"on_retrieve": "hide", "expire_hidden": DAY},
    "gmail": {"on_retrieve": "hide", "on_dele": "hide",
              "expire_hidden": 30 * DAY, "view_limit": 250,
              "download_daily": 1250 << 20},
    "gmail-recent": {"view_window": 30 * DAY, "on_retrieve": "keep",
                     "on_dele": "hide", "expire_hidden": 30 * DAY},
    "qq": {"view_window": 30 * DAY, "on_dele": "hide",
           "expire_hidden": 30 * DAY},
    "netease-163": {"view_window": 30 * DAY, "mass_delete_percent": 50},
    "sina": {"view_window": -1, "on_retrieve": "keep", "on_dele": "delete"},
    "outlook": {"on_dele": "move", "move_mailbox": "POP"},
    "zimbra": {"on_dele": "delete"},
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_sets_this_and_nothing_else(db, name):
    row = db.row("SELECT * FROM pop3.preset WHERE name = %s", (name,))
    assert {c: v for c, v in row.items() if v is not None and
            c not in ("name", "description", "source", "version")} == \
        PRESETS[name]


def test_the_rfcs_preset_is_what_is_built_in(db):
    db.set("*", preset="gmail")
    db.set(USER, preset="rfc1939")
    builtin = {p.name: p.builtin for p in db.rows(
        "SELECT * FROM pop3.parameter")}
    for row in db.rows("SELECT * FROM pop3.effective_policy(%s)", (USER,)):
        assert row.value == builtin[row.parameter]
        if row.parameter not in ("enforcement", "pop3_access", "pop3_hold"):
            assert row.preset == "rfc1939"


def test_presets_in_use_stay(db):
    db.set("*", preset="gmail")
    db.set("@example.org", preset="gmail")
    with pytest.raises(psycopg2.Error, match='preset "gmail" is in use by '
                       r'\*, @example.org'):
        db.rows("DELETE FROM pop3.preset WHERE name = 'gmail'",
                role="pop3_admin")
    db.rows("DELETE FROM pop3.preset WHERE name = 'qq'", role="pop3_admin")


def test_presets_can_be_copied_and_renamed(db):
    db.rows("INSERT INTO pop3.preset (name, description, on_dele, "
            "expire_hidden) SELECT 'ours', 'ours', on_dele, 86400 "
            "FROM pop3.preset WHERE name = 'qq'", role="pop3_admin")
    db.set("*", preset="ours")
    before = Service(db).version()
    db.rows("UPDATE pop3.preset SET name = 'ours-2' WHERE name = 'ours'",
            role="pop3_admin")
    row = effective(db, "expire_hidden")
    assert (row.human, row.preset) == ("1 day", "ours-2")
    assert Service(db).version() != before
    with pytest.raises(psycopg2.Error, match="lower-case letters"):
        db.rows("UPDATE pop3.preset SET name = 'Ours!' "
                "WHERE name = 'ours-2'", role="pop3_admin")


# --- history ---

def history(db):
    return [(r.kind, r.name, r.old, r.new) for r in db.rows(
        "SELECT * FROM pop3.policy_history h WHERE NOT EXISTS (SELECT "
        "FROM saved.policy_history s WHERE s.history_id = h.history_id) "
        "ORDER BY history_id")]


def test_history_keeps_every_change(db):
    db.set("*", on_dele="hide")
    db.set("*", on_dele="hide")
    db.rows("UPDATE pop3.policy SET view_limit = 5", role="pop3_admin")
    db.rows("UPDATE pop3.preset SET notify = 'yes' WHERE name = 'qq'",
            role="pop3_admin")
    db.rows("DELETE FROM pop3.policy", role="pop3_admin")
    rows = history(db)
    assert rows[0] == ("policy", "*", None, {"scope": "*", "on_dele": "hide"})
    assert rows[1] == ("policy", "*", {"scope": "*", "on_dele": "hide"},
                       {"scope": "*", "on_dele": "hide", "view_limit": 5})
    assert rows[2][:2] == ("preset", "qq")
    assert "notify" not in rows[2][2] and rows[2][3]["notify"] == "yes"
    assert rows[3] == ("policy", "*", rows[1][3], None)
    assert len(rows) == 4


def test_history_knows_who(db):
    db.set("*", on_dele="hide")
    db.rows("SET pop3.caller = 'uid 0 (root)'", role="pop3_admin")
    db.set("*", on_dele="move")
    db.rows("RESET pop3.caller", role="pop3_admin")
    db.rows("UPDATE pop3.policy SET on_dele = 'delete'")
    rows = db.rows("SELECT who, caller FROM pop3.policy_history "
                   "WHERE kind = 'policy' ORDER BY history_id")
    assert [(r.who, r.caller) for r in rows] == [
        ("pop3_admin", None), ("pop3_admin", "uid 0 (root)"),
        ("postgres", None)]


def test_history_cannot_be_evaded_by_truncate(db):
    for table in ("policy", "preset"):
        with pytest.raises(psycopg2.Error, match="cannot be truncated"):
            db.rows("TRUNCATE pop3.%s CASCADE" % table)


def test_explain(db):
    db.set("*", preset="gmail", enforcement="enforce")
    db.set(USER, expire_retrieved="14d", view_window="30d", pop3_hold="yes",
           quota_storage="1G")
    service = Service(db)
    text = "\n".join(db.values("SELECT pop3.explain(%s)", (USER,),
                               role="pop3_admin"))
    assert "No maildrop of this user was ever opened." in text
    service.session(retrieved={3: "none"})
    service.remove([4], "hide", "retrieved")
    service.intent({5: ("expunge", "dele")})
    text = "\n".join(db.values("SELECT pop3.explain(%s)", (USER,),
                               role="pop3_admin"))
    for part in (
            USER + ": enforcement is enforce (site *): the policy acts.",
            "Hold (user %s): nothing leaves the mailbox" % USER,
            "arrived within 30 days is in the view (user %s)." % USER,
            "Retrieved mail is hidden at QUIT (site *, preset gmail).",
            "Retrieved mail is removed after 14 days (user %s)." % USER,
            "never retrieved does not expire (built-in).",
            "Hidden mail is removed after 30 days (site *, preset gmail).",
            "quota_storage = 1 GB (user %s)" % USER,
            "view_limit = 250 (site *, preset gmail)",
            ": 10 messages; 1 retrieved, 1 hidden, 0 restored.",
            "1 intents are open."):
        assert part in text, text
