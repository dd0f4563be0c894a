"""The errors a user can meet: each message says what, what was got, and what to do."""


class InspectorError(Exception):
    """A mistake or a limit that the user can act on; the command line prints it as one line."""


class InputError(InspectorError):
    """A text, a file, a name or an option that can't be used."""


class ModelError(InspectorError):
    """A model that can't be loaded, or can't be trusted to give right numbers."""


class RunError(InspectorError):
    """A saved run that is missing, damaged, or in the way."""


class DetectorError(InspectorError):
    """A part of a detector that failed; the other parts and the other detectors go on."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it is said that there isn't enough memory: by Python, an accelerator, or torch's allocator on a CPU.

    Those of torch are told by name: nothing here may need torch.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and ("can't allocate memory" in said or "out of memory" in said.lower())
