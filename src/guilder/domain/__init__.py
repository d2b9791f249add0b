"""The business, room by room; calls go down, events go up."""
