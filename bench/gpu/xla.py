"""XLA by way of JAX: compiles programs that TensorFlow lowered, for this machine or for another.

JAX has no public function that takes a lowered program, so this file, and no other, uses private
ones. What ``run`` needs of them is the same in JAX 0.10 to 0.12; ``count`` was tried with 0.10.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.gpu.command_line import WrongUseError

TARGET = Path(__file__).with_name("h100.txtpb")
"""What XLA knows of an H100, as it writes it beside the text of a program compiled on one."""

FOR_ANOTHER_MACHINE = {
    "JAX_PLATFORMS": "cpu",  # the plugin is to compile, and would look for a GPU
    "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1",  # there is no driver, so none that is too old
    "TF_CPP_MIN_LOG_LEVEL": "3",  # XLA's, too
}
"""To be set before JAX is imported."""


def import_jax() -> Any:
    """JAX, with float64.

    Raises:
        WrongUseError: it is not installed.
    """
    try:
        import jax
    except ImportError:
        raise WrongUseError(
            "jax is not installed; pip install '.[gpu-bench]', or 'jax[cuda13]' alone for a GPU"
        ) from None
    jax.config.update("jax_enable_x64", True)
    return jax


def compiled(serialized: bytes, device: Any) -> Any:
    """A lowered program, compiled for a device of this machine and loaded."""
    from jaxlib import _jax, xla_client

    return device.client.compile_and_load(
        _module(serialized), _jax.DeviceList((device,)), xla_client.CompileOptions()
    )


def started(program: Any, arrays: Sequence[Any]) -> list[Any]:
    """Begins a run of a loaded program, and returns its outputs before they are there."""
    outputs = program.execute_sharded(arrays).disassemble_into_single_device_arrays()
    return [shards[0] for shards in outputs]


def absent_device() -> Any:
    """A GPU to compile for that is not there.

    Raises:
        WrongUseError: JAX, or its plugin for NVIDIA GPUs, is not installed.
    """
    os.environ.update(FOR_ANOTHER_MACHINE)
    import_jax()
    from jax.experimental import topologies

    try:
        topology = topologies.get_topology_desc(
            "h100", "cuda", target_config=TARGET.read_text("utf-8"), topology="1x1x1"
        )
    except NotImplementedError:
        raise WrongUseError(
            "JAX's plugin for NVIDIA GPUs is not installed; pip install 'jax[cuda13]', in an "
            "environment of its own, or make bench-gpu"
        ) from None
    return topology.devices[0]


def dump(serialized: bytes, device: Any, folder: Path) -> None:
    """Compiles for a device that is not there, and has XLA write into a folder what it made."""
    from jaxlib import _jax, xla_client

    options = xla_client.CompileOptions()
    options.env_option_overrides = [("xla_dump_to", str(folder))]
    device.client.compile(
        _module(serialized),
        executable_devices=_jax.DeviceList((device,)),
        compile_options=options,
    )


def _module(serialized: bytes) -> Any:
    from jax._src.interpreters import mlir
    from jaxlib import _jax
    from jaxlib.mlir import ir

    with mlir.make_ir_context():
        return ir.Module.parse(_jax.mlir.hlo_to_stablehlo(serialized))
