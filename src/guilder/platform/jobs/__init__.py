"""Jobs: what the clock asks, done for whatever is due, on as many nodes as one likes.

Owns: the timetable's rows, the runner, a sandbox's steps through time.
Never: what a job does.
"""
