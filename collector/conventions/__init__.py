"""One dialect a file; whatever lies here is found."""
