"""Ledger: the books, in double entry.

Owns: journal entries and their postings; how a business fact is booked (`rules/journal.py`).
Announces: nothing; entries are written in the transaction of the fact that they record.
Listens to: nothing. Calls: nothing.
Never: a change or a deletion of what is written; an entry that does not balance; a balance that is stored beside
the postings it is the sum of, since one row that every payment of a tenant updates would make them all wait in line.
"""
