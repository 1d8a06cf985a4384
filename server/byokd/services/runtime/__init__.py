"""The session, background tasks, the clock, paging, and changes made by other processes."""
