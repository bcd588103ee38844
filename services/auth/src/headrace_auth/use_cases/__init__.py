"""What auth does, over ports: a folder for each subject; beside them what subjects share."""
