"""What HTTP says and hears of orders, and of the subscriptions that they change: one file for each subject."""
