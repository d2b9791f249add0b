"""Payment providers of the tests' own, in the real ones' wire form. They move no money and keep a journal."""
