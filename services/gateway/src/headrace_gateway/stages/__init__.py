"""The steps of the pipeline, one module each, named as in ARCHITECTURE.md."""
