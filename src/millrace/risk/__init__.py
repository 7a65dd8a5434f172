"""What stops trading: the restriction board and the guards that post to it. Pure."""
