"""The floor both processes stand on, and the HTTP shell."""
