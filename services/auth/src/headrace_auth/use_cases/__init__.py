"""What auth does, over ports: a folder for each subject, and beside them what all subjects share."""
