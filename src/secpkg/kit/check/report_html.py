"""A report as one page without any other file: style and picture are inside, and there is no script."""

from __future__ import annotations

import html
from typing import Final

from secpkg.kit.check.model import Outcome, Report, RuleResult, printable

_COLOURS: Final = {
    Outcome.KEPT: "#2e7d32",
    Outcome.BROKEN: "#c62828",
    Outcome.NOT_TRIED: "#f9a825",
    Outcome.NOT_APPLICABLE: "#b0bec5",
}
_WORDS: Final = {Outcome.NOT_APPLICABLE: "inherit", Outcome.NOT_TRIED: "#b26a00"}
"""Colours of words, where that of the square is too light to read."""
_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2rem}code,pre{font-family:ui-monospace,monospace;font-size:.86em}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f5f5f5;padding:.5rem;margin:.3rem 0}
table{border-collapse:collapse;width:100%}td{vertical-align:top;padding:.25rem .5rem;border-top:1px solid #ddd}
.word{white-space:nowrap;font-weight:600}.line{color:#555}summary{cursor:pointer}svg{width:100%;height:auto}
@media(prefers-color-scheme:dark){body{background:#16181b;color:#ddd}pre{background:#222}td{border-color:#333}.line{color:#aaa}}
"""


def escape(text: str) -> str:
    """Text as it may stand anywhere in the page."""
    return "\n".join(html.escape(printable(line)) for line in text.split("\n"))


def render(report: Report) -> str:
    """The page."""
    name = escape(report.module)
    count = len(report.broken)
    verdict = "no rule broken" if not count else "1 rule broken" if count == 1 else f"{count} rules broken"
    sections: dict[str, list[RuleResult]] = {}
    for result in report.rules:
        sections.setdefault(result.section, []).append(result)
    body = "".join(_section(title, results) for title, results in sections.items())
    faults = "".join(
        f"<pre>{escape(fault.text)}\n{escape(chr(10).join(fault.evidence))}</pre>" for fault in report.faults
    )
    legs = ", ".join(f"{who} {size}" for who, size in report.transcript)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>secpkg check {name}: {verdict}</title><style>{_STYLE}</style></head><body>
<h1>{name}: {verdict}</h1>
<p>What <code>secpkg check</code> found. R rules are of the documents "Creating Custom Security Packages" and SSPI,
K rules what every package promises: proof, secrets, resources. A rule that is not applicable binds the authority, or a
power that this package does not have.</p>
<p>Packages: {escape(", ".join(report.packages)) or "none"}. Powers: {escape(", ".join(report.powers)) or "none"}.<br>
{f"Handshake, in bytes: {escape(legs)}.<br>" if legs else ""}
Seed {report.seed}, {"quick, " if report.quick else ""}{report.seconds:.1f} s.</p>
{_picture(report)}
{f"<h2>Faults of the kit</h2>{faults}" if faults else ""}
{body}
</body></html>
"""


def _picture(report: Report) -> str:
    """One square for each rule, in order, and the sums."""
    columns, size = 48, 20
    rows = -(-len(report.rules) // columns)
    squares = "".join(
        f'<rect x="{place % columns * size}" y="{place // columns * size}" width="{size - 2}" height="{size - 2}" '
        f'rx="3" fill="{_COLOURS[result.outcome]}">'
        f"<title>{result.rule} {result.outcome.value}: {escape(result.line)}</title></rect>"
        for place, result in enumerate(report.rules)
    )
    legend, x = "", 0
    for outcome in Outcome:
        text = f"{report.count(outcome)} {outcome.value}"
        legend += (
            f'<rect x="{x}" y="{rows * size + 8}" width="14" height="14" rx="3" fill="{_COLOURS[outcome]}"/>'
            f'<text x="{x + 20}" y="{rows * size + 20}" font-size="14" fill="currentColor">{text}</text>'
        )
        x += 30 + 9 * len(text)
    label = escape(", ".join(f"{report.count(outcome)} {outcome.value}" for outcome in Outcome))
    box = f"0 0 {columns * size} {rows * size + 30}"
    return f'<svg viewBox="{box}" role="img" aria-label="{label}">{squares}{legend}</svg>'


def _section(title: str, results: list[RuleResult]) -> str:
    rows = "".join(_row(result) for result in results)
    bad = any(result.outcome in (Outcome.BROKEN, Outcome.NOT_TRIED) for result in results)
    count = sum(result.outcome is Outcome.KEPT for result in results)
    apply = sum(result.outcome is not Outcome.NOT_APPLICABLE for result in results)
    told = f"{count} of {apply} kept" if apply else "none applies"
    return (
        f"<details{' open' if bad else ''}><summary><b>{escape(title)}</b> ({told})</summary>"
        f"<table>{rows}</table></details>"
    )


def _row(result: RuleResult) -> str:
    evidence = "".join(
        f"<pre>{escape(chr(10).join((f'{finding.probe}: {finding.text}', *finding.evidence)))}</pre>"
        for finding in result.findings
        if finding.outcome is Outcome.BROKEN
    )
    colour = _WORDS.get(result.outcome, _COLOURS[result.outcome])
    return (
        f'<tr><td class="word">{result.rule}</td>'
        f'<td class="word" style="color:{colour}">{result.outcome.value}</td>'
        f'<td>{escape(result.line)}<div class="line">{escape(result.reason)}</div>{evidence}</td></tr>'
    )
