"""The doors to the machine: processes, waiting, stopping, HTTPS, masking."""
