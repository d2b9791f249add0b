"""All SQL of the audit. Only `audit.heads` and `audit.exports` are ever changed; the rest is added to."""
