"""What each venue requires: facts of its instruments, its wire form, its sessions. One folder per venue."""
