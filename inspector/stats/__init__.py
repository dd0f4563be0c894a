"""Statistics in numpy and scipy alone: intervals over texts that belong together, AUROC, log-spaced histograms."""

from inspector.stats.association import association, flexible, stratified_auroc
from inspector.stats.auroc import (
    auroc,
    auroc_difference,
    auroc_interval,
    balanced_mean_interval,
    balanced_weights,
    calibration_error,
    calibration_floor,
    prediction_rejection,
)
from inspector.stats.histograms import (
    BINS_PER_OCTAVE,
    HISTOGRAM_BINS,
    LOWEST_EXPONENT,
    bin_edges,
    excess_kurtosis,
    histogram_quantile,
    histogram_share,
    mean_square,
    quantisation_error,
)
from inspector.stats.intervals import (
    FEWEST_CLUSTERS,
    bootstrap,
    interval,
    mean_interval,
    mean_known,
    numbered,
    weighted_interval,
)

__all__ = [
    "BINS_PER_OCTAVE",
    "FEWEST_CLUSTERS",
    "HISTOGRAM_BINS",
    "LOWEST_EXPONENT",
    "association",
    "auroc",
    "auroc_difference",
    "auroc_interval",
    "balanced_mean_interval",
    "balanced_weights",
    "bin_edges",
    "bootstrap",
    "calibration_error",
    "calibration_floor",
    "excess_kurtosis",
    "flexible",
    "histogram_quantile",
    "histogram_share",
    "interval",
    "mean_interval",
    "mean_known",
    "mean_square",
    "numbered",
    "prediction_rejection",
    "quantisation_error",
    "stratified_auroc",
    "weighted_interval",
]
