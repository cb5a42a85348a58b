"""``secpkg lab``: a throwaway authority around a module that is being written, tried again after each edit.

The authority is a real daemon in a directory of its own, with a worker for each module, since only a new process has
new code. The peers are processes of their own for the same reason: they load the user half. Nothing here needs root,
and nothing is left behind. An author's mistakes are looked up by a further process that repeats the round with the
module in it (`diagnose`): authority and workers tell names of exceptions only, as their text may hold secrets, and a
lab has none.
"""
