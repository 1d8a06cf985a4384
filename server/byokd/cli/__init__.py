"""The command line: a client of the daemon for people."""
