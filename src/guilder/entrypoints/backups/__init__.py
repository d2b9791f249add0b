"""Backups: taking them, keeping them, proving them, and coming back from one without charging anybody twice.

Owns: what a backup consists of and its manifest, where backups lie, how long they are kept, the archive of the
write-ahead log, restoring into what is empty, what must follow a restore before any worker starts, upgrades.
Never: a table of its own; a master key's content in a backup; a server that is not the embedded one.

A backup counts when its manifest is there, which is written last. A data folder that is being restored is nobody's
until the new epoch has begun and every gateway is in quarantine: then it is moved into its place.
"""
