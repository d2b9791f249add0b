"""What HTTP says and hears of moving money: one file for each of its nouns."""
