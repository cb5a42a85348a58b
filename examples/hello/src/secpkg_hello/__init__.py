"""Hello: an example security package, an AP and an SSP in one (SSP/AP).

`lsa_mode` runs in the authority's worker, `user_mode` in the application; `packed_context` is all that they share.
"""
