"""The house rules, checked: what is not checked is not a rule."""
