"""What labelling in bulk is made of: photos, Batch Transform jobs, and their answers."""
