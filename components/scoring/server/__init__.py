"""Any reward behind HTTP: `python -m components.scoring.server --reward NAME`, for a GPU or an image of its own."""
