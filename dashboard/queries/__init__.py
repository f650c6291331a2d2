"""What each screen reads: one function per screen, a fixed number of SQL queries each."""
