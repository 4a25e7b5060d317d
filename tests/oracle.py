"""An independent reference: every metric from rows, in float64 NumPy, by its definition."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def metrics_of(rows: npt.ArrayLike) -> dict[str, float]:
    """All metrics of one layer, by name, from its activations [N, C]."""
    x = np.asarray(rows, np.float64)
    count, channels = x.shape
    with np.errstate(all="ignore"):
        covariance = (
            np.atleast_2d(np.cov(x, rowvar=False)) if count > 1 else np.full((1, 1), np.nan)
        )
    found = dict.fromkeys(
        "redundancy_score correlation_mean correlation_std trace condition_number effective_rank "
        "rank_99 saturation dead_channels".split(),
        np.nan,
    )
    found["rows"] = float(count)
    if not np.isfinite(covariance).all():
        return found
    found["trace"] = float(np.trace(covariance))
    if found["trace"] <= 0:
        return found
    spectrum = np.clip(np.linalg.eigvalsh(covariance)[::-1], 0, None)
    shares = spectrum / spectrum.sum()
    positive = shares[shares > 0]
    variances = np.diag(covariance)
    live = variances >= 1e-10 * variances.max()
    if channels > 1:
        found["redundancy_score"] = shares[0]
    found["condition_number"] = spectrum[0] / max(spectrum[-1], 1e-8 * spectrum[0])
    found["effective_rank"] = float(np.exp(-(positive * np.log(positive)).sum()))
    found["rank_99"] = float(np.searchsorted(np.cumsum(shares), 0.99) + 1)
    found["saturation"] = found["rank_99"] / channels
    found["dead_channels"] = float((~live).sum())
    if live.sum() > 1:
        correlations = np.abs(np.corrcoef(x[:, live], rowvar=False))
        pairs = correlations[np.triu_indices(int(live.sum()), 1)]
        found["correlation_mean"], found["correlation_std"] = pairs.mean(), pairs.std()
    return found


def tolerance(name: str, rows: npt.ArrayLike) -> float:
    """How far a metric from float32 products may lie from the reference, as a share of it.

    An eigenvalue is off by a few float32 roundings of the largest one (measured on thousands of
    rows: up to 1e-7 of it, and 1.2e-6 with one or two channels); ``rank_99``, ``saturation`` and
    counts are exact away from a tie.
    """
    eps = float(np.finfo(np.float32).eps)
    channels = np.asarray(rows).shape[1]
    if name == "condition_number":
        return min(0.5, 16 * eps * metrics_of(rows)["condition_number"])
    if name == "effective_rank":
        # a share of zero that is off by eps adds eps log(1 / eps) to the entropy
        return float(4 * channels * eps * np.log(1 / eps))
    return 4 * channels * eps


def assert_metrics(measured: dict[str, float], rows: npt.ArrayLike, names: str = "") -> None:
    """Checks every metric, or those named, of one layer against the reference."""
    expected = metrics_of(rows)
    for name in names.split() or expected:
        np.testing.assert_allclose(
            measured[name],
            expected[name],
            rtol=tolerance(name, rows),
            atol=1e-6,
            equal_nan=True,
            err_msg=f"{name} of rows {np.asarray(rows).shape}",
        )
