"""The sections of the page, one module and one template each: a module here that names its `SECTION` is on the page."""
