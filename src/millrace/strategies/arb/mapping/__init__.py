"""What venues call differently and is the same: mappings between them, and every doubt about them."""
