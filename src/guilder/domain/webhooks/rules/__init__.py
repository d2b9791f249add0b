"""Who wants which event, what is said of it, how it is signed, and when it is tried again."""
