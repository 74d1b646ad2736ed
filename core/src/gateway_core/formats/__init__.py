"""The wire formats, one package each; `base` says what a format offers."""
