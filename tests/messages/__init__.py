"""What people read in another language: the texts that are marked for it, and their catalogue.

Needs no gettext on the system: Babel reads the marked texts and writes both files of the catalogue.
"""
