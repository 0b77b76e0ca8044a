"""What deploying, watching, going back and deleting are made of."""
