"""Guilder: subscription billing and payments that a company runs itself.

Five floors, one direction: entrypoints -> wiring -> domain -> platform -> kernel. ARCHITECTURE.md is the map.
"""

import os
import zoneinfo

# Dates of bills are money. Left alone, Python reads the zones of the machine first, however old they are: two nodes would
# bill one customer at different hours, and PostgreSQL's doctor agree with neither. The release pins them (tzdata), and
# this is the one place that every process passes before it reads a zone. Who names a table (PYTHONTZPATH) means it.
if "PYTHONTZPATH" not in os.environ:
    zoneinfo.reset_tzpath(to=())
