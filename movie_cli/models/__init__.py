"""The networks and the plain functions around them: pure torch and diffusers, no files."""
