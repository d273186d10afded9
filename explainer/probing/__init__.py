"""Everything that asks the model again with less of the picture."""
