"""Evaluation: data sets, figures of maps, tables of the paper, and the checks of a checkpoint."""
