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
