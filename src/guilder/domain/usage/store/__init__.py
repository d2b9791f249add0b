"""All SQL of usage: readings and corrections, what they total, what is closed and what came late, alerts."""
