class BackupTrouble(Exception):
    """This cannot be backed up, verified, restored or upgraded; one sentence says why, and the way out."""


class Damaged(BackupTrouble):
    """A part of a backup is not what was written; the sentence names it."""
