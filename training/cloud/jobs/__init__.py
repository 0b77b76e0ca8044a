"""What training and tuning jobs are made of, from the command line to the log."""
