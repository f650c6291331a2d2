"""A file per screen: who may, what, and which piece of the page."""
