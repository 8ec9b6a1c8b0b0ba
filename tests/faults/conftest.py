# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Tests that break private hosts."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "lib"))
