"""Exits 0 if PENSTOCK_HEALTH_URL answers 200: the health check of the images, which have no curl."""

import os
import sys
import urllib.error
import urllib.request

try:
    with urllib.request.urlopen(os.environ["PENSTOCK_HEALTH_URL"], timeout=4) as answer:
        sys.exit(answer.status != 200)
except (OSError, urllib.error.URLError) as error:
    sys.exit(f"unhealthy: {error}")
