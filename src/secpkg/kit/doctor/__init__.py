"""Why is it not loaded, why is it never called: from the configuration to the calls seen, the first thing that is wrong
and the command that mends it.

`gather` collects facts (`facts`), each as it was found and without a judgement; `causes` is the table of everything
that can be wrong, in the order of the walk, each a function of the facts; `walk` goes through it.
"""
