"""How the processes of secpkg talk: frames over a Unix-domain socket, the descriptors that ride on them, and who is at
the other end.

Import the room that is needed (`secpkg.ipc.channel`, `secpkg.ipc.poll`, ...): nothing is gathered here, so that a
client pays for the blocking channel alone and never for an event loop.
"""
