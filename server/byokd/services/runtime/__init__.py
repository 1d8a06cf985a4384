"""The session, background tasks, clocks, paging, sealed input and the watcher of the store."""
