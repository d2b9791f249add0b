"""Chaos: clients, a moving clock and faults of every kind at once, on real processes; then outside checks of what is left.

`plan` draws the faults beforehand, `stages` are the installations they hit, `nemesis` does them, `driver` is who buys
meanwhile, `resting` waits until it is over, `evidence` is what can be seen from outside then, `verdict` judges that
and nothing else, `report` keeps it all. `storm` is one run; `python -m tests.chaos` starts one (`make chaos`).
"""
