"""Entry point and environment."""

from __future__ import annotations

from typing import Final

from secpkg.kit.doctor.causes.stage import stage
from secpkg.kit.doctor.checks import loading, offering
from secpkg.kit.doctor.model import Cause

_GROUP: Final = '[project.entry-points."secpkg.lsa_mode"]'

CAUSES: Final[tuple[Cause, ...]] = (
    *stage(
        "entry point",
        (
            "entry_point_in_wrong_group",
            offering.entry_point_in_wrong_group,
            "{distribution} offers {module} in the group {group!r}, which is not where an LSA half is looked for",
            'write [project.entry-points."{right}"] {module} = "{value}" in its pyproject.toml and install it again',
        ),
        (
            "only_in_users_environment",
            offering.only_in_users_environment,
            "{distribution} is installed here and not where the authority runs ({there})",
            "{mend}",
        ),
        (
            "only_outside_isolation",
            offering.only_outside_isolation,
            "{distribution} is found here through PYTHONPATH or the user's own site-packages, where no authority looks",
            "{mend}",
        ),
        (
            "entry_point_missing",
            offering.distribution_without_entry_point,
            "{distribution} is installed and has no entry point for an LSA half",
            f'write {_GROUP} {{module}} = "{{import}}:lsa_mode_initialize" in its pyproject.toml and install it again',
        ),
        (
            "listed_name_misspelt",
            offering.listed_name_misspelt,
            "nobody offers the module {module!r} that is on the list; {suggestion!r} is probably meant",
            "write {suggestion} instead of {module} in {file}",
        ),
        (
            "registered_and_gone",
            offering.registered_and_gone,
            "module {module} is on a list, and {distribution} is not installed where the authority runs",
            "{mend}",
        ),
        (
            "not_installed",
            offering.not_installed,
            "nothing called {module!r} is installed or listed",
            "{python} -m pip install DISTRIBUTION, the one that offers it",
        ),
        (
            "offered_twice",
            offering.offered_twice,
            "module {module} is offered twice, by {distributions}",
            "{python} -m pip uninstall {one}",
        ),
        (
            "target_without_function",
            offering.target_without_function,
            "the entry point of {module} names no function: {value!r}",
            'write {module} = "{value}:lsa_mode_initialize" in the pyproject.toml of {distribution}, install it again',
        ),
    ),
    *stage(
        "environment",
        (
            "version_changed",
            offering.version_changed,
            "{module} was registered as {registered}, and {now} is installed",
            "{again}",
        ),
        (
            "files_changed",
            offering.files_changed,
            "the files of {module} are not those that were registered: they were edited or installed again",
            "{again}",
        ),
        (
            "not_what_was_registered",
            loading.not_what_was_registered,
            "{module} was not loaded: its {field} is not what was registered",
            "{again}",
        ),
    ),
)
