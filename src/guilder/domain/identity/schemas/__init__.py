"""What HTTP says and hears of tenants, of who acts for them, and of who is signed in."""
