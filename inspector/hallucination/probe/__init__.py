"""The probe: fitted, selected, and evaluated on answers that it was not fitted on."""
