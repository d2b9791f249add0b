"""The only code that knows every room: reactions, timetable, routers, ports; and the doctor.

reactions: event -> handlers · timetable: job -> how often · routers: what HTTP serves · ports: setting -> adapter.
"""
