"""What each step uses while it runs, and whether that is more than it may."""
