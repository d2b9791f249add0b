"""The rules of usage: what a reading must be, what readings come to, and which months an alert looks at."""
