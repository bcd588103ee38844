"""Where a process's time goes, as py-spy sees it."""
