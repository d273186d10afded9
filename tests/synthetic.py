"""Where the tests find the runs made of random numbers, which benchmarks use as well."""

from explainer.evaluation.synthetic import grid_rects, synthetic_run

__all__ = ["grid_rects", "synthetic_run"]
