"""What the quote desk tells about itself."""
