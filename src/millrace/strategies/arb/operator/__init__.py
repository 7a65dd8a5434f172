"""What an operator may ask of the desk."""
