# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""How a private host's configuration is written for Dovecot 2.4. See
dovecot_2_3.py, whose names of settings are translated here.
"""

import re

# doveconf takes the modules that define settings from there, and a build tree
# cannot be named to it.
MODULE_DIRECTORIES = ("settings",)

SHIPPED = "dovecot-2.4"

CHECKS_PLUGIN_SETTINGS = True
# The service is built in. It is installed elsewhere here.
UNCONFIGURED = """
service pop3-policy {{
  executable = {dir}/libexec/pop3-policy -c {dir}/pop3-policy.conf.ext
}}
"""
HEADER = """\
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
"""
NO_MEMORY_LIMIT = "unlimited"
DEFERS_AT = "DATA"
SHARED_NAMESPACE = """
namespace inbox {
  separator = /
}
namespace shared {
  type = shared
  separator = /
  prefix = shared/$user/
  mail_driver = sdbox
  mail_path = %{owner_home}/sdbox
  subscriptions = no
}
"""

MAIL_PATH = {
    "sdbox": {"mail_path": "~/sdbox"},
    "mdbox": {"mail_path": "~/mdbox"},
    "maildir": {"mail_path": "~/Maildir"},
    "mbox": {"mail_path": "~/mbox", "mail_inbox_path": "~/inbox"},
}

AUTH = """
auth_allow_cleartext = yes
passdb masters {{
  driver = static
  static_password = {password}
  master = yes
}}
passdb users {{
  driver = static
  static_password = {password}
}}
userdb static {{
  static_allow_all_users = yes
  fields {{
    uid = {user}
    gid = {group}
    home = {dir}/mail/%{{user}}
  }}
}}
"""

# %-variables of 2.3 that tests use, by setting
VARIABLES = {
    "pop3_uidl_format": {"u": "uid", "v": "uidvalidity", "g": "guid",
                         "f": "filename", "m": "md5"},
    "pop3_logout_format": {"o": "output"},
    "auth_username_format": {"n": "user | username"},
}


def _from_file(value):
    """Certificates are named, not read into the configuration."""
    return value.lstrip("<")


RENAMED = {
    "ssl_cert": ("ssl_server_cert_file", _from_file),
    "ssl_key": ("ssl_server_key_file", _from_file),
}


def _variables(value, names):
    """"%u" as "%{uid}", "%08Xu" as "%{uid | hex(8)}"."""
    def expand(found):
        if found["width"]:
            return "%%{%s | hex(%d)}" % (names[found["letter"]],
                                         int(found["width"]))
        return "%%{%s}" % names[found["letter"]]
    return re.sub(r"%(?:(?P<width>0\d+)X)?(?P<letter>\w)", expand, value)


def mail_format(name):
    return setting("mail_driver", name) + "".join(
        setting(*item) for item in MAIL_PATH[name].items())


def mail_plugins(names):
    return "mail_plugins {\n%s}\n" % "".join(
        "  %s = yes\n" % name for name in names)


def protocol_plugins(protocol, names):
    return "protocol %s {\n%s}\n" % (
        protocol, mail_plugins(["pop3_policy", *names]))


def environment(values):
    return "import_environment {\n%s}\n" % "".join(
        "  %s = %s\n" % item for item in values.items())


def service_count(sessions):
    return "restart_request_count = %s" % (sessions or "unlimited")


def setting(name, value):
    if name in VARIABLES:
        value = _variables(value, VARIABLES[name])
    if name in RENAMED:
        name, convert = RENAMED[name]
        value = convert(value)
    return "%s = %s\n" % (name, value)


def _quota_rule(mailbox, *limits):
    """"*:storage=1G:messages=10", "Trash:storage=+10%"."""
    text = ""
    for limit in limits:
        kind, value = limit.split("=")
        name = "quota_storage" if kind == "storage" else "quota_message"
        if value.endswith("%"):
            text += setting(name + "_percentage", 100 + int(value[1:-1]))
        else:
            text += setting(name + ("_size" if kind == "storage" else
                                    "_count"), value)
    if mailbox != "*":
        text = "namespace inbox {\n mailbox %s {\n%s}\n}\n" % (mailbox, text)
    return text


def _plugin_setting(name, value):
    if name == "acl":
        return setting("acl_driver", value)
    if name == "quota":
        driver, title, *inbox_only = value.split(":")
        text = 'quota "%s" {\n  driver = %s\n}\n' % (title, driver)
        return "namespace inbox {\n%s}\n" % text if inbox_only else text
    if name.startswith("quota_rule"):
        return _quota_rule(*value.split(":"))
    return setting(name, value)


def plugin_settings(settings):
    # quota counts virtual sizes always
    return "".join(_plugin_setting(*item) for item in settings.items()
                   if item[0] != "quota_vsizes")


def log_exporter(name, time_format):
    return """
event_exporter %s {
  driver = log
  format = json
  time_format = %s
}
""" % (name, time_format)


def archive_quota(name, size):
    return """
namespace inbox {
  separator = /
}
namespace archive {
  separator = /
  prefix = %s/
  mail_driver = sdbox
  mail_path = ~/archive
  quota %s {
    driver = count
    storage_size = %s
  }
}
""" % (name, name, size)
