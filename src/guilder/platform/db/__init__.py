"""The database: one pool, transactions that carry tenant and actor, migrations, an embedded server.

Owns: the pool, `Tx`, row-level security's session values, retries of whole transactions, the migration runner.
Never: SQL about anything of the business; a commit anywhere but at the edge.
"""
