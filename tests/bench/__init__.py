"""Benchmarks: `./dev bench NAME`. Figures are measured, never asserted: these machines are noisy."""
