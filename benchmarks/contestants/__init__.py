"""What is measured: each module starts one kind of server and tells how to ask it."""
