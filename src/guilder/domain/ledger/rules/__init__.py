"""How each business fact is booked."""
