"""The simulated provider: a process of its own that behaves like a real one and moves no money."""
