"""The HTTP operations; their docstrings are the text in Swagger."""
