"""What a quantity costs, which rate is owed, whether a code may be redeemed, and what may be asked for at all."""
