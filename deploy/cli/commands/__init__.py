"""The commands of `tagger`: one module for each command or group of commands."""
