# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Checks on the source tree and on what is built from it: documentation that
says what the code does, tests that run, walls between the parts."""

import os
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "lib"))
