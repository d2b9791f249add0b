"""The phrases of explanations, a module a language. One that lacks a phrase would say nothing, so a test compares them."""
