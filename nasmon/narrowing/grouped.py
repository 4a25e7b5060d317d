"""Kernels of convolutions in groups as whole ones, with zeros from one group to another."""

import numpy as np


def as_whole(kernel: np.ndarray, groups: int) -> np.ndarray:
    """[..., C_in / groups, C_out] -> [..., C_in, C_out], as one group would have it.

    Example:
        >>> as_whole(np.array([[1, 2, 3, 4]]), 2).tolist()
        [[1, 2, 0, 0], [0, 0, 3, 4]]
    """
    if groups == 1:
        return kernel
    *others, inputs, outputs = kernel.shape
    whole = np.zeros((*others, groups, inputs, groups, outputs // groups), kernel.dtype)
    pieces = kernel.reshape(*others, inputs, groups, outputs // groups)
    for group in range(groups):
        whole[..., group, :, group, :] = pieces[..., group, :]
    return whole.reshape(*others, groups * inputs, outputs)


def whole_shape(shape: tuple[int, ...], groups: int) -> tuple[int, ...]:
    """The shape of ``as_whole`` of a kernel of that shape."""
    return shape if groups == 1 else (*shape[:-2], shape[-2] * groups, shape[-1])


def in_groups(whole: np.ndarray, groups: int) -> np.ndarray:
    """[..., C_in, C_out] -> [..., C_in / groups, C_out]: the inverse of ``as_whole``."""
    if groups == 1:
        return whole
    *others, inputs, outputs = whole.shape
    pieces = whole.reshape(*others, groups, inputs // groups, groups, outputs // groups)
    kernel = np.stack([pieces[..., group, :, group, :] for group in range(groups)], axis=-2)
    return kernel.reshape(*others, inputs // groups, outputs)


def blocks_apart(matrix: np.ndarray, blocks: int) -> np.ndarray:
    """A square matrix with zeros between blocks of like length."""
    if blocks == 1:
        return matrix
    block = np.arange(len(matrix)) * blocks // len(matrix)
    return np.where(block[:, None] == block, matrix, 0.0)
