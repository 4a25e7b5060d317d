"""What compiled programs say of themselves, read from their text; tests use it too."""
