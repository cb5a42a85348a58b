"""Import, table, initialize, registration: what the loader said of the module, told apart.

The loader's reasons are one line each and made for authors (`secpkg.host.lsa_mode.load`, `secpkg.host.tables`,
`secpkg.authority.directory`); which of them it was is read off their words, and tests plant each fault so that a
changed word is noticed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from secpkg.kit.doctor.facts import Facts
from secpkg.kit.doctor.model import Check, Evidence


def troubles(facts: Facts) -> Iterator[tuple[str, str]]:
    """What is wrong with the module as a whole (an empty name) or with its packages: the authority's word where it
    lists the module, else the probe's.
    """
    if facts.listed:
        for row in facts.listed:
            if row.state == "broken":
                yield row.name, row.reason
        return
    if facts.probe.text and facts.probe.stage != "missing":
        yield "", facts.probe.text
    for row in facts.probe.rows:
        if row.state == "broken":
            yield row.name, row.reason


def said(pattern: str) -> Check:
    """A check that the loader said so; the groups of the pattern are the evidence."""
    compiled = re.compile(pattern, re.DOTALL)

    def check(facts: Facts) -> Evidence | None:
        for package, text in troubles(facts):
            found = compiled.search(text)
            if found is not None:
                values = {name: value or "it" for name, value in found.groupdict().items()}
                return Evidence({"package": package or facts.module, **values}, (text,))
        return None

    return check


_AT = r"(?: at (?P<where>\S+:\d+))?$"

syntax_error = said(r"^importing (?P<value>\S+) failed: (?:SyntaxError|IndentationError|TabError): (?P<text>.*?)" + _AT)
dependency_name = said(r"^importing (?P<value>\S+) failed: ImportError: (?P<text>.*?)" + _AT)
attribute_missing = said(
    r"^importing (?P<target>[^:\s]+):(?P<attribute>\S+) failed: AttributeError: module '[^']*' has no attribute "
    r"'(?P=attribute)'"
)
import_exits = said(r"^importing (?P<value>\S+) failed: (?P<kind>SystemExit|KeyboardInterrupt)\b")
import_raises = said(r"^importing (?P<value>\S+) failed: (?P<text>.*?)" + _AT)
not_callable = said(r"^(?P<value>\S+) is not callable$")
not_what_was_registered = said(r"is not the one that was registered: its (?P<field>\w+) differs")
files_not_found = said(r"is not here: module_files_not_found")

_NO_MODULE = re.compile(
    r"^importing (?P<target>[^:\s]+):\S* failed: ModuleNotFoundError: No module named '(?P<name>[^']+)'"
)


def _missing_import(facts: Facts) -> tuple[str, str, str] | None:
    for _package, text in troubles(facts):
        found = _NO_MODULE.search(text)
        if found is not None:
            return found["target"], found["name"], text
    return None


def target_not_importable(facts: Facts) -> Evidence | None:
    """The entry point names a module that is not in its distribution."""
    found = _missing_import(facts)
    if found is None:
        if facts.probe.stage == "missing" and facts.probe.text == "module_files_not_found" and not facts.listed:
            offer = next(iter(facts.here.of("secpkg.lsa_mode", facts.module)), None)
            value = "" if offer is None else offer.value
            return Evidence({"target": value.partition(":")[0], "name": value.partition(".")[0].partition(":")[0]})
        return None
    target, name, text = found
    return Evidence({"target": target, "name": name}, (text,)) if f"{target}.".startswith(f"{name}.") else None


def dependency_missing(facts: Facts) -> Evidence | None:
    """The module imports something that is not installed where the authority runs."""
    found = _missing_import(facts)
    if found is None:
        return None
    target, name, text = found
    return Evidence({"target": target, "name": name, "python": facts.loading.python}, (text,))


def hangs_at_load(facts: Facts) -> Evidence | None:
    """Import or SpInitialize does not come to an end."""
    for _package, text in troubles(facts):
        if "load_took_too_long" in text:
            return Evidence({}, (text,))
    return Evidence() if facts.probe.stage == "hung" and not facts.listed else None


def dies_at_load(facts: Facts) -> Evidence | None:
    """The process ends while the module is loaded."""
    if facts.probe.stage != "died" or facts.listed:
        return None
    return Evidence({"text": facts.probe.text})


initialize_async = said(r"^SpLsaModeInitialize must be def, not async def")
initialize_nonsense = said(r"^SpLsaModeInitialize returned (?P<kind>\w+), not ModuleTables")
version_nonsense = said(r"^SpLsaModeInitialize returned version (?P<version>.+), not an InterfaceVersion")
no_packages = said(r"^SpLsaModeInitialize returned (?P<number>no|more than \d+) tables|no sequence of packages")
initialize_raises = said(r"^SpLsaModeInitialize failed: (?P<text>.*?)" + _AT)

misspelt = said(r"^(?P<field>\w+): no documented function; is (?P<meant>\w+) meant\?")
wrong_signature = said(r"^(?P<field>\w+): (?P<text>.*) \(parameters\)$")
not_async = said(r"^(?P<field>\w+): .*\(not_async\)$")
not_a_function = said(r"^(?P<field>\w+): .*is a (?P<kind>\w+) \(not_callable\)$")
beyond_version = said(r"^(?P<field>\w+) is beyond the interface version that the module returned")

no_info = said(r"^the package has no `info: PackageInfo`")
bad_info = said(r"^PackageInfo\.(?P<field>\w+) (?P<text>.*)$")
ap_without_name = said(r"^LsaApInitializePackage returned no name")
status_returned = said(r"^SpInitialize returned (?P<status>\w+)")

name_taken = said(r"^package_name_taken$")
name_reserved = said(r"^package_name_reserved$")
name_invalid = said(r"^package_name_invalid$")
second_nego_extender = said(r"^second_nego_extender$")
unloaded_itself = said(r"^the package unloaded itself$")
removed = said(r"^removed$")
start_failed = said(r"^(?!package_name_|second_nego_extender|the package unloaded|removed$)(?P<text>.+?)" + _AT)
"""What is left: SpInitialize or one of the functions after it raised."""


def owner_of(facts: Facts, package: str) -> str:
    """The module whose package of that name serves."""
    folded = package.casefold()
    serving = (row for row in facts.rows if row.name.casefold() == folded and row.state in ("loaded", "quarantined"))
    return next((row.module for row in serving if row.module != facts.module), "another module")


def name_taken_by(facts: Facts) -> Evidence | None:
    """R18: two packages of one name; the first keeps it."""
    found = name_taken(facts)
    if found is None:
        return None
    package = found.values["package"]
    owner = owner_of(facts, package)
    if owner == "another module" and [row.name.casefold() for row in facts.own].count(package.casefold()) > 1:
        owner = facts.module
    return Evidence({"package": package, "owner": owner}, found.lines)
