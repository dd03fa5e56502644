"""Common ground of all rooms: files written whole or not at all, table schemas, units of work, Dask.

Nothing here knows DICOM, genes or clinical codes, and nothing here imports another room.
"""
