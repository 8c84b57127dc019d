"""One module a file format, each a function from text to bytes."""
