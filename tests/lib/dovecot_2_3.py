# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""How a private host's configuration is written for Dovecot 2.3. The same
names in dovecot_2_4.py write it for Dovecot 2.4.

Tests name settings, and write values, as Dovecot 2.3 does.
"""

# Dovecot's own directories of modules, below its module directory, in which a
# module of ours must be found. Nothing needs one here.
MODULE_DIRECTORIES = ()

# Where the shipped configuration for this version is, below conf.d.
SHIPPED = "dovecot-2.3"

HEADER = ""
# Does Dovecot know the plugin's settings, and refuse wrong ones?
CHECKS_PLUGIN_SETTINGS = False
# What an installed plugin that nothing was configured for adds: nothing.
UNCONFIGURED = ""
NO_MEMORY_LIMIT = "0"
# The LMTP command that is answered by 452 under quota_action=defer and
# lmtp_rcpt_check_quota=yes.
DEFERS_AT = "RCPT"
# Mail in sdbox of other users.
SHARED_NAMESPACE = """
namespace inbox {
  separator = /
}
namespace shared {
  type = shared
  separator = /
  prefix = shared/%%u/
  location = sdbox:%%h/sdbox
  subscriptions = no
}
"""

MAIL_LOCATION = {
    "sdbox": "sdbox:~/sdbox",
    "mdbox": "mdbox:~/mdbox",
    "maildir": "maildir:~/Maildir",
    "mbox": "mbox:~/mbox:INBOX=~/inbox",
}

# Any user name works. The first passdb is for logins as "user*master".
AUTH = """
disable_plaintext_auth = no
passdb {{
  driver = static
  args = password={password}
  master = yes
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={dir}/mail/%u allow_all_users=yes
}}
"""


def mail_format(name):
    """Where mail is, and in which format."""
    return "mail_location = %s\n" % MAIL_LOCATION[name]


def mail_plugins(names):
    """Plugins for all protocols, from their names as a list."""
    return "mail_plugins = %s\n" % " ".join(names)


def protocol_plugins(protocol, names):
    """Plugins for one protocol, beside those for all and ours."""
    return "protocol %s {\n  mail_plugins = $mail_plugins %s\n}\n" % (
        protocol, " ".join(["pop3_policy", *names]))


def environment(values):
    """Variables for all processes, beside those that Dovecot hands on."""
    return "import_environment = $import_environment %s\n" % " ".join(
        "%s=%s" % item for item in values.items())


def service_count(sessions):
    """In a service: after how many clients a process ends, 0 for never."""
    return "service_count = %d" % sessions


def setting(name, value):
    return "%s = %s\n" % (name, value)


def plugin_settings(settings):
    """Settings of plugins."""
    # a percent sign begins a variable
    return "plugin {\n%s}\n" % "".join(
        "  %s = %s\n" % (name, value.replace("%", "%%")
                         if name.startswith("quota_rule") else value)
        for name, value in settings.items())


def log_exporter(name, time_format):
    """An exporter that writes events into the log."""
    return """
event_exporter %s {
  format = json
  format_args = time-%s
  transport = log
}
""" % (name, time_format)


def archive_quota(name, size):
    """A namespace of sdbox with a quota of its own; both have this name."""
    return """
namespace inbox {
  separator = /
}
namespace archive {
  separator = /
  prefix = %s/
  location = sdbox:~/archive
}
plugin {
  quota2 = count:%s:ns=%s/
  quota2_rule = *:storage=%s
}
""" % (name, name, name, size)
