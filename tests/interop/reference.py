# SPDX-License-Identifier: MIT
"""Where the reference implementation's programs are, and the end-to-end harness on the module path."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import harness  # noqa: E402

ROOT = os.environ.get("RPB_REFERENCE", "")
BROKER = os.path.join(ROOT, "bin/running-process-broker-v1")
BACKEND = os.path.join(ROOT, "bin/running-process-lifecycle-test-backend")


def need():
    """Skips where the reference is not installed; scripts/interop never lets that happen in CI."""
    if not ROOT or not os.access(BROKER, os.X_OK):
        raise unittest.SkipTest("RPB_REFERENCE does not name an installed reference")
