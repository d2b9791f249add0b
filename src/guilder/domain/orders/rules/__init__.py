"""What may be asked for, on which terms, and how a payment link is written."""
