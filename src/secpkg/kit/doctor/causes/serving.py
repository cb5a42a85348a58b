"""Worker and user half."""

from __future__ import annotations

from typing import Final

from secpkg.kit.doctor.causes.stage import stage
from secpkg.kit.doctor.checks import serving
from secpkg.kit.doctor.model import Cause

CAUSES: Final[tuple[Cause, ...]] = (
    *stage(
        "worker",
        (
            "draining",
            serving.draining,
            "{package} is being removed: {channels} applications still use it, new ones are refused",
            "{again}",
        ),
        (
            "still_loading",
            serving.still_loading,
            "{module} is still being loaded",
            "wait, then {secpkg} doctor {name}",
        ),
        (
            "quarantined_hung",
            serving.quarantined_hung,
            "{package} is quarantined: a function of it did not give control back",
            "correct the loop or the blocking call, then {secpkg} packages revive {module}",
        ),
        (
            "quarantined_load",
            serving.quarantined_load,
            "{package} is quarantined: its start took too long",
            "take what waits out of SpInitialize, then {secpkg} packages revive {module}",
        ),
        (
            "quarantined_killed",
            serving.quarantined_killed,
            "{package} is quarantined: its worker was killed, by the memory limit of the system or by hand",
            "{secpkg} packages revive {module}",
        ),
        (
            "quarantined_crashed",
            serving.quarantined_crashed,
            "{package} is quarantined: native code in its worker crashed ({last})",
            "{secpkg} packages revive {module}",
        ),
        (
            "quarantined",
            serving.quarantined,
            "{package} is quarantined: its worker ended too often ({last})",
            "{secpkg} packages revive {module}",
        ),
        (
            "worker_restarting",
            serving.worker_restarting,
            "the worker of {package} has died ({restarts} times so far) and is about to be started again",
            "{secpkg} trace --failed --package {package}",
        ),
    ),
    *stage(
        "user half",
        (
            "user_half_not_offered",
            serving.user_half_not_offered,
            "{package} announces {announced} and has no user half to keep it",
            'write [project.entry-points."secpkg.user_mode"] {module} = "...:user_mode_initialize", then {again}',
        ),
        (
            "user_half_not_here",
            serving.user_half_not_here,
            "applications of this environment do not have the user half of {module}: {text}",
            "{python} -m pip install {distribution}",
        ),
        (
            "user_half_version",
            serving.user_half_version,
            "applications of this environment have another version of {module}: {text}",
            "{python} -m pip install {distribution}",
        ),
        (
            "user_half_digest",
            serving.user_half_digest,
            "applications of this environment have other files of {module}: {text}",
            "{python} -m pip install --force-reinstall {distribution}",
        ),
        (
            "user_half_import",
            serving.user_half_import,
            "the user half of {module} cannot be imported in an application: {text}",
            "correct that import in the user half, then {again}",
        ),
        (
            "user_half_initialize",
            serving.user_half_initialize,
            "the user half of {module} does not start: {text}",
            "correct user_mode_initialize, then {again}",
        ),
        (
            "user_half_broken",
            serving.user_half_broken,
            "the user half of {module} has a broken table: {text}",
            "correct the function that it names, then {again}",
        ),
        (
            "user_functions_missing",
            serving.user_functions_missing,
            "{text}, which its capabilities announce",
            "define them in the user half, then {again}",
        ),
    ),
)
