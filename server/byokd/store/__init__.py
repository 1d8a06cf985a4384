"""SQLite files, private files, locks, backups and paths: the only package that imports sqlite3."""
