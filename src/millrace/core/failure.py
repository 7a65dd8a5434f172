"""The two families of error.

Code raises one of two families only: the operator's fault, which a person mends in a file or a command, and the world's
fault, which a person or time mends outside the program (design section 8). Anything else that is raised is a bug.
"""


class OperatorError(Exception):
    """Something that the person at the keyboard can mend; the text names the place and what to do."""


class WorldError(Exception):
    """Something outside failed (disk, venue, network); the text names it and what to do."""
