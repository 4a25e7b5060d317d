"""What a monitor tells its sinks about the model that it watches."""

import math
from collections.abc import Mapping

import keras

from nasmon.probe import Probe
from nasmon.reading import LayerInfo
from nasmon.record.run import LayerRecord
from nasmon.sinks.run_record import Watched
from nasmon.widths.graph import ModelWidths


def watched_by(model: keras.Model, probe: Probe, thresholds: Mapping[str, float]) -> Watched:
    """What a probe found out about a model."""
    widths = probe.widths
    return Watched(
        model_name=model.name,
        samples=probe.samples,
        thresholds=dict(thresholds),
        layers=tuple(
            layer_record(info, count, widths)
            for info, count in zip(probe.layers, probe.rows, strict=True)
        ),
        params=model.count_params(),
        macs=widths and widths.macs,
        structure=widths and widths.structure,
        unknown_structure=probe.unknown_widths,
    )


def layer_record(info: LayerInfo, rows: int, widths: ModelWidths | None) -> LayerRecord:
    """What the run's record says about a monitored layer."""
    return LayerRecord(
        name=info.name,
        kind=info.kind,
        channels=info.channels,
        params=info.params,
        macs=None if math.isnan(info.macs) else int(info.macs),
        tied_to=info.tied_to,
        rank_limit=widths.rank_limits.get(info.name) if widths else None,
        widths=widths.layers.get(info.name, ()) if widths else (),
        rows=rows,
    )
