"""Rewrites a GGUF file's Q4_1 tensors as Q8_0, for which llama.cpp has fast batched kernels."""

import math
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import dequantize, quantize

Q4_1 = GGMLQuantizationType.Q4_1
Q8_0 = GGMLQuantizationType.Q8_0


def requantize(source: Path, target: Path) -> bool:
    """Write `source` to `target` with every Q4_1 tensor as Q8_0 and all else as it is.

    Returns False, and writes nothing, if there is no Q4_1 tensor. Tensors are converted one by one
    while they are written, so memory holds one at a time.
    Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
    """
    reader = GGUFReader(source)
    if all(tensor.tensor_type != Q4_1 for tensor in reader.tensors):
        return False
    writer = GGUFWriter(target, reader.fields[gguf.Keys.General.ARCHITECTURE].contents())
    try:
        _copy_metadata(reader, writer)
        for tensor in reader.tensors:
            _announce(tensor, writer)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in reader.tensors:
            writer.write_tensor_data(_converted(tensor))
    finally:
        writer.close()
    return True


def _copy_metadata(reader: GGUFReader, writer: GGUFWriter) -> None:
    for field in reader.fields.values():
        if field.name == gguf.Keys.General.ARCHITECTURE or field.name.startswith("GGUF."):
            continue  # the writer adds these itself
        if field.name == gguf.Keys.General.FILE_TYPE:
            writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
            continue
        element_type = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], element_type)


def _announce(tensor: gguf.ReaderTensor, writer: GGUFWriter) -> None:
    if tensor.tensor_type != Q4_1:
        data = tensor.data
        writer.add_tensor_info(tensor.name, data.shape, data.dtype, data.nbytes, tensor.tensor_type)
        return
    elements = gguf.quant_shape_from_byte_shape(tensor.data.shape, Q4_1)
    shape = gguf.quant_shape_to_byte_shape(elements, Q8_0)
    writer.add_tensor_info(tensor.name, shape, np.dtype(np.uint8), math.prod(shape), Q8_0)


def _converted(tensor: gguf.ReaderTensor) -> np.ndarray[Any, np.dtype[Any]]:
    if tensor.tensor_type != Q4_1:
        return tensor.data
    return quantize(dequantize(tensor.data, Q4_1), Q8_0)
