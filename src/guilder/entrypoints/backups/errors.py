from guilder.kernel.errors import Foreseen


class BackupTrouble(Foreseen):
    """This cannot be backed up, verified, restored or upgraded; one sentence says why, and the way out."""


class Damaged(BackupTrouble):
    """A part of a backup is not what was written; the sentence names it."""
