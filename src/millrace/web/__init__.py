"""What is shown to those who look from outside."""
