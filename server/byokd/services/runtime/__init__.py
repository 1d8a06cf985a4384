"""The session, background tasks, clocks, paging and the store watcher."""
