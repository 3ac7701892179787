"""A stand-in for MongoDB Atlas' Admin API v2 with the documented shapes and errors, for tests and for trying the server without Atlas."""
