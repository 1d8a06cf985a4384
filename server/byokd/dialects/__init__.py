"""Wire formats, sans-I/O: a call becomes a request, bytes become events."""
