"""What makes generated files of this repository. Not part of the package."""
