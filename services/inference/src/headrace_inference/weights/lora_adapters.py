"""LoRA adapters: whether one belongs to a model, asked before both are loaded."""

from pathlib import Path

from gguf import GGUFReader

from headrace_inference.weights.notes import remembered

SUFFIXES = (".lora_a", ".lora_b")


class AdapterDoesNotFitError(ValueError):
    """Says which adapter, and why."""


def check_adapter(model: Path, adapter: Path) -> None:
    """Raise AdapterDoesNotFitError unless the file is a LoRA adapter for such a model."""
    if not adapter.is_file():
        raise AdapterDoesNotFitError(f"there is no adapter {adapter}")
    try:
        reader = GGUFReader(adapter)
    except (ValueError, LookupError) as error:
        raise AdapterDoesNotFitError(f"the adapter {adapter} is no GGUF file") from error
    told = {name: field.contents() for name, field in reader.fields.items()}
    if (told.get("general.type"), told.get("adapter.type")) != ("adapter", "lora"):
        raise AdapterDoesNotFitError(f"{adapter} is no LoRA adapter")
    known = remembered(model, "architecture_and_tensors", _read)
    architecture = told.get("general.architecture")
    if architecture != known["architecture"]:
        raise AdapterDoesNotFitError(
            f"the adapter {adapter} is for models of architecture {architecture},"
            f" this one is {known['architecture']}"
        )
    changed = {_target(tensor.name) for tensor in reader.tensors}
    if strange := sorted(changed - set(known["tensors"])):
        raise AdapterDoesNotFitError(
            f"the adapter {adapter} changes {strange[0]}, which this model does not have"
        )


def _read(model: Path) -> dict[str, object]:
    reader = GGUFReader(model)
    architecture = reader.fields["general.architecture"].contents()
    return {"architecture": architecture, "tensors": [tensor.name for tensor in reader.tensors]}


def _target(name: str) -> str:
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name
