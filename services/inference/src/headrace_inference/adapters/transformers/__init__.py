"""Any Hugging Face model, run by torch."""
