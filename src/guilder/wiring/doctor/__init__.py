"""The doctor: what may never break, looked for in every room's tables at once.

Owns: the checks (`checks.py` lists them, `sql/` holds a query for each, and every row that a query returns is a
violation), the one look at them all (`run.py`), and how the answer is told (`command.py`).
Reads as the role guilder_doctor, in one read-only snapshot: every tenant, each on its own clock. Opens nothing that is
sealed. Never: writes; calls a room; believes our own tables about a provider's money where its journal is given.
"""
