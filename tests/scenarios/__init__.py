"""Stories told from outside, of real processes: one installation a worker, ended with the last story of it."""
